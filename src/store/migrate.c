#include "store/migrate.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "store/sql_files.h"

#define CHECKSUM_HEX (crypto_hash_sha256_BYTES * 2 + 1)

/* One migrator at a time, in the whole database; the number is only ours by custom ("cohort", then 1). */
#define ANSWER_MS 15000 /* of questions that a server asks again and again */
#define LOCK_KEY "7165064744911531777"
#define LOCK_WAIT "60s"

static const char begin_sql[] =
    "set lock_timeout = '" LOCK_WAIT "'; select pg_advisory_lock(" LOCK_KEY "); set statement_timeout = 0";

static const char tables_sql[] =
    "begin;"
    "create schema if not exists cohort;"
    "create table if not exists cohort.schema_migration ("
    "  number int primary key, name text not null, checksum text not null,"
    "  applied_at timestamptz not null default now(), applied_by text not null default session_user);"
    "comment on table cohort.schema_migration is 'Migrations applied to this database, by cohortd at start.';"
    "comment on column cohort.schema_migration.number is 'What the name of its file begins with.';"
    "comment on column cohort.schema_migration.name is 'Name of its file.';"
    "comment on column cohort.schema_migration.checksum is 'SHA-256 of its file: an applied migration is "
    "never "
    "edited.';"
    "comment on column cohort.schema_migration.applied_at is 'When it was applied.';"
    "comment on column cohort.schema_migration.applied_by is 'The database role that applied it.';"
    "create table if not exists cohort.schema_functions ("
    "  one boolean primary key default true check (one), checksum text not null,"
    "  applied_at timestamptz not null default now());"
    "comment on table cohort.schema_functions is 'The functions and views in this database, as one row: they "
    "are replaced as a whole.';"
    "comment on column cohort.schema_functions.one is 'Always true: there is one row.';"
    "comment on column cohort.schema_functions.checksum is 'SHA-256 of all their files.';"
    "comment on column cohort.schema_functions.applied_at is 'When they were last replaced.';"
    "commit";

int migrate_target(void)
{
    return sql_migrations_count ? sql_migrations[sql_migrations_count - 1].number : 0;
}

static void checksum_of(const struct sql_file *files, size_t n, char hex[CHECKSUM_HEX])
{
    crypto_hash_sha256_state state;
    unsigned char hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_init(&state);
    for (size_t i = 0; i < n; i++)
        crypto_hash_sha256_update(&state, (const unsigned char *)files[i].text, files[i].len);
    crypto_hash_sha256_final(&state, hash);
    sodium_bin2hex(hex, CHECKSUM_HEX, hash, sizeof hash);
}

/* Says which file failed; the database's own sentence stays. */
static int in_file(struct pg_error *e, const char *name, int code)
{
    char text[sizeof e->error.text];
    snprintf(text, sizeof text, "%s", e->error.text);
    return error_set(&e->error, code, name, "%s: %s", name, text);
}

/* Leaves no transaction open behind an error; the error is the first one's. */
static int roll_back(struct pg *p, int code)
{
    struct pg_error ignored;
    pg_exec(p, "rollback", 0, NULL, NULL, &ignored);
    return code;
}

static int take_lock(struct pg *p, struct pg_error *e)
{
    int code = pg_exec(p, begin_sql, 0, NULL, NULL, e);
    if (code != ERR_OK && strcmp(e->sqlstate, "55P03") == 0)
        return error_set(&e->error, ERR_UNAVAILABLE, "migrations",
                         "another cohortd has been migrating this database for more than " LOCK_WAIT
                         ": wait until it is done, then start again");
    return code;
}

/* A schema made by hand has our tables and not our record of migrations. */
static int check_origin(struct pg *p, struct pg_error *e)
{
    PGresult *res = NULL;
    int code = pg_exec(p,
                       "select to_regclass('cohort.schema_migration') is null"
                       " and to_regclass('cohort.experiment') is not null",
                       0, NULL, &res, e);
    if (code != ERR_OK)
        return code;
    bool foreign = strcmp(PQgetvalue(res, 0, 0), "t") == 0;
    PQclear(res);
    if (!foreign)
        return ERR_OK;
    return error_set(&e->error, ERR_STATE, "migrations",
                     "the database has a schema \"cohort\" that cohortd did not make (it has no table "
                     "schema_migration): name another database, or rename that schema");
}

static int check_server(struct pg *p, struct pg_error *e)
{
    int version = PQserverVersion(pg_conn(p));
    if (version >= 150000)
        return ERR_OK;
    return error_set(&e->error, ERR_STATE, "database",
                     "the database server is PostgreSQL %d; cohortd needs 15 or newer", version / 10000);
}

static const struct sql_file *migration_of(int number)
{
    for (size_t i = 0; i < sql_migrations_count; i++) {
        if (sql_migrations[i].number == number)
            return &sql_migrations[i];
    }
    return NULL;
}

/* What the database has must be a part of what this binary brings. Sets *last. */
static int check_applied(const PGresult *res, int *last, struct pg_error *e)
{
    int n = PQntuples(res);
    *last = n ? atoi(PQgetvalue(res, n - 1, 0)) : 0;
    if (*last > migrate_target())
        return error_set(
            &e->error, ERR_STATE, "migrations",
            "the database's schema is number %d, this cohortd knows it up to number %d: start the "
            "newer cohortd that migrated it, or restore a backup made before that",
            *last, migrate_target());
    for (int i = 0; i < n; i++) {
        const char *name = PQgetvalue(res, i, 1);
        const struct sql_file *m = migration_of(atoi(PQgetvalue(res, i, 0)));
        char hex[CHECKSUM_HEX] = "";
        if (m)
            checksum_of(m, 1, hex);
        if (strcmp(hex, PQgetvalue(res, i, 2)) != 0)
            return error_set(
                &e->error, ERR_STATE, "migrations",
                "migration %s was applied to this database with another content than this cohortd "
                "has: the two are different builds; start the cohortd that migrated it",
                name);
    }
    return ERR_OK;
}

static int apply_one(struct pg *p, const struct sql_file *m, struct pg_error *e)
{
    char number[16], hex[CHECKSUM_HEX];
    snprintf(number, sizeof number, "%d", m->number);
    checksum_of(m, 1, hex);
    const char *params[] = {number, m->name, hex};
    int code = pg_exec(p, "begin", 0, NULL, NULL, e);
    if (code == ERR_OK)
        code = pg_exec(p, m->text, 0, NULL, NULL, e);
    if (code == ERR_OK)
        code = pg_exec(p, "insert into cohort.schema_migration(number, name, checksum) values ($1, $2, $3)",
                       3, params, NULL, e);
    if (code == ERR_OK)
        code = pg_exec(p, "commit", 0, NULL, NULL, e);
    if (code != ERR_OK)
        return roll_back(p, in_file(e, m->name, code));
    log_info("migrate", "applied %s", m->name);
    return ERR_OK;
}

static int apply_missing(struct pg *p, int *applied, struct pg_error *e)
{
    PGresult *res = NULL;
    int last, code = pg_exec(p, "select number, name, checksum from cohort.schema_migration order by number",
                             0, NULL, &res, e);
    if (code != ERR_OK)
        return code;
    code = check_applied(res, &last, e);
    PQclear(res);
    for (size_t i = 0; i < sql_migrations_count && code == ERR_OK; i++) {
        if (sql_migrations[i].number <= last)
            continue;
        code = apply_one(p, &sql_migrations[i], e);
        if (code == ERR_OK)
            ++*applied;
    }
    return code;
}

static int functions_differ(struct pg *p, const char *hex, bool *differ, struct pg_error *e)
{
    PGresult *res = NULL;
    const char *params[] = {hex};
    int code = pg_exec(p, "select 1 from cohort.schema_functions where checksum = $1", 1, params, &res, e);
    if (code == ERR_OK)
        *differ = PQntuples(res) == 0;
    PQclear(res);
    return code;
}

static int replace_functions(struct pg *p, const char *hex, struct pg_error *e)
{
    const char *params[] = {hex};
    int code = pg_exec(p, "begin", 0, NULL, NULL, e);
    for (size_t i = 0; i < sql_functions_count && code == ERR_OK; i++) {
        code = pg_exec(p, sql_functions[i].text, 0, NULL, NULL, e);
        if (code != ERR_OK)
            in_file(e, sql_functions[i].name, code);
    }
    if (code == ERR_OK)
        code = pg_exec(p,
                       "insert into cohort.schema_functions(checksum) values ($1)"
                       " on conflict (one) do update set checksum = excluded.checksum, applied_at = now()",
                       1, params, NULL, e);
    if (code == ERR_OK)
        code = pg_exec(p, "commit", 0, NULL, NULL, e);
    if (code != ERR_OK)
        return roll_back(p, code);
    log_info("migrate", "functions and views replaced");
    return ERR_OK;
}

static int migrate_locked(struct pg *p, int *applied, struct pg_error *e)
{
    char hex[CHECKSUM_HEX];
    bool differ = false;
    int code = check_origin(p, e);
    if (code == ERR_OK)
        code = pg_exec(p, tables_sql, 0, NULL, NULL, e);
    if (code != ERR_OK)
        return roll_back(p, code);
    code = apply_missing(p, applied, e);
    if (code != ERR_OK)
        return code;
    checksum_of(sql_functions, sql_functions_count, hex);
    code = functions_differ(p, hex, &differ, e);
    return code == ERR_OK && differ ? replace_functions(p, hex, e) : code;
}

int migrate_behind(struct pg *p, bool *behind, int *number, struct pg_error *e)
{
    PGresult *res = NULL;
    *behind = false;
    *number = 0;
    memset(e, 0, sizeof *e);
    int code =
        pg_exec_within(p, ANSWER_MS, "select to_regclass('cohort.schema_migration') is not null", &res, e);
    bool made = code == ERR_OK && strcmp(PQgetvalue(res, 0, 0), "t") == 0;
    PQclear(res);
    if (made) {
        code = pg_exec_within(p, ANSWER_MS, "select coalesce(max(number), 0) from cohort.schema_migration",
                              &res, e);
        if (code == ERR_OK)
            *number = atoi(PQgetvalue(res, 0, 0));
        PQclear(res);
    }
    *behind = *number < migrate_target();
    return code;
}

int migrate_replaced(struct pg *p, bool *replaced, struct pg_error *e)
{
    char hex[CHECKSUM_HEX];
    checksum_of(sql_functions, sql_functions_count, hex);
    return functions_differ(p, hex, replaced, e);
}

int migrate_run(struct pg *p, int *applied, struct pg_error *e)
{
    struct pg_error ignored;
    *applied = 0;
    memset(e, 0, sizeof *e);
    int code = check_server(p, e);
    if (code == ERR_OK)
        code = take_lock(p, e);
    if (code != ERR_OK)
        return code;
    code = migrate_locked(p, applied, e);
    /* A lost connection has lost the lock as well. */
    pg_exec(p, "select pg_advisory_unlock(" LOCK_KEY ")", 0, NULL, NULL, &ignored);
    return code;
}
