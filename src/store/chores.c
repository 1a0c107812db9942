#include "store/chores.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* A chore is a statement with the epoch as $1, and the days events are kept as $2 where it asks for them. A
 * row of it is a thing that was done: "what", then why. */
static const struct chore {
    const char *part, *sql;
    int n_params;
} chores[] = {
    {"schedule",
     "select case when refused is null then format('experiment %s (%s) is %s now', experiment, environment,"
     " status) else format('experiment %s (%s) can''t start as scheduled', experiment, environment) end,"
     " refused from cohort.schedule_due($1)",
     1},
    {"ramp",
     "select format('step %s of experiment %s (%s): %s', step, experiment, environment, done), note"
     " from cohort.ramp_pass($1)",
     1},
    {"overrides",
     "select format('%s overrides have expired', n), null from cohort.expire_overrides($1) n"
     " where n > 0",
     1},
    {"audit", "select null, null from cohort.audit_seal_pending($1) n where n < 0", 1},
    {"retention", "select what, why from cohort.drop_partitions($1::bigint, $2::int)", 2},
};

static int run(struct pg *p, const struct chore *chore, const char *const *params, struct pg_error *e)
{
    PGresult *rows = NULL;
    int code = pg_exec(p, chore->sql, chore->n_params, params, &rows, e);
    if (code != ERR_OK)
        return strcmp(e->constraint, "leader_epoch") == 0 ? ERR_STATE : code == ERR_STATE ? ERR_IO : code;
    for (int i = 0; i < PQntuples(rows); i++) {
        const char *why = PQgetvalue(rows, i, 1);
        log_info(chore->part, "%s%s%s", PQgetvalue(rows, i, 0), *why ? ": " : "", why);
    }
    PQclear(rows);
    return ERR_OK;
}

int chores_run(struct pg *p, int64_t epoch, int64_t keep_days, struct pg_error *e)
{
    char text[24], days[24];
    const char *const params[] = {text, days};
    int first = ERR_OK;
    struct pg_error why;
    snprintf(text, sizeof text, "%" PRId64, epoch);
    snprintf(days, sizeof days, "%" PRId64, keep_days);
    for (size_t i = 0; i < sizeof chores / sizeof *chores; i++) {
        int code = run(p, &chores[i], params, &why);
        if (code != ERR_OK && first == ERR_OK) {
            first = code;
            *e = why;
        }
        if (code == ERR_STATE || !pg_alive(p))
            return code;
    }
    return first;
}
