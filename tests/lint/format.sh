#!/bin/sh
# Every C file is as clang-format writes it (.clang-format at the top); what the build generates is left out.
set -u
top=${srcdir:-$(dirname "$0")/../..}
cd "$top" || exit 1
command -v clang-format >/dev/null || { echo "clang-format is not installed: skipped"; exit 77; }
find src tests clients/c -name '*.[ch]' ! -name '*_data.c' -print0 | xargs -0 clang-format --dry-run --Werror
