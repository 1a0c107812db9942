/* What the spool's file says about itself: sealed values, and what its rows add up to. */
#include <sodium.h>
#include <string.h>

#include "spool/group.h"
#include "spool/spool_file.h"

enum { SEAL = 16, VALUE_MAX = 64 };

static void seal(const char *key, const void *value, size_t n, uint8_t out[SEAL])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, SEAL);
    crypto_generichash_update(&state, (const uint8_t *)key, strlen(key) + 1);
    crypto_generichash_update(&state, value, n);
    crypto_generichash_final(&state, out, SEAL);
}

int spool_file_get_meta(struct spool_file *f, const char *key, void *out, size_t n, struct error *e)
{
    sqlite3_stmt *st = NULL;
    uint8_t sum[SEAL];
    int code = spool_file_prepare(f, "select value from meta where key = ?1", &st, e);
    if (code != ERR_OK)
        return code;
    sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
    int rc = sqlite3_step(st);
    const uint8_t *value = rc == SQLITE_ROW ? sqlite3_column_blob(st, 0) : NULL;
    if (rc == SQLITE_DONE)
        code = ERR_NOT_FOUND;
    else if (rc != SQLITE_ROW)
        code = spool_file_error(f, "cannot be read", e);
    else if (value)
        seal(key, value, (size_t)sqlite3_column_bytes(st, 0) == n + SEAL ? n : 0, sum);
    if (rc == SQLITE_ROW &&
        (!value || (size_t)sqlite3_column_bytes(st, 0) != n + SEAL || memcmp(value + n, sum, SEAL) != 0))
        code =
            error_set(e, ERR_DAMAGED, f->path, "%s: its value \"%s\" is not what was written", f->path, key);
    else if (rc == SQLITE_ROW)
        memcpy(out, value, n);
    sqlite3_finalize(st);
    return code;
}

int spool_file_put_meta(struct spool_file *f, const char *key, const void *value, size_t n, struct error *e)
{
    uint8_t sealed[VALUE_MAX + SEAL];
    sqlite3_stmt *st = NULL;
    int code = spool_file_prepare(f, "insert or replace into meta(key, value) values (?1, ?2)", &st, e);
    if (code != ERR_OK)
        return code;
    memcpy(sealed, value, n);
    seal(key, value, n, sealed + n);
    sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_blob(st, 2, sealed, (int)(n + SEAL), SQLITE_STATIC);
    if (sqlite3_step(st) != SQLITE_DONE)
        code = spool_file_error(f, "cannot be written", e);
    sqlite3_finalize(st);
    return code;
}

_Static_assert(sizeof(struct spool_facts) <= VALUE_MAX && sizeof(struct spool_facts) == 48, "no padding");

int spool_file_facts(struct spool_file *f, struct spool_facts *out, struct error *e)
{
    memset(out, 0, sizeof *out);
    int code = spool_file_get_meta(f, "facts", out, sizeof *out, e);
    return code == ERR_NOT_FOUND ? ERR_OK : code; /* nothing was deleted or lost yet */
}

int spool_file_put_facts(struct spool_file *f, const struct spool_facts *facts, struct error *e)
{
    return spool_file_put_meta(f, "facts", facts, sizeof *facts, e);
}

/* One number from one row; ERR_NOT_FOUND without a row. */
static int ask(struct spool_file *f, const char *sql, uint64_t a, uint64_t b, uint64_t *out, struct error *e)
{
    sqlite3_stmt *st = NULL;
    int code = spool_file_prepare(f, sql, &st, e);
    if (code != ERR_OK)
        return code;
    sqlite3_bind_int64(st, 1, (sqlite3_int64)a);
    if (sqlite3_bind_parameter_count(st) > 1)
        sqlite3_bind_int64(st, 2, (sqlite3_int64)b);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *out = (uint64_t)sqlite3_column_int64(st, 0);
    else
        code = rc == SQLITE_DONE ? ERR_NOT_FOUND : spool_file_error(f, "cannot be read", e);
    sqlite3_finalize(st);
    return code;
}

int spool_file_count_aside(struct spool_file *f, uint64_t above, uint64_t below, uint64_t *out,
                           struct error *e)
{
    return ask(f, "select count(distinct number) from damaged where number > ?1 and number < ?2", above,
               below, out, e);
}

int spool_file_accepted_of(struct spool_file *f, uint64_t number, const struct group_content *g,
                           uint64_t *out, struct error *e)
{
    *out = g->accepted;
    if (g->has_accepted)
        return ERR_OK;
    return ask(f, "select accepted from accepted_1 where number = ?1", number, 0, out, e);
}

static int whole(struct spool_file *f, sqlite3_stmt *st, uint64_t *accepted, uint64_t *records,
                 struct error *e)
{
    struct group_content g;
    const char *why;
    uint64_t number = (uint64_t)sqlite3_column_int64(st, 0);
    const void *data = sqlite3_column_blob(st, 1);
    if (group_check(data, (size_t)sqlite3_column_bytes(st, 1), number, &g, &why) != ERR_OK)
        return ERR_NOT_FOUND;
    *records = g.n_records;
    return spool_file_accepted_of(f, number, &g, accepted, e);
}

/* The first row of a statement that gives number, data and whose group is whole. */
static int first_whole(struct spool_file *f, const char *sql, uint64_t arg, uint64_t *accepted,
                       uint64_t *records, struct error *e)
{
    sqlite3_stmt *st = NULL;
    int rc = SQLITE_DONE, code = spool_file_prepare(f, sql, &st, e);
    if (code != ERR_OK)
        return code;
    sqlite3_bind_int64(st, 1, (sqlite3_int64)arg);
    code = ERR_NOT_FOUND;
    while (code == ERR_NOT_FOUND && (rc = sqlite3_step(st)) == SQLITE_ROW)
        code = whole(f, st, accepted, records, e);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        code = spool_file_error(f, "cannot be read", e);
    sqlite3_finalize(st);
    return code;
}

int spool_file_accepted(struct spool_file *f, uint64_t number, uint64_t *out, struct error *e)
{
    uint64_t records;
    return first_whole(f, "select number, data from grp where number = ?1", number, out, &records, e);
}

int spool_file_before_first(struct spool_file *f, uint64_t *out, struct error *e)
{
    uint64_t records = 0;
    int code =
        first_whole(f, "select number, data from grp where number > ?1 order by number", 0, out, &records, e);
    if (code == ERR_OK)
        *out -= records < *out ? records : *out;
    return code;
}

static const char totals_sql[] =
    "select max("
#ifndef SPOOL_MUTANT_PLAIN_KEYS
    "coalesce((select seq from sqlite_sequence where name = 'grp'), 0), "
#endif
    "coalesce(max(number), 0), 0), count(*), coalesce(sum(max(length(data) - 32, 0)), 0),"
    " coalesce(sum(records), 0), (select count(*) from damaged) from grp";

int spool_file_totals(struct spool_file *f, struct spool_totals *out, struct error *e)
{
    sqlite3_stmt *st = NULL;
    struct spool_facts facts;
    uint64_t records;
    memset(out, 0, sizeof *out);
    int code = spool_file_facts(f, &facts, e);
    if (code == ERR_OK)
        code = spool_file_prepare(f, totals_sql, &st, e);
    if (code != ERR_OK)
        return code;
    if (sqlite3_step(st) == SQLITE_ROW)
        *out = (struct spool_totals){
            (uint64_t)sqlite3_column_int64(st, 0), (uint64_t)sqlite3_column_int64(st, 1),
            (uint64_t)sqlite3_column_int64(st, 2), (uint64_t)sqlite3_column_int64(st, 3),
            (uint64_t)sqlite3_column_int64(st, 4), 0};
    else
        code = spool_file_error(f, "cannot be read", e);
    sqlite3_finalize(st);
    if (code != ERR_OK)
        return code;
    code = first_whole(f, "select number, data from grp where number > ?1 order by number desc", 0,
                       &out->accepted, &records, e);
    if (out->accepted < facts.gone_accepted)
        out->accepted = facts.gone_accepted;
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}
