#!/bin/sh
# Every example of docs/sql.md and docs/bandits.md, in order, against a database of its own: what the guide says works. An example is a
# block indented by four; one that begins with ERROR: shows what psql says. A statement that ends its line with
# "-- no rows" must return none.
. "$(dirname "$0")/pg.sh"
pg_start
pg_load_schema

SQL=$PG_DIR/examples.sql
awk '
    /^    / { if (!inside) { start = NR; text = "" } inside = 1; text = text substr($0, 5) "\n"; next }
    inside && text !~ /^ERROR:/ { printf "\\echo line %d\n%s\n", start, text; n++ }
    { inside = 0 }
    END { if (inside) printf "\\echo line %d\n%s\n", start, text }
' "$TOP_SRCDIR/docs/sql.md" "$TOP_SRCDIR/docs/bandits.md" >"$SQL"
[ "$(grep -c '^\\echo' "$SQL")" -gt 15 ] || { echo "FAIL: few examples were found"; exit 1; }
if ! psql -X -v ON_ERROR_STOP=1 -f "$SQL" >"$PG_DIR/out" 2>&1; then
    tail -n 15 "$PG_DIR/out"
    echo "FAIL: an example of docs/sql.md, or after its lines of docs/bandits.md: see the last line number"
    exit 1
fi

# One statement a line, so each can be asked alone.
grep -e '-- no rows' "$SQL" >"$PG_DIR/empty" || { echo "FAIL: nothing is said to return no rows"; exit 1; }
while read -r statement; do
    rows=$(psql -XAtq -c "$statement") || exit 1
    [ -z "$rows" ] || { echo "FAIL: returns rows: $statement"; echo "$rows"; exit 1; }
done <"$PG_DIR/empty"

# The guide and the schema: every function and table it names exists.
for name in $(grep -oE 'cohort\.[a-z_]+' "$TOP_SRCDIR/docs/sql.md" "$TOP_SRCDIR/docs/bandits.md" -h | sort -u | cut -d. -f2); do
    case $name in environment) continue ;; esac
    known=$(psql -XAtqc "select exists (select from pg_proc where proname = '$name' and pronamespace = 'cohort'::regnamespace)
        or to_regclass('cohort.$name') is not null")
    [ "$known" = t ] || { echo "FAIL: the guides name cohort.$name, which doesn't exist"; exit 1; }
done
echo passed
