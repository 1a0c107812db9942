#include "store/monitor.h"

#include <inttypes.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/evidence.h"

#define ROLLUP_BATCHES "200"
#define ROLLUPS_A_PASS                                                                                       \
    5 /* what is left after these waits for the next pass: stops must not wait for a backlog */

/* Columns of the query below, in order. */
enum column {
    EXPERIMENT_ID,
    EXPERIMENT,
    ITERATION,
    GUARDRAIL_ID,
    TREATMENT_ID,
    METRIC,
    EVENT,
    TREATMENT,
    CONTROL,
    ACTION,
    DIRECTION,
    COUNT,
    MARGIN,
    WEIGHT,
    ALPHA,
    ARMS,
    SEEN,
    PHASE,
    TREATMENT_SHARE,
    CONTROL_SHARE,
    TREATMENT_UNITS,
    TREATMENT_EVENTS,
    CONTROL_UNITS,
    CONTROL_EVENTS,
    ENVIRONMENT,
    SALT,
};

static const char input_sql[] =
    "select i.experiment_id, i.experiment, i.iteration, i.guardrail_id, i.treatment_id, i.metric, i.event,"
    " i.treatment, i.control, i.action, i.direction, i.count, i.margin, i.weight, i.alpha, i.arms,"
    " s.detail->>'counts', i.phase, i.treatment_share_ppm, i.control_share_ppm,"
    " i.treatment_units, i.treatment_events, i.control_units, i.control_events,"
    " x.environment, encode(x.salt, 'hex')"
    " from cohort.guardrail_rows() i join cohort.experiment x on x.id = i.experiment_id"
    " left join cohort.guardrail_state s on s.guardrail_id = i.guardrail_id"
    " and s.treatment_id = i.treatment_id and s.iteration = i.iteration"
    " order by i.experiment_id, i.guardrail_id, i.treatment_id, i.phase";

/* A verdict that is to be written down. */
struct finding {
    int64_t guardrail_id, treatment_id;
    struct guardrail_verdict verdict;
    char *counts; /* evidence_counts; ours */
};

/* One pass under way. The arrays have room for as many items as the query has rows. */
struct pass {
    struct pg *p;
    int64_t epoch;
    const char *node;
    const struct monitor_hook *hook;
    struct counters *counters;
    struct monitor_result *out;
    struct pg_error *e;
    PGresult *rows;
    struct phase_counts *phases;
    struct evt_phase *events;
    struct srm_pair *units;
    struct finding *findings;
    size_t n_findings;
};

static int out_of_memory(struct pg_error *e)
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

static const char *text_at(const PGresult *r, int row, enum column c)
{
    return PQgetvalue(r, row, (int)c);
}

static int64_t int_at(const PGresult *r, int row, enum column c)
{
    return strtoll(text_at(r, row, c), NULL, 10);
}

static double number_at(const PGresult *r, int row, enum column c)
{
    return strtod(text_at(r, row, c), NULL);
}

/* A statement that returns one value; *value and *yes (a boolean) may be NULL. */
static int call(struct pass *m, const char *sql, int n, const char *const *params, int64_t *value, bool *yes)
{
    PGresult *res = NULL;
    int code = pg_exec(m->p, sql, n, params, &res, m->e);
    if (code != ERR_OK)
        return judge_error(m->e, code);
    const char *text = PQntuples(res) > 0 ? PQgetvalue(res, 0, 0) : "";
    if (value)
        *value = strtoll(text, NULL, 10);
    if (yes)
        *yes = text[0] == 't';
    PQclear(res);
    return ERR_OK;
}

static int roll_up(struct pass *m)
{
    char epoch[24];
    snprintf(epoch, sizeof epoch, "%" PRId64, m->epoch);
    int64_t applied = 0, full = strtoll(ROLLUP_BATCHES, NULL, 10);
    for (int i = 0; i < ROLLUPS_A_PASS; i++) {
        const char *const params[] = {epoch};
        int code = call(m, "select cohort.rollup($1, " ROLLUP_BATCHES ")", 1, params, &applied, NULL);
        if (code != ERR_OK)
            return code;
        m->out->batches += (int)applied;
        if (applied < full)
            break;
    }
    return ERR_OK;
}

static bool same_case(const PGresult *r, int a, int b)
{
    return int_at(r, a, GUARDRAIL_ID) == int_at(r, b, GUARDRAIL_ID) &&
           int_at(r, a, TREATMENT_ID) == int_at(r, b, TREATMENT_ID);
}

/* The case that starts at this row; *after: the row behind its last phase. */
static struct guard_case read_case(struct pass *m, int row, int *after)
{
    const PGresult *r = m->rows;
    struct guard_case g = {
        .experiment_id = int_at(r, row, EXPERIMENT_ID),
        .iteration = int_at(r, row, ITERATION),
        .guardrail_id = int_at(r, row, GUARDRAIL_ID),
        .treatment_id = int_at(r, row, TREATMENT_ID),
        .experiment = text_at(r, row, EXPERIMENT),
        .metric = text_at(r, row, METRIC),
        .event = text_at(r, row, EVENT),
        .treatment = text_at(r, row, TREATMENT),
        .control = text_at(r, row, CONTROL),
        .alert = strcmp(text_at(r, row, ACTION), "alert") == 0,
        .at_maturity = strcmp(text_at(r, row, COUNT), "at_maturity") == 0,
        .rule = {.harm = strcmp(text_at(r, row, DIRECTION), "down") == 0 ? EVT_DOWN : EVT_UP,
                 .margin = number_at(r, row, MARGIN),
                 .alpha = number_at(r, row, ALPHA),
                 .weight = number_at(r, row, WEIGHT),
                 .arms = (int)int_at(r, row, ARMS)},
        .phases = m->phases,
    };
    int end = row;
    for (; end < PQntuples(r) && same_case(r, row, end); end++)
        m->phases[g.n_phases++] = (struct phase_counts){
            int_at(r, end, PHASE),           int_at(r, end, TREATMENT_SHARE),  int_at(r, end, CONTROL_SHARE),
            int_at(r, end, TREATMENT_UNITS), int_at(r, end, TREATMENT_EVENTS), int_at(r, end, CONTROL_UNITS),
            int_at(r, end, CONTROL_EVENTS)};
    *after = end;
    return g;
}

static void judge(struct pass *m, const struct guard_case *g, struct guardrail_verdict *v)
{
    for (size_t i = 0; i < g->n_phases; i++) {
        const struct phase_counts *p = &g->phases[i];
        double q = evt_q((double)p->treatment_share_ppm, (double)p->control_share_ppm);
        m->events[i] = (struct evt_phase){p->treatment_events, p->control_events, q};
        m->units[i] = (struct srm_pair){p->treatment_units, p->control_units, q};
    }
    guardrail_judge(&g->rule, m->events, m->units, g->n_phases, v);
}

/* Before it is told to anybody: a node that crashes now must know it when it comes back. */
static void remember(const struct pass *m, int row, const struct guard_case *g, const char *sentence)
{
    struct stop_row stop = {.environment = text_at(m->rows, row, ENVIRONMENT),
                            .experiment = g->experiment,
                            .at_us = clock_wall_us(),
                            .sentence = sentence};
    const char *salt = text_at(m->rows, row, SALT);
    if (m->hook && m->hook->on_stop &&
        sodium_hex2bin(stop.salt, sizeof stop.salt, salt, strlen(salt), NULL, NULL, NULL) == 0)
        m->hook->on_stop(m->hook->arg, &stop);
}

/* One INSERT, committed at once: nothing of this pass comes before a stop. */
static int act(struct pass *m, int row, const struct guard_case *g, const struct guardrail_verdict *v)
{
    char epoch[24], experiment[24], guardrail[24], treatment[24], sentence[768];
    snprintf(epoch, sizeof epoch, "%" PRId64, m->epoch);
    snprintf(experiment, sizeof experiment, "%" PRId64, g->experiment_id);
    snprintf(guardrail, sizeof guardrail, "%" PRId64, g->guardrail_id);
    snprintf(treatment, sizeof treatment, "%" PRId64, g->treatment_id);
    evidence_sentence(g, v, sentence, sizeof sentence);
    char *document = evidence_document(g, v, m->events, m->node, m->epoch, clock_wall_us());
    if (!document)
        return out_of_memory(m->e);
    const char *const params[] = {epoch, experiment, guardrail, treatment, sentence, document};
    bool first = false;
    int code = call(m,
                    g->alert ? "select cohort.record_alert($1, $2, $3, $4, $5, $6)"
                             : "select cohort.record_stop($1, $2, $3, $4, $5, $6)",
                    6, params, NULL, &first);
    free(document);
    if (code != ERR_OK || !first)
        return code;
    if (!g->alert)
        remember(m, row, g, sentence);
    log_warn("monitor", "experiment %s: %s", g->experiment, sentence);
    if (g->alert) {
        m->out->alerts++;
        counter_add(m->counters, guard_alerts, 1);
    } else {
        m->out->stops++;
        counter_add(m->counters, guard_stops, 1);
    }
    return ERR_OK;
}

/* Cases whose counts are those of their last verdict are left alone: a quiet second writes nothing. */
static int look_at(struct pass *m, int row, int *after)
{
    struct guard_case g = read_case(m, row, after);
    char *counts = evidence_counts(&g);
    if (!counts)
        return out_of_memory(m->e);
    if (strcmp(counts, text_at(m->rows, row, SEEN)) == 0) {
        free(counts);
        return ERR_OK;
    }
    struct finding *f = &m->findings[m->n_findings++];
    *f = (struct finding){.guardrail_id = g.guardrail_id, .treatment_id = g.treatment_id, .counts = counts};
    judge(m, &g, &f->verdict);
    return f->verdict.reached ? act(m, row, &g, &f->verdict) : ERR_OK;
}

/* A double as PostgreSQL reads it, or NULL (unknown) when it is infinite. */
static const char *number_or_null(char buf[32], double v)
{
    if (!isfinite(v))
        return NULL;
    snprintf(buf, 32, "%.17g", v);
    return buf;
}

static int write_finding(struct pass *m, const struct finding *f)
{
    const struct guardrail_verdict *v = &f->verdict;
    char epoch[24], guardrail[24], treatment[24], ln_e[32], ratio[32], lower[32], upper[32], threshold[32];
    snprintf(epoch, sizeof epoch, "%" PRId64, m->epoch);
    snprintf(guardrail, sizeof guardrail, "%" PRId64, f->guardrail_id);
    snprintf(treatment, sizeof treatment, "%" PRId64, f->treatment_id);
    size_t cap = strlen(f->counts) + 128;
    char *detail = malloc(cap);
    if (!detail)
        return out_of_memory(m->e);
    snprintf(detail, cap, "{\"counts\":\"%s\",\"counts_broken\":%s,\"power\":%.4f}", f->counts,
             v->counts_broken ? "true" : "false", v->power);
    const char *const params[] = {epoch,
                                  guardrail,
                                  treatment,
                                  number_or_null(ln_e, v->ln_e),
                                  number_or_null(ratio, v->has_events ? v->risk_ratio : INFINITY),
                                  number_or_null(lower, v->has_events ? v->lower : INFINITY),
                                  number_or_null(upper, v->upper),
                                  number_or_null(threshold, v->threshold),
                                  detail};
    int code = call(m,
                    "select cohort.record_guardrail(epoch => $1, guardrail_id => $2, treatment_id => $3,"
                    " ln_e => $4, risk_ratio => $5, lower => $6, upper => $7, threshold => $8, detail => $9)",
                    9, params, NULL, NULL);
    free(detail);
    return code;
}

/* Where each guardrail stands, in one transaction. */
static int write_findings(struct pass *m)
{
    struct pg_error ignored;
    if (m->n_findings == 0)
        return ERR_OK;
    int code = call(m, "begin", 0, NULL, NULL, NULL);
    for (size_t i = 0; code == ERR_OK && i < m->n_findings; i++)
        code = write_finding(m, &m->findings[i]);
    if (code == ERR_OK)
        return call(m, "commit", 0, NULL, NULL, NULL);
    pg_exec(m->p, "rollback", 0, NULL, NULL, &ignored);
    return code;
}

static int look_at_all(struct pass *m)
{
    int code = pg_exec(m->p, input_sql, 0, NULL, &m->rows, m->e);
    if (code != ERR_OK)
        return judge_error(m->e, code);
    size_t room = (size_t)PQntuples(m->rows) + 1;
    m->phases = calloc(room, sizeof *m->phases);
    m->events = calloc(room, sizeof *m->events);
    m->units = calloc(room, sizeof *m->units);
    m->findings = calloc(room, sizeof *m->findings);
    if (!m->phases || !m->events || !m->units || !m->findings)
        return out_of_memory(m->e);
    for (int row = 0; code == ERR_OK && row < PQntuples(m->rows);)
        code = look_at(m, row, &row);
    return code == ERR_OK ? write_findings(m) : code;
}

static void pass_fini(struct pass *m)
{
    for (size_t i = 0; i < m->n_findings; i++)
        free(m->findings[i].counts);
    free(m->findings);
    free(m->units);
    free(m->events);
    free(m->phases);
    PQclear(m->rows);
}

int monitor_pass(struct pg *p, int64_t epoch, const char *node, const struct monitor_hook *hook,
                 struct counters *c, struct monitor_result *out, struct pg_error *e)
{
    struct pass m = {.p = p, .epoch = epoch, .node = node, .hook = hook, .counters = c, .out = out, .e = e};
    memset(e, 0, sizeof *e);
    *out = (struct monitor_result){0};
    int code = roll_up(&m);
    if (code == ERR_OK)
        code = look_at_all(&m);
    pass_fini(&m);
    if (code == ERR_OK)
        counter_add(c, monitor_passes, 1);
    counter_set(c, leader, code != ERR_STATE && pg_alive(p));
    return code;
}
