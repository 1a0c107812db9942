#include "store/webhook_queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int webhook_queue_fill(struct pg *p, int *made, struct pg_error *e)
{
    PGresult *res = NULL;
    int code = pg_exec(p, "select cohort.queue_webhooks()", 0, NULL, &res, e);
    if (code != ERR_OK)
        return code;
    if (made)
        *made = PQntuples(res) == 1 ? atoi(PQgetvalue(res, 0, 0)) : 0;
    PQclear(res);
    return ERR_OK;
}

int webhook_queue_claim(struct pg *p, int64_t epoch, int max, int lease_s, PGresult **rows,
                        struct webhook_job *jobs, int *n, struct pg_error *e)
{
    char leads[24], most[16], lease[16];
    const char *const params[] = {leads, most, lease};
    snprintf(leads, sizeof leads, "%" PRId64, epoch);
    snprintf(most, sizeof most, "%d", max);
    snprintf(lease, sizeof lease, "%d", lease_s);
    *rows = NULL;
    *n = 0;
    int code = pg_exec(p,
                       "select id, webhook, environment, url, secret, event, body, attempt"
                       " from cohort.claim_webhooks($1, $2, $3)",
                       3, params, rows, e);
    if (code != ERR_OK)
        return strcmp(e->constraint, "leader_epoch") == 0 ? ERR_STATE : code;
    for (int i = 0; i < PQntuples(*rows) && i < max; i++, (*n)++)
        jobs[i] = (struct webhook_job){.id = PQgetvalue(*rows, i, 0),
                                       .webhook = PQgetvalue(*rows, i, 1),
                                       .environment = PQgetvalue(*rows, i, 2),
                                       .url = PQgetvalue(*rows, i, 3),
                                       .secret = PQgetvalue(*rows, i, 4),
                                       .event = PQgetvalue(*rows, i, 5),
                                       .body = PQgetvalue(*rows, i, 6),
                                       .attempt = atoi(PQgetvalue(*rows, i, 7))};
    return ERR_OK;
}

int webhook_queue_finish(struct pg *p, const char *id, int attempt, int status, const char *why,
                         char state[16], struct pg_error *e)
{
    char number[16], answer[16];
    const char *const params[] = {id, number, status ? answer : NULL, why};
    PGresult *res = NULL;
    snprintf(number, sizeof number, "%d", attempt);
    snprintf(answer, sizeof answer, "%d", status);
    state[0] = '\0';
    int code = pg_exec(p, "select cohort.finish_webhook($1::uuid, $2::int, $3::int, $4)", 4, params, &res, e);
    if (code != ERR_OK)
        return code;
    if (PQntuples(res) == 1)
        snprintf(state, 16, "%s", PQgetvalue(res, 0, 0));
    PQclear(res);
    return ERR_OK;
}
