#include "store/learn.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

int learn_exec(const struct learner *l, const char *sql, int n, const char *const *params, PGresult **rows,
               struct pg_error *e)
{
    memset(e, 0, sizeof *e);
    int code = pg_exec(l->p, sql, n, params, rows, e);
    if (code == ERR_OK)
        return code;
    return e->error.code = strcmp(e->constraint, "leader_epoch") == 0 ? ERR_STATE
                           : code == ERR_STATE                        ? ERR_IO
                                                                      : code;
}

static int promote(const struct learner *l, struct pg_error *e)
{
    char epoch[24];
    const char *const params[] = {epoch};
    PGresult *rows = NULL;
    snprintf(epoch, sizeof epoch, "%" PRId64, l->epoch);
    int code = learn_exec(l, "select 1 from cohort.promotions_due() limit 1", 0, NULL, &rows, e);
    bool due = code == ERR_OK && PQntuples(rows) > 0;
    PQclear(rows);
    if (!due)
        return code;
    code = learn_exec(l, "select what, why from cohort.promote_pass($1)", 1, params, &rows, e);
    if (code != ERR_OK)
        return code;
    for (int i = 0; i < PQntuples(rows); i++)
        log_warn("learner", "%s: %s", PQgetvalue(rows, i, 0), PQgetvalue(rows, i, 1));
    PQclear(rows);
    return ERR_OK;
}

int learn_pass(const struct learner *l, struct pg_error *e)
{
    int (*const parts[])(const struct learner *, struct pg_error *) = {learn_models, learn_policies, promote};
    struct pg_error why;
    int first = ERR_OK;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !l->stopping(l->arg); i++) {
        int code = parts[i](l, &why);
        if (code != ERR_OK && first == ERR_OK) {
            first = code;
            *e = why;
        }
        if (code == ERR_STATE || !pg_alive(l->p))
            return code;
    }
    return first;
}
