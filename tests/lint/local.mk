# Checks of the source itself.
TESTS += tests/lint/includes.sh tests/lint/format.sh tests/lint/dist.sh
EXTRA_DIST += tests/lint/includes.sh tests/lint/format.sh tests/lint/dist.sh

print-distfiles:
	@printf '%s\n' $(DISTFILES)
.PHONY: print-distfiles
