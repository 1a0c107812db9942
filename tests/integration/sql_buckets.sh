#!/bin/sh
# cohort.bucket_of puts every value into the bucket that src/stats/buckets.h gives it.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/pg.sh"

pg_start
pg_load_schema
grid=$PG_DIR/grid.csv
./tests/integration/bucket_grid >"$grid" || exit 1
psql -XAtq -v ON_ERROR_STOP=1 >"$PG_DIR/out" 2>&1 <<SQL
create temp table grid (value numeric, bucket int);
\\copy grid from '$grid' with (format csv)
select 'value ' || value || ': bucket ' || bucket || ' in C, ' || cohort.bucket_of(value) || ' in SQL'
  from grid where bucket <> cohort.bucket_of(value) limit 5;
select 'the grid has too few values' where (select count(*) from grid) < 9000;
-- a fraction lies between whole numbers
select 'fraction ' || v from unnest('{0.5,-0.5,99.999,100.5,111.999}'::numeric[], '{1,-1,1,2,2}'::int[]) f(v, b) where cohort.bucket_of(v) <> b;
SQL
if [ -s "$PG_DIR/out" ]; then
    cat "$PG_DIR/out"
    exit 1
fi
echo "$(wc -l <"$grid") values have the same bucket in SQL and in C"
