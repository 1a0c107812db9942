#!/bin/sh
# Writes a C file to standard output that holds the SQL files named as arguments, as byte arrays, in the order
# of the arguments. Those under migrations/ go to sql_migrations, the others to sql_functions (store/sql_files.h).
#   usage: embed-sql.sh FILE...
set -eu
LC_ALL=C
export LC_ALL

array() {
    printf 'static const unsigned char %s[] = {\n' "$1"
    od -An -v -tx1 "$2" | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'
    printf '0x00};\n'
}

# The number at the head of a file's name, without leading zeros.
number() {
    basename "$1" | sed -n 's/^0*\([0-9][0-9]*\)_.*/\1/p'
}

table() {
    wanted=$1
    shift
    printf '\nconst struct sql_file sql_%s[] = {\n' "$wanted"
    i=0
    n=0
    for f in "$@"; do
        case $f in
        */"$wanted"/*)
            num=$(number "$f")
            if [ -z "$num" ]; then
                echo "embed-sql.sh: $f: the name must begin with a number and an underscore" >&2
                exit 1
            fi
            printf '    {%s, "%s", (const char *)text_%d, sizeof text_%d - 1},\n' "$num" "$(basename "$f")" $i $i
            n=$((n + 1))
            ;;
        esac
        i=$((i + 1))
    done
    printf '    {0, NULL, NULL, 0},\n};\nconst size_t sql_%s_count = %d;\n' "$wanted" $n
}

echo '/* Made by build-aux/embed-sql.sh from the files under sql/. */'
echo '#include "store/sql_files.h"'
i=0
for f in "$@"; do
    array "text_$i" "$f"
    i=$((i + 1))
done
table migrations "$@"
table functions "$@"
