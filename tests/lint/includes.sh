#!/bin/sh
# The include table of the house: who may include whom. Fails with file and line for each include that breaks it.
set -u
top=${srcdir:-$(dirname "$0")/../..}
cd "$top" || exit 1

# module: its own modules, then the libraries it may use. libc is free to all.
allowed() {
    case $1 in
    core) echo "core openssl pcre2 sodium" ;;
    stats) echo "stats" ;;
    codec) echo "core stats codec jansson sodium" ;;
    base) echo "core base event2 sodium" ;;
    spool) echo "core stats codec base spool sqlite3 sodium" ;;
    store) echo "core stats codec base store libpq-fe jansson sodium" ;;
    web) echo "core stats codec base web event2 jansson openssl sodium config" ;;
    cohortd) echo "core stats codec base spool store web cohortd event2 libpq-fe jansson sodium sqlite3 curl config" ;;
    cohortctl) echo "core stats codec base spool store cohortctl libpq-fe jansson sodium curl zlib config" ;;
    esac
}

# A pure module must not see a clock, a file, a socket or a thread through libc either.
impure='time.h sys/time.h sys/socket.h sys/stat.h fcntl.h unistd.h pthread.h poll.h signal.h'

module_of() {
    case $1 in
    sodium.h | sodium/*) echo sodium ;;
    libpq-fe.h) echo libpq-fe ;;
    pcre2.h) echo pcre2 ;;
    jansson.h) echo jansson ;;
    sqlite3.h) echo sqlite3 ;;
    zlib.h) echo zlib ;;
    config.h) echo config ;;
    core/* | stats/* | codec/* | base/* | spool/* | store/* | web/* | cohortd/* | cohortctl/*) echo "${1%%/*}" ;;
    event2/*) echo event2 ;;
    openssl/*) echo openssl ;;
    curl/*) echo curl ;;
    *) echo libc ;;
    esac
}

bad=0
checked=0
for file in src/*/*.c src/*/*.h; do
    from=${file#src/}
    from=${from%%/*}
    list=" $(allowed "$from") "
    [ "$list" = "  " ] && { echo "$file: unknown module $from"; bad=$((bad + 1)); continue; }
    includes=$(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]\([^>"]*\)[>"].*/\1/p' "$file")
    for inc in $includes; do
        checked=$((checked + 1))
        to=$(module_of "$inc")
        if [ "$to" = libc ]; then
            case $from in
            core | stats) case " $impure " in *" $inc "*) echo "$file includes <$inc>: $from is pure"; bad=$((bad + 1)) ;; esac ;;
            esac
            continue
        fi
        case $list in
        *" $to "*) ;;
        *) echo "$file includes $inc: $from may not include $to"; bad=$((bad + 1)) ;;
        esac
    done
done
[ "$checked" -gt 50 ] || { echo "only $checked includes were found: is srcdir right?"; exit 1; }
echo "$checked includes checked, $bad break the table"
[ "$bad" -eq 0 ]
