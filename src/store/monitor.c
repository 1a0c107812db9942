#include "store/monitor.h"

#include <inttypes.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/monitor_private.h"

#define ROLLUP_BATCHES "200"
#define ROLLUPS_A_PASS                                                                                       \
    5 /* what is left after these waits for the next pass: stops must not wait for a backlog */

int monitor_out_of_memory(struct pg_error *e)
{
    return error_set(&e->error, ERR_NOMEM, NULL, "out of memory");
}

/* ERR_STATE is kept for "another node leads", which the database says by the constraint's name. */
static int judge_error(struct pg_error *e, int code)
{
    if (strcmp(e->constraint, "leader_epoch") == 0)
        code = ERR_STATE;
    else if (code == ERR_STATE)
        code = ERR_IO;
    return e->error.code = code;
}

int monitor_rows(struct pass *m, const char *sql, int n, const char *const *params, PGresult **rows)
{
    int code = pg_exec(m->p, sql, n, params, rows, m->e);
    return code == ERR_OK ? code : judge_error(m->e, code);
}

int monitor_call(struct pass *m, const char *sql, int n, const char *const *params, int64_t *value, bool *yes)
{
    PGresult *res = NULL;
    int code = monitor_rows(m, sql, n, params, &res);
    if (code != ERR_OK)
        return code;
    const char *text = PQntuples(res) > 0 ? PQgetvalue(res, 0, 0) : "";
    if (value)
        *value = strtoll(text, NULL, 10);
    if (yes)
        *yes = text[0] == 't';
    PQclear(res);
    return ERR_OK;
}

const char *monitor_number(char buf[32], double v)
{
    if (!isfinite(v))
        return NULL;
    snprintf(buf, 32, "%.17g", v);
    return buf;
}

static int roll_up(struct pass *m)
{
    int64_t applied = 0, full = strtoll(ROLLUP_BATCHES, NULL, 10);
    for (int i = 0; i < ROLLUPS_A_PASS; i++) {
        const char *const params[] = {m->epoch_text};
        int code = monitor_call(m, "select cohort.rollup($1, " ROLLUP_BATCHES ")", 1, params, &applied, NULL);
        if (code != ERR_OK)
            return code;
        m->out->batches += (int)applied;
        if (applied < full)
            break;
    }
    return ERR_OK;
}

/* Before it is told to anybody: a node that crashes now must know it when it comes back. */
static void remember(const struct pass *m, const struct verdict_row *v)
{
    struct stop_row stop = {.environment = v->environment,
                            .experiment = v->experiment,
                            .at_us = clock_wall_us(),
                            .sentence = v->sentence};
    if (m->hook && m->hook->on_stop &&
        sodium_hex2bin(stop.salt, sizeof stop.salt, v->salt, strlen(v->salt), NULL, NULL, NULL) == 0)
        m->hook->on_stop(m->hook->arg, &stop);
}

static void count(struct pass *m, const char *action)
{
    if (strcmp(action, "stop") == 0) {
        m->out->stops++;
        counter_add(m->counters, guard_stops, 1);
    } else if (strcmp(action, "alert") == 0) {
        m->out->alerts++;
        counter_add(m->counters, guard_alerts, 1);
    } else if (strcmp(action, "pause") == 0)
        m->out->pauses++;
    else
        m->out->ramps++;
}

int monitor_act(struct pass *m, const struct verdict_row *v)
{
    const char *const params[] = {m->epoch_text,   v->experiment_id, v->kind,           v->guardrail_id,
                                  v->condition_id, v->treatment_id,  v->metric_version, v->action,
                                  v->sentence,     v->document};
    bool first = false;
    int code = monitor_call(m, "select cohort.record_verdict($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", 10,
                            params, NULL, &first);
    if (code != ERR_OK || !first)
        return code;
    if (strcmp(v->action, "stop") == 0)
        remember(m, v);
    log_warn("monitor", "experiment %s: %s", v->experiment, v->sentence);
    count(m, v->action);
    return ERR_OK;
}

int monitor_pass(struct pg *p, int64_t epoch, const char *node, const struct monitor_hook *hook,
                 struct counters *c, struct monitor_result *out, struct pg_error *e)
{
    struct pass m = {.p = p, .epoch = epoch, .node = node, .hook = hook, .counters = c, .out = out, .e = e};
    memset(e, 0, sizeof *e);
    *out = (struct monitor_result){0};
    snprintf(m.epoch_text, sizeof m.epoch_text, "%" PRId64, epoch);
    int code = roll_up(&m);
    if (code == ERR_OK)
        code = monitor_harm(&m);
    if (code == ERR_OK)
        code = monitor_conditions(&m);
    if (code == ERR_OK)
        counter_add(c, monitor_passes, 1);
    counter_set(c, leader, code != ERR_STATE && pg_alive(p));
    return code;
}
