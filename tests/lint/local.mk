# Checks of the source itself.
TESTS += tests/lint/includes.sh tests/lint/format.sh tests/lint/dist.sh
EXTRA_DIST += tests/lint/includes.sh tests/lint/format.sh
# The long ones, and what other tools find: ./run-tests --lint, --tsan, --valgrind.
EXTRA_DIST += .clang-tidy tests/lint/tidy.sh tests/lint/analyze.sh tests/lint/analyzer.txt tests/sanitize/tsan.sh \
	tests/sanitize/tsan.supp tests/sanitize/valgrind.sh tests/sanitize/valgrind.supp tests/lint/dist.sh
TESTS += tests/lint/includes.sh tests/lint/format.sh tests/lint/dist.sh tests/lint/docs.py
EXTRA_DIST += tests/lint/includes.sh tests/lint/format.sh tests/lint/dist.sh tests/lint/docs.py
TESTS += tests/lint/includes.sh tests/lint/format.sh tests/lint/dist.sh tests/lint/docs.py tests/lint/packages.sh
EXTRA_DIST += tests/lint/includes.sh tests/lint/format.sh tests/lint/dist.sh tests/lint/docs.py tests/lint/packages.sh

print-distfiles:
	@printf '%s\n' $(DISTFILES)
.PHONY: print-distfiles
