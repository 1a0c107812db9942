#include "spool/spool_file.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "spool/group.h"

/* The bytes of records, without the headers; a damaged group may be shorter than one. */
#define SQL_BYTES "coalesce(sum(max(length(data) - 32, 0)), 0)"
_Static_assert(GROUP_HEADER == 32, "the SQL here says so too");

enum { FILE_FORMAT = 2 }; /* of its tables */

/* Passive checkpoints start at 4 MB of log; at 64 MB, because some reader was always in the way, the writer
 * waits for it, so that the log can't grow for ever. */
enum { PAGES_PASSIVE = 1000, PAGES_RESTART = 16000, BUSY_MS = 5000 };

int spool_file_error(struct spool_file *f, const char *doing, struct error *e)
{
    int rc = f->db ? sqlite3_errcode(f->db) : SQLITE_NOMEM;
    int system = f->db ? sqlite3_system_errno(f->db) : 0;
    int code = rc == SQLITE_NOMEM                            ? ERR_NOMEM
               : rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? ERR_DAMAGED
                                                             : ERR_IO;
    const char *words = f->db ? sqlite3_errmsg(f->db) : "out of memory";
    const char *advice = code == ERR_DAMAGED ? "; move the file aside to start with an empty spool" : "";
    if (system && (rc == SQLITE_FULL || rc == SQLITE_IOERR || rc == SQLITE_CANTOPEN))
        return error_set(e, code, f->path, "%s: %s: %s (%s)%s", f->path, doing, words, strerror(system),
                         advice);
    return error_set(e, code, f->path, "%s: %s: %s%s", f->path, doing, words, advice);
}

int spool_file_run(struct spool_file *f, const char *sql, const char *doing, struct error *e)
{
    if (sqlite3_exec(f->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return spool_file_error(f, doing, e);
    return ERR_OK;
}

static int on_commit(void *arg, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    *(int *)arg = pages;
    return SQLITE_OK;
}

static int pragma_is(struct spool_file *f, const char *sql, const char *want, struct error *e)
{
    sqlite3_stmt *st = NULL;
    const char *is = NULL; /* also when memory is short */
    int code = ERR_OK;
    if (sqlite3_prepare_v2(f->db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        is = (const char *)sqlite3_column_text(st, 0);
    if (!is)
        code = spool_file_error(f, "cannot be set up", e);
    else if (strcmp(is, want) != 0)
        code = error_set(e, ERR_IO, f->path,
                         "%s: the file system can't hold a write-ahead log (\"%s\" answers \"%s\"); put the "
                         "spool on a local disk",
                         f->path, sql, is);
    sqlite3_finalize(st);
    return code;
}

static int set_up(struct spool_file *f, enum spool_file_role role, struct error *e)
{
    sqlite3_busy_timeout(f->db, BUSY_MS);
    sqlite3_extended_result_codes(f->db, 0);
    sqlite3_wal_hook(f->db, on_commit, &f->wal_pages);
    int code = pragma_is(f, "pragma journal_mode = wal", "wal", e);
    if (code == ERR_OK)
        code = spool_file_run(f,
                              "pragma cell_size_check = on; pragma journal_size_limit = 8388608;"
                              "pragma temp_store = memory",
                              "cannot be set up", e);
#ifdef SPOOL_MUTANT_NO_SYNC /* a test builds this to show that it would notice */
    role = SPOOL_FILE_READER;
#endif
    const char *sync =
        role == SPOOL_FILE_WRITER ? "pragma synchronous = full" : "pragma synchronous = normal";
    const char *level = role == SPOOL_FILE_WRITER ? "2" : "1";
    if (code == ERR_OK)
        code = spool_file_run(f, sync, "cannot be set up", e);
    return code == ERR_OK ? pragma_is(f, "pragma synchronous", level, e) : code;
}

#ifdef SPOOL_MUTANT_PLAIN_KEYS /* a test builds this to show that it would notice */
#define AUTOINCREMENT ""
#else
#define AUTOINCREMENT " autoincrement"
#endif

static const char schema[] =
    "begin immediate;"
    "pragma application_id = 1668509804;" /* "cspl" */
    "create table if not exists meta(key text primary key, value blob not null) without rowid;"
    "create table if not exists grp(number integer primary key" AUTOINCREMENT
    ", committed_us integer not null,"
    " records integer not null, data blob not null);"
    "create table if not exists damaged(number integer not null, found_us integer not null,"
    " why text not null, data blob);"
    "pragma user_version = 2;"
    "commit";

static int read_pragma(struct spool_file *f, const char *sql, int *out, struct error *e)
{
    sqlite3_stmt *st = NULL;
    int code = ERR_OK;
    if (sqlite3_prepare_v2(f->db, sql, -1, &st, NULL) != SQLITE_OK || sqlite3_step(st) != SQLITE_ROW)
        code = spool_file_error(f, "cannot be read", e);
    else
        *out = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return code;
}

/* Format 1 did not say in a group how many records had been accepted up to it, and did not seal meta. */
static const char format_2[] =
    "create table accepted_1(number integer primary key, accepted integer not null);"
    "insert into accepted_1(number, accepted) select number, sum(records) over (order by number) from grp;"
    "pragma user_version = 2;"
    "commit";

static int seal_meta(struct spool_file *f, const char *key, struct error *e)
{
    uint8_t value[16];
    sqlite3_stmt *st = NULL;
    int code = spool_file_prepare(f, "select value from meta where key = ?1", &st, e);
    if (code != ERR_OK)
        return code;
    sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
    int rc = sqlite3_step(st);
    bool known = rc == SQLITE_ROW && sqlite3_column_bytes(st, 0) == sizeof value;
    if (known)
        memcpy(value, sqlite3_column_blob(st, 0), sizeof value);
    else if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        code = spool_file_error(f, "cannot be read", e);
    sqlite3_finalize(st);
    return known ? spool_file_put_meta(f, key, value, sizeof value, e) : code;
}

static int upgrade(struct spool_file *f, struct error *e)
{
    int code = spool_file_run(f, "begin immediate", "cannot be upgraded", e);
    if (code == ERR_OK)
        code = seal_meta(f, "spool_id", e);
    if (code == ERR_OK)
        code = seal_meta(f, "place", e);
    return code == ERR_OK ? spool_file_run(f, format_2, "cannot be upgraded", e) : code;
}

static int make_tables(struct spool_file *f, struct error *e)
{
    int app = 0, version = 0, tables = 0, code;
    if ((code = read_pragma(f, "pragma application_id", &app, e)) != ERR_OK ||
        (code = read_pragma(f, "pragma user_version", &version, e)) != ERR_OK ||
        (code = read_pragma(f, "select count(*) from sqlite_schema", &tables, e)) != ERR_OK)
        return code;
    if (tables > 0 && app != 1668509804)
        return error_set(e, ERR_DAMAGED, f->path,
                         "%s: this is an SQLite file, but not a spool; name another path", f->path);
    if (version > FILE_FORMAT)
        return error_set(
            e, ERR_STATE, f->path,
            "%s: the spool has format %d and this cohortd reads up to %d; start the newer cohortd", f->path,
            version, FILE_FORMAT);
    if (version == FILE_FORMAT)
        return ERR_OK;
    f->upgraded = version == 1;
    code = f->upgraded ? upgrade(f, e) : spool_file_run(f, schema, "its tables can't be made", e);
    if (code != ERR_OK)
        sqlite3_exec(f->db, "rollback", NULL, NULL, NULL);
    return code;
}

int spool_file_prepare(struct spool_file *f, const char *sql, sqlite3_stmt **out, struct error *e)
{
    if (sqlite3_prepare_v3(f->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK)
        return spool_file_error(f, "cannot be read", e);
    return ERR_OK;
}

int spool_file_open(struct spool_file *f, const char *path, enum spool_file_role role, struct error *e)
{
    memset(f, 0, sizeof *f);
    f->path = path;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (role == SPOOL_FILE_WRITER)
        flags |= SQLITE_OPEN_CREATE;
    int code = ERR_OK;
    if (sqlite3_open_v2(path, &f->db, flags, NULL) != SQLITE_OK)
        code = spool_file_error(f, "cannot be opened", e);
    /* What a damaged log holds must not be thrown away by a close. */
    if (code == ERR_OK)
        sqlite3_db_config(f->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (code == ERR_OK)
        code = set_up(f, role, e);
    if (code == ERR_OK && role == SPOOL_FILE_WRITER)
        code = make_tables(f, e);
    static const char *const sql[] = {
        "insert into grp(number, committed_us, records, data) values (?1, ?2, ?3, ?4)",
        "select number, data from grp where number > ?1 order by number",
        "select number, committed_us, records, length(data) from grp where number <= ?1 order by number "
        "limit "
        "512",
        "delete from grp where number <= ?1",
        "insert into damaged(number, found_us, why, data) select number, ?2, ?3, data from grp "
        "where number = ?1",
        "select " SQL_BYTES " from grp where number > ?1 and number <= ?2"};
    sqlite3_stmt **const to[] = {&f->insert, &f->read, &f->expired, &f->remove, &f->aside, &f->sizes};
    for (size_t i = 0; i < sizeof sql / sizeof *sql && code == ERR_OK; i++)
        code = spool_file_prepare(f, sql[i], to[i], e);
    if (code != ERR_OK)
        spool_file_drop(f);
    return code;
}

void spool_file_drop(struct spool_file *f)
{
    sqlite3_stmt *const all[] = {f->insert, f->read, f->expired, f->remove, f->aside, f->sizes};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        sqlite3_finalize(all[i]);
    sqlite3_close(f->db);
    f->db = NULL;
    f->insert = f->read = f->expired = f->remove = f->aside = f->sizes = NULL;
}

void spool_file_close(struct spool_file *f)
{
    if (f->db)
        sqlite3_db_config(f->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    spool_file_drop(f);
}

int spool_file_seal(struct spool_file *f, int code, struct error *e)
{
    if (code == ERR_OK &&
        sqlite3_wal_checkpoint_v2(f->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
        code = spool_file_error(f, "cannot be written", e);
    spool_file_close(f);
    return code;
}

/* Ends a statement; the error must be taken before the reset clears it. */
int spool_file_finish(struct spool_file *f, sqlite3_stmt *st, int rc, const char *doing, struct error *e)
{
    int code = rc == SQLITE_DONE ? ERR_OK : spool_file_error(f, doing, e);
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return code;
}

int spool_file_append(struct spool_file *f, uint64_t number, unsigned n_records, int64_t now_us,
                      const uint8_t *stored, size_t n, struct error *e)
{
    if (!f->db)
        return error_set(e, ERR_IO, f->path, "%s: it can't be opened again", f->path);
    sqlite3_bind_int64(f->insert, 1, (sqlite3_int64)number);
    sqlite3_bind_int64(f->insert, 2, now_us);
    sqlite3_bind_int64(f->insert, 3, n_records);
    sqlite3_bind_blob64(f->insert, 4, stored, n, SQLITE_STATIC);
    /* One statement outside begin … commit is a transaction of its own. */
    return spool_file_finish(f, f->insert, sqlite3_step(f->insert), "a group can't be written", e);
}

void spool_file_checkpoint(struct spool_file *f)
{
    if (!f->db || f->wal_pages < PAGES_PASSIVE)
        return;
    int mode = f->wal_pages < PAGES_RESTART ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_RESTART;
    int rc = sqlite3_wal_checkpoint_v2(f->db, NULL, mode, NULL, NULL);
    if (rc != SQLITE_OK && rc != SQLITE_BUSY)
        log_warn("spool", "%s: checkpoint: %s", f->path, sqlite3_errmsg(f->db));
    f->wal_pages = 0;
}

int spool_file_set_aside(struct spool_file *f, uint64_t number, const char *why, int64_t now_us,
                         struct error *e)
{
    char remove[80];
    snprintf(remove, sizeof remove, "delete from grp where number = %llu; commit",
             (unsigned long long)number);
    int code = spool_file_run(f, "begin immediate", "a damaged group can't be set aside", e);
    if (code != ERR_OK)
        return code;
    sqlite3_bind_int64(f->aside, 1, (sqlite3_int64)number);
    sqlite3_bind_int64(f->aside, 2, now_us);
    sqlite3_bind_text(f->aside, 3, why, -1, SQLITE_STATIC);
    code = spool_file_finish(f, f->aside, sqlite3_step(f->aside), "a damaged group can't be set aside", e);
    if (code == ERR_OK)
        code = spool_file_run(f, remove, "a damaged group can't be set aside", e);
    if (code != ERR_OK)
        sqlite3_exec(f->db, "rollback", NULL, NULL, NULL);
    return code;
}

/* Finds what may go: the oldest groups, up to the first that is too young. A time to come is a clock that was
 * set back; it must not keep groups for years. */
static int find_expired(struct spool_file *f, uint64_t last, int64_t before_us, int64_t now_us,
                        struct spool_gone *gone, struct error *e)
{
    int rc;
    sqlite3_bind_int64(f->expired, 1, (sqlite3_int64)last);
    while ((rc = sqlite3_step(f->expired)) == SQLITE_ROW) {
        int64_t at = sqlite3_column_int64(f->expired, 1), size = sqlite3_column_int64(f->expired, 3);
        if (at > before_us && at <= now_us + INT64_C(60000000)) {
            rc = SQLITE_DONE;
            break;
        }
        gone->last = (uint64_t)sqlite3_column_int64(f->expired, 0);
        gone->groups++;
        gone->records += (uint64_t)sqlite3_column_int64(f->expired, 2);
        gone->bytes += size > GROUP_HEADER ? (uint64_t)size - GROUP_HEADER : 0;
    }
    return spool_file_finish(f, f->expired, rc, "shipped groups can't be deleted", e);
}

static int delete_to(struct spool_file *f, uint64_t last, struct spool_facts *facts, struct error *e)
{
    static const char doing[] = "shipped groups can't be deleted";
    struct spool_facts after = *facts;
    int code = spool_file_accepted(f, last, &after.gone_accepted, e);
    if (code != ERR_OK && code != ERR_NOT_FOUND)
        return code;
    after.gone = last;
    code = spool_file_run(f, "begin immediate", doing, e);
    if (code != ERR_OK)
        return code;
    sqlite3_bind_int64(f->remove, 1, (sqlite3_int64)last);
    code = spool_file_finish(f, f->remove, sqlite3_step(f->remove), doing, e);
    if (code == ERR_OK)
        code = spool_file_put_facts(f, &after, e);
    if (code == ERR_OK)
        code = spool_file_run(f, "commit", doing, e);
    if (code != ERR_OK)
        sqlite3_exec(f->db, "rollback", NULL, NULL, NULL);
    else
        *facts = after;
    return code;
}

int spool_file_delete(struct spool_file *f, uint64_t last, int64_t before_us, int64_t now_us,
                      struct spool_facts *facts, struct spool_gone *gone, struct error *e)
{
    *gone = (struct spool_gone){0};
    int code = find_expired(f, last, before_us, now_us, gone, e);
    if (code == ERR_OK && gone->last > 0)
        code = delete_to(f, gone->last, facts, e);
    if (code != ERR_OK)
        *gone = (struct spool_gone){0};
    return code;
}

int spool_file_sizes(struct spool_file *f, uint64_t after, uint64_t last, uint64_t *bytes, struct error *e)
{
    sqlite3_bind_int64(f->sizes, 1, (sqlite3_int64)after);
    sqlite3_bind_int64(f->sizes, 2, (sqlite3_int64)last);
    int rc = sqlite3_step(f->sizes);
    if (rc == SQLITE_ROW) {
        *bytes = (uint64_t)sqlite3_column_int64(f->sizes, 0);
        rc = SQLITE_DONE;
    }
    return spool_file_finish(f, f->sizes, rc, "cannot be read", e);
}

int spool_file_probe(struct spool_file *f, struct error *e)
{
    if (!f->db)
        return error_set(e, ERR_IO, f->path, "%s: it can't be opened again", f->path);
    return spool_file_run(f,
                          "insert or replace into meta(key, value) values ('probe', zeroblob(65536));"
                          "delete from meta where key = 'probe'",
                          "cannot be written", e);
}

/* Below this a file is kept as it is: the room will be used again. */
enum { FREE_BYTES = 64 << 20, LIVE_BYTES = 8 << 20 };

void spool_file_shrink(struct spool_file *f)
{
    int size = 0, pages = 0, spare = 0;
    struct error e;
    if (read_pragma(f, "pragma page_size", &size, &e) != ERR_OK ||
        read_pragma(f, "pragma page_count", &pages, &e) != ERR_OK ||
        read_pragma(f, "pragma freelist_count", &spare, &e) != ERR_OK)
        return;
    if ((int64_t)spare * size < FREE_BYTES || (int64_t)(pages - spare) * size > LIVE_BYTES)
        return;
    if (sqlite3_exec(f->db, "vacuum", NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_wal_checkpoint_v2(f->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
        log_warn("spool", "%s: its free pages can't be given back: %s", f->path, sqlite3_errmsg(f->db));
}
