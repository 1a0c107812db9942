# A private, throw-away PostgreSQL for a test: a cluster under a temporary directory, a unix socket only, no
# port, nothing of the machine's own clusters. To be sourced by a POSIX shell:
#
#   . "$(dirname "$0")/pg.sh"
#   pg_start            # sets PGHOST PGUSER PGDATABASE (exported) and DSN (a conninfo); stops at exit
#   pg_load_schema      # migrations and functions of this tree into database "cohort"
#   psql -XAtq -c '…'   # or anything else that speaks libpq
#   pg_stop             # at exit by itself; harmless to call twice
#
# A script with a clean-up of its own defines on_exit(): it runs before the cluster stops. PG_OPTS adds server
# options ("-c max_connections=20"). PG_KIND=empty: a cluster that has never seen the schema (cluster.sh), which the
# script loads itself, roles and all. As root the server runs as user postgres, as PostgreSQL demands.
# shellcheck shell=sh

PG_BINDIR=${PG_BINDIR:-/usr/lib/postgresql/15/bin}
TOP_SRCDIR=${srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
PG_DIR=

# Runs a server program as a user PostgreSQL accepts.
pg_as_user() {
    if [ "$(id -u)" = 0 ]; then
        (cd "$PG_DIR" && exec setpriv --reuid postgres --regid postgres --clear-groups env HOME="$PG_DIR" "$@")
    else
        "$@"
    fi
}

pg_at_exit() {
    pg_status=$?
    trap - EXIT
    if command -v on_exit >/dev/null 2>&1; then on_exit; fi
    pg_stop
    exit "$pg_status"
}

pg_start() {
    if [ ! -x "$PG_BINDIR/postgres" ]; then
        echo "skipped: no PostgreSQL server in $PG_BINDIR (set PG_BINDIR)"
        exit 77
    fi
    # Not under TMPDIR: a socket's path may have 107 bytes, and user postgres must reach it.
    PG_DIR=$(mktemp -d /tmp/cohort-pg.XXXXXX)
    chmod 711 "$PG_DIR"
    mkdir "$PG_DIR/socket"
    chmod 755 "$PG_DIR/socket"
    if [ "$(id -u)" = 0 ]; then chown -R postgres:postgres "$PG_DIR"; fi
    trap pg_at_exit EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    if ! "$TOP_SRCDIR/tests/integration/cluster.sh" "${PG_KIND:-schema}" "$PG_DIR/data"; then
        echo "there is no cluster to copy"
        exit 1
    fi
    if ! pg_as_user "$PG_BINDIR/pg_ctl" -D "$PG_DIR/data" -l "$PG_DIR/server.log" -w -t 60 -s \
        -o "-c listen_addresses='' -k '$PG_DIR/socket' -c fsync=off ${PG_OPTS:-}" start; then
        cat "$PG_DIR/server.log"
        echo "PostgreSQL did not start"
        exit 1
    fi
    unset PGPORT PGSERVICE PGSERVICEFILE PGPASSWORD PGPASSFILE PGOPTIONS PGHOSTADDR PGSSLMODE
    PGHOST=$PG_DIR/socket
    PGUSER=postgres
    PGDATABASE=postgres
    PGTZ=UTC # as days are counted, wherever this is
    DSN="host=$PGHOST user=$PGUSER dbname=$PGDATABASE"
    export PGHOST PGUSER PGDATABASE PGTZ DSN
}

# pg_load_schema [database]: makes the database, default "cohort", with the migrations and functions of this tree, loaded
# in one transaction as the migrator would, and makes it the one PGDATABASE and DSN name.
pg_load_schema() {
    pg_database=${1:-cohort}
    if [ "${PG_KIND:-schema}" = schema ]; then
        psql -Xq -d postgres -c "create database \"$pg_database\" template schema" || exit 1
    else
        psql -Xq -d postgres -c "create database \"$pg_database\"" || exit 1
    fi
    PGDATABASE=$pg_database
    DSN="host=$PGHOST user=$PGUSER dbname=$PGDATABASE"
    [ "${PG_KIND:-schema}" != schema ] || return 0
    if ! cat "$TOP_SRCDIR"/sql/migrations/*.sql "$TOP_SRCDIR"/sql/functions/*.sql |
        PGOPTIONS='-c client_min_messages=warning' psql -X -q -1 -v ON_ERROR_STOP=1 -o /dev/null; then
        echo "the schema does not load"
        exit 1
    fi
}

# Kills the server at once, as a crash would; pg_restart brings it back.
pg_crash() {
    pg_as_user "$PG_BINDIR/pg_ctl" -D "$PG_DIR/data" -m immediate -w -s stop
}

pg_restart() {
    pg_as_user "$PG_BINDIR/pg_ctl" -D "$PG_DIR/data" -l "$PG_DIR/server.log" -w -t 60 -s \
        -o "-c listen_addresses='' -k '$PG_DIR/socket' -c fsync=off ${PG_OPTS:-}" start
}

pg_stop() {
    [ -n "$PG_DIR" ] || return 0
    if [ -f "$PG_DIR/data/postmaster.pid" ]; then
        pg_as_user "$PG_BINDIR/pg_ctl" -D "$PG_DIR/data" -m immediate -w -s stop
    fi
    rm -rf "$PG_DIR"
    PG_DIR=
}
