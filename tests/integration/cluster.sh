#!/bin/sh
# cluster.sh KIND DIR: copies a PostgreSQL cluster at rest to DIR, which must not exist. Each kind is made once for all
# tests, in the build directory, and again when what it is made of is newer: a copy takes a tenth of a second, initdb and
# the schema take three. Its files belong to the user that PostgreSQL runs as; that is postgres, for root.
#
#   empty     superuser postgres, who is believed
#   schema    with this tree's schema in its database "schema", for other databases to be copies of
#   migrated  with a database "cohort" that cohortd has migrated, and nothing else done with
#   served    what cohortd makes in its own data directory, just as far
#
# COHORT_BUILD and PG_BINDIR are known to tests.
set -u
here=$(cd "$(dirname "$0")" && pwd)
sql=$(cd "$here/../../sql" && pwd)
build=${COHORT_BUILD:-$PWD}
bindir=${PG_BINDIR:-/usr/lib/postgresql/15/bin}
kind=$1
made=$build/clusters/$kind
stamp=$made.made
work=

die() {
    echo "cluster.sh: $*" >&2
    exit 1
}

# Runs a server program as a user PostgreSQL accepts.
as_user() {
    if [ "$(id -u)" = 0 ]; then
        (cd "$work" && exec setpriv --reuid postgres --regid postgres --clear-groups env HOME="$work" "$@")
    else
        "$@"
    fi
}

at_exit() {
    status=$?
    trap - EXIT
    if [ -n "$work" ]; then
        if [ -f "$work/pg/postmaster.pid" ]; then as_user "$bindir/pg_ctl" -D "$work/pg" -m immediate -w -s stop; fi
        rm -rf "$work"
    fi
    exit "$status"
}

current() {
    case $kind in
    empty) set -- ;;
    schema) set -- "$sql/migrations" "$sql/functions" ;;
    migrated | served) set -- "$build/cohortd" ;;
    *) die "there is no kind $kind" ;;
    esac
    [ -d "$made" ] && [ -f "$stamp" ] &&
        [ -z "$(find "$here/cluster.sh" "$bindir/postgres" "$@" -newer "$stamp" | head -n 1)" ]
}

initdb() {
    as_user "$bindir/initdb" -D "$work/pg" -U postgres -A trust --locale=C.UTF-8 -E UTF8 --no-sync || die "initdb failed"
}

control() { # control start|stop
    as_user "$bindir/pg_ctl" -D "$work/pg" -l "$work/server.log" -w -t 60 -s -m fast \
        -o "-c listen_addresses='' -k '$work' -c fsync=off" "$1" || die "PostgreSQL: $(tail "$work/server.log")"
}

# to DATABASE: psql on a new database.
to() {
    psql -Xq "host=$work user=postgres dbname=postgres" -c "create database $1" &&
        PGOPTIONS='-c client_min_messages=warning' psql -X -q -1 -v ON_ERROR_STOP=1 -o /dev/null \
            "host=$work user=postgres dbname=$1"
}

# The keys come behind the migrations, and their file can't be written.
migrate() { # migrate OPTIONS...
    mkdir "$work/keys.json.new"
    "$build/cohortd" --data "$work" --listen 127.0.0.1:0 "$@" >"$work/log" 2>&1
    grep -q "^cohortd: the first API keys could not be made: " "$work/log" || die "$(cat "$work/log")"
}

# The attempt has taken numbers from sequences; the next is to find the first ones.
give_back() { # give_back USER
    psql -Xq -v ON_ERROR_STOP=1 "host=$work user=$1 dbname=cohort" <<'END' || die "the numbers are not given back"
do $$
declare
    s record;
begin
    for s in select c.oid::regclass as name, a.attrelid::regclass as rel, a.attname as col
               from pg_class c join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')
               join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
              where c.relkind = 'S' and c.relnamespace = 'cohort'::regnamespace
    loop
        execute format('select setval(%L, coalesce(max(%I), 1), max(%2$I) is not null) from %s', s.name, s.col, s.rel);
    end loop;
end $$;
END
}

make_it() {
    case $kind in
    empty) initdb ;;
    schema)
        initdb
        control start
        cat "$sql"/migrations/*.sql "$sql"/functions/*.sql | to schema || die "the schema does not load"
        control stop
        ;;
    migrated)
        initdb
        control start
        to cohort </dev/null || die "no database"
        migrate --database "host=$work user=postgres dbname=cohort"
        give_back postgres
        control stop
        ;;
    served)
        migrate
        control start
        give_back cohort
        control stop
        ;;
    esac
}

# Out of the way of whoever stops half-way, and of a build directory that user postgres can't enter.
make_again() {
    rm -rf "$made" "$stamp"
    trap at_exit EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    work=$(mktemp -d /tmp/cohort-pg.XXXXXX)
    chmod 711 "$work"
    if [ "$(id -u)" = 0 ]; then chown postgres:postgres "$work"; fi
    touch "$work/began"
    make_it >"$work/said" || die "$(cat "$work/said")"
    cp -a "$work/pg" "$made" && cp -p "$work/began" "$stamp" || die "no copy in $made"
}

mkdir -p "$build/clusters"
exec 9>"$build/clusters/$kind.lock"
flock 9
current || make_again 9>&-
flock -s 9
cp -a "$made" "$2"
