#include "cohortd/database.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cohortd/files.h"
#include "cohortd/keys.h"
#include "store/migrate.h"

static const char *part_of(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *o = options; o && o->keyword; o++) {
        if (strcmp(o->keyword, keyword) == 0)
            return o->val ? o->val : "";
    }
    return "";
}

static int bad_conninfo(struct error *e, const char *what)
{
    return error_set(e, ERR_INVALID, "--database",
                     "--database is not a connection string: %s must look like "
                     "postgresql://user@host:5432/dbname or host=… dbname=…",
                     what);
}

/* libpq takes a host with @ in it, which is the rest of a password whose @ was not written as %40, and a port
 * that is no number; then it says them to the log when it can't connect. */
static const char *mistaken_part(const PQconninfoOption *options)
{
    const char *port = part_of(options, "port");
    if (strchr(part_of(options, "host"), '@'))
        return "@ in a password is written %40; it";
    return port[strspn(port, "0123456789,")] != '\0' ? "its port is a number; it" : NULL;
}

int database_check_conninfo(const char *conninfo, struct error *e)
{
    char *message = NULL; /* may quote what was given, the password too: not shown */
    PQconninfoOption *options = PQconninfoParse(conninfo, &message);
    PQfreemem(message);
    if (!options)
        return bad_conninfo(e, "it");
    const char *mistake = mistaken_part(options);
    PQconninfoFree(options);
    return mistake ? bad_conninfo(e, mistake) : ERR_OK;
}

void database_describe(const char *conninfo, char *out, size_t cap)
{
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);
    const char *user = part_of(options, "user"), *port = part_of(options, "port");
    const char *host = part_of(options, "host");
    if (!host[0])
        host = part_of(options, "hostaddr");
    if (!host[0])
        host = "localhost";
    snprintf(out, cap, "postgresql://%s%s%s%s%s/%s", user, user[0] ? "@" : "", host, port[0] ? ":" : "", port,
             part_of(options, "dbname"));
    PQconninfoFree(options);
}

static bool is_standby(struct pg *p)
{
    struct pg_error ignored;
    PGresult *res = NULL;
    bool standby = pg_exec(p, "select pg_is_in_recovery()", 0, NULL, &res, &ignored) == ERR_OK &&
                   strcmp(PQgetvalue(res, 0, 0), "t") == 0;
    PQclear(res);
    return standby;
}

/* Once more: who failed before may have been too early, or too slow. */
static bool lets_us_in(const char *conninfo)
{
    struct pg *p = NULL;
    struct pg_error ignored;
    bool in = pg_open(&p, conninfo, "cohortd start", 0, &ignored) == ERR_OK && !is_standby(p);
    pg_close(p);
    return in;
}

int database_unreachable(const struct database_start *s, const char *why, bool *refused, struct error *e)
{
    char name[512];
    PGPing answer = PQping(s->conninfo);
    *refused = answer == PQPING_NO_ATTEMPT || (answer == PQPING_OK && !lets_us_in(s->conninfo));
    if (!s->given)
        return error_set(e, ERR_UNAVAILABLE, "database", "the embedded database does not let us in: %s", why);
    database_describe(s->given, name, sizeof name);
    return error_set(e, ERR_UNAVAILABLE, "database", "the database %s can't be used: %s", name, why);
}

static int migrate(struct pg *p, struct error *e)
{
    struct pg_error why;
    int applied = 0;
    int code = migrate_run(p, &applied, &why);
    if (code != ERR_OK)
        return error_set(e, code, "database", "%s%s%s", why.error.text, why.hint[0] ? "; " : "", why.hint);
    if (applied)
        log_info("migrate", "the schema is at number %d now", migrate_target());
    return ERR_OK;
}

/* Keys of another database, say after a restore, would only ever get 401. */
void database_check_keys(const char *dir, const struct plan_set *plans)
{
    char *path = file_path(dir, "keys.json"), *text = NULL;
    struct error ignored;
    if (path && file_read(path, 4096, &text, &ignored) == ERR_OK) {
        const char *key = strstr(text, "\"ck_admin_");
        const char *end = key ? strchr(key + 1, '"') : NULL;
        const struct plan *plan;
        if (end && !plan_set_find_key(plans, key + 1, (size_t)(end - key - 1), &plan))
            log_warn("keys",
                     "the admin key in %s is not known to this database, or revoked; remove the file and "
                     "restart cohortd to get new keys",
                     path);
    }
    free(text);
    free(path);
}

int database_prepare(const struct database_start *s, struct link *link, struct error *e)
{
    struct pg *p = NULL;
    struct pg_error why;
    int code = link_open(link, &p, &why);
    if (code != ERR_OK)
        return error_set(e, code, "database", "%s", why.error.text);
    code = migrate(p, e);
    if (code == ERR_OK)
        code = keys_ensure(p, s->dir, s->node, e);
    link_disconnect(link, NULL);
    return code;
}

void database_return(const struct database_start *s, struct pg *p, struct link *link)
{
    struct pg_error why;
    struct error e;
    bool behind = false;
    int number = 0;
    if (migrate_behind(p, &behind, &number, &why) != ERR_OK)
        return; /* what follows will say so */
    if (number > migrate_target())
        log_warn(
            "migrate",
            "the database's schema is number %d by now, this cohortd knows it up to number %d: start the "
            "newer cohortd here too; definitions and stops are followed as well as it goes",
            number, migrate_target());
    if (!behind || number == 0 || is_standby(p))
        return;
    log_warn("migrate",
             "the database's schema is number %d: it was restored from an older state; it is "
             "migrated again",
             number);
    if (database_prepare(s, link, &e) != ERR_OK)
        log_error("migrate", "%s", e.text);
}
