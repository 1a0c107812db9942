#!/bin/sh
# Writes a C file to standard output that holds a file as a byte array.
#   usage: embed-file.sh NAME HEADER FILE
set -eu
LC_ALL=C
export LC_ALL
printf '/* Made by build-aux/embed-file.sh from %s. */\n#include "%s"\n\nconst unsigned char %s[] = {\n' \
    "$(basename "$3")" "$2" "$1"
od -An -v -tx1 "$3" | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'
printf '};\nconst size_t %s_len = sizeof %s;\n' "$1" "$1"
