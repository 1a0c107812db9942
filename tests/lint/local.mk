# Checks of the source itself.
TESTS += tests/lint/includes.sh tests/lint/format.sh
EXTRA_DIST += tests/lint/includes.sh tests/lint/format.sh
