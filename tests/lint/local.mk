# Checks of the source itself.
lint_tests = tests/lint/includes.sh tests/lint/format.sh tests/lint/dist.sh tests/lint/docs.py tests/lint/packages.sh
TESTS += $(lint_tests)
EXTRA_DIST += $(lint_tests)
# The long ones, and what other tools find: ./run-tests --lint, --tsan, --valgrind.
EXTRA_DIST += .clang-tidy tests/lint/tidy.sh tests/lint/analyze.sh tests/lint/analyzer.txt tests/sanitize/tsan.sh \
	tests/sanitize/tsan.supp tests/sanitize/valgrind.sh tests/sanitize/valgrind.supp

print-distfiles:
	@printf '%s\n' $(DISTFILES)
.PHONY: print-distfiles
