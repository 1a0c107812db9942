/* Guardrails: binary ones by EVT, the others by the histogram tilt. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "stats/verdict.h"
#include "store/evidence.h"
#include "store/monitor_private.h"

/* Units of all arms with an amount that a metric's scores are registered from. */
#define SCORE_AMOUNTS 400
/* n* of the ratio shown beside the tilt, which stops nothing. */
#define SHOWN_N_STAR 20000

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
    METRIC_ID,
    METRIC_VERSION,
    KIND,
    CENTRE,
    SCALE,
    CLIP,
    AMOUNTS,
    TREATMENT_SUMS,
    CONTROL_SUMS,
    TREATMENT_BUCKETS,
    CONTROL_BUCKETS,
    CAN_ROLL_BACK,
    ODDS,
};

static const char input_sql[] =
    "select i.experiment_id, i.experiment, i.iteration, i.guardrail_id, i.treatment_id, i.metric, i.event,"
    " i.treatment, i.control, i.action, i.direction, i.count, i.margin, i.weight, i.alpha, i.arms,"
    " s.detail->>'counts', i.phase, i.treatment_share_ppm, i.control_share_ppm,"
    " i.treatment_units, i.treatment_events, i.control_units, i.control_events,"
    " x.environment, encode(x.salt, 'hex'), i.metric_id, i.metric_version, i.kind, i.centre, i.scale, i.clip,"
    " i.amounts, i.treatment_sums, i.control_sums, i.treatment_buckets, i.control_buckets,"
    " case when i.action = 'roll_back' then cohort.roll_back_ppm(i.experiment_id) is not null end, i.odds"
    " from cohort.guardrail_rows() i join cohort.experiment x on x.id = i.experiment_id"
    " left join cohort.guardrail_state s on s.guardrail_id = i.guardrail_id"
    " and s.treatment_id = i.treatment_id and s.iteration = i.iteration"
    " and s.metric_version = i.metric_version"
    " order by i.experiment_id, i.guardrail_id, i.treatment_id, i.phase, i.odds";

/* A verdict that is to be written down; its texts are the query's. */
struct finding {
    int row;
    struct guardrail_verdict verdict;
    const char *missing;
    char *counts; /* evidence_counts; ours */
};

/* The arrays have room for as many items as the query has rows. */
struct harm {
    struct pass *m;
    PGresult *rows;
    struct phase_counts *phases;
    struct evt_phase *events;
    struct srm_pair *units;
    struct arm_sums *arms; /* treatment and control of each phase, for methods that take arrays */
    struct bucket_count **buckets;
    size_t n_buckets; /* lists of ours */
    struct finding *findings;
    size_t n_findings;
};

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

static bool same_case(const PGresult *r, int a, int b)
{
    return int_at(r, a, GUARDRAIL_ID) == int_at(r, b, GUARDRAIL_ID) &&
           int_at(r, a, TREATMENT_ID) == int_at(r, b, TREATMENT_ID);
}

/* "-3:1 40:12" and the units that are in no bucket but 0, which goes to its place. */
static struct bucket_count *read_buckets(const char *text, int64_t units, size_t *n)
{
    size_t room = 2;
    for (const char *c = text; *c; c++)
        room += *c == ' ';
    struct bucket_count *list = calloc(room, sizeof *list);
    if (!list)
        return NULL;
    size_t zero = 0;
    *n = 0;
    for (char *at = (char *)(uintptr_t)text; *at;) {
        struct bucket_count b = {.bucket = (int)strtol(at, &at, 10)};
        if (*at == ':')
            b.n = strtoll(at + 1, &at, 10);
        at += *at == ' ';
        units -= b.n;
        list[(*n)++] = b;
        zero += b.bucket < 0;
    }
    if (units > 0) {
        memmove(&list[zero + 1], &list[zero], (*n - zero) * sizeof *list);
        list[zero] = (struct bucket_count){0, units};
        (*n)++;
    }
    return list;
}

static int read_arm(struct harm *h, int row, enum column sums, enum column buckets, struct arm_sums *arm)
{
    const char *at = text_at(h->rows, row, sums);
    double v[8] = {0};
    for (size_t i = 0; i < 8 && *at; i++) {
        char *end;
        v[i] = strtod(at, &end);
        at = end;
    }
    *arm = (struct arm_sums){.n = v[0],
                             .sum = v[1],
                             .sum_sq = v[2],
                             .sum_cube = v[3],
                             .amounts = v[4],
                             .sum_d = v[5],
                             .sum_dd = v[6],
                             .sum_yd = v[7],
                             .has_cube = true};
    struct bucket_count *list =
        read_buckets(text_at(h->rows, row, buckets), (int64_t)v[0], &arm->bucket_count);
    if (!list)
        return monitor_out_of_memory(h->m->e);
    h->buckets[h->n_buckets++] = list;
    arm->buckets = list;
    return ERR_OK;
}

/* The case that starts at this row; *after: the row behind its last phase. */
static int read_case(struct harm *h, int row, struct guard_case *g, int *after)
{
    const PGresult *r = h->rows;
    const char *action = text_at(r, row, ACTION);
    bool no_way_back = strcmp(action, "roll_back") == 0 && text_at(r, row, CAN_ROLL_BACK)[0] != 't';
    *g = (struct guard_case){
        .iteration = int_at(r, row, ITERATION),
        .metric_version = int_at(r, row, METRIC_VERSION),
        .experiment = text_at(r, row, EXPERIMENT),
        .metric = text_at(r, row, METRIC),
        .event = text_at(r, row, EVENT),
        .treatment = text_at(r, row, TREATMENT),
        .control = text_at(r, row, CONTROL),
        .kind = text_at(r, row, KIND),
        .action = no_way_back ? "stop" : action,
        .nothing_to_roll_back = no_way_back,
        .scores = {number_at(r, row, CENTRE), number_at(r, row, SCALE), number_at(r, row, CLIP)},
        .at_maturity = strcmp(text_at(r, row, COUNT), "at_maturity") == 0,
        .rule = {.harm = strcmp(text_at(r, row, DIRECTION), "down") == 0 ? EVT_DOWN : EVT_UP,
                 .margin = number_at(r, row, MARGIN),
                 .alpha = number_at(r, row, ALPHA),
                 .weight = number_at(r, row, WEIGHT),
                 .arms = (int)int_at(r, row, ARMS)},
        .phases = h->phases,
    };
    int end = row, code = ERR_OK;
    for (; code == ERR_OK && end < PQntuples(r) && same_case(r, row, end); end++) {
        struct phase_counts *p = &h->phases[g->n_phases++];
        bool odds = !PQgetisnull(r, end, ODDS);
        *p = (struct phase_counts){.number = int_at(r, end, odds ? ODDS : PHASE),
                                   .odds = odds,
                                   .treatment_share_ppm = int_at(r, end, TREATMENT_SHARE),
                                   .control_share_ppm = int_at(r, end, CONTROL_SHARE),
                                   .treatment_units = int_at(r, end, TREATMENT_UNITS),
                                   .treatment_events = int_at(r, end, TREATMENT_EVENTS),
                                   .control_units = int_at(r, end, CONTROL_UNITS),
                                   .control_events = int_at(r, end, CONTROL_EVENTS)};
        if (!guard_by_tilt(g))
            continue;
        code = read_arm(h, end, TREATMENT_SUMS, TREATMENT_BUCKETS, &p->treatment);
        if (code == ERR_OK)
            code = read_arm(h, end, CONTROL_SUMS, CONTROL_BUCKETS, &p->control);
    }
    *after = end;
    return code;
}

/* The ratio of the values with its bounds, for people. Unknown while its gate is shut. */
static void show_ratio(struct harm *h, const struct guard_case *g, struct guardrail_verdict *v)
{
    size_t n = g->n_phases;
    enum across_kind kind = strcmp(g->kind, "ratio") == 0 ? ACROSS_RATIO : ACROSS_MEAN;
    struct arm_sums *t = h->arms, *c = h->arms + n;
    for (size_t i = 0; i < n; i++) {
        t[i] = g->phases[i].treatment;
        c[i] = g->phases[i].control;
    }
    if (!gate_judge(kind, t, c, n).open)
        return;
    struct asympcs_rule rule = {exp(-v->threshold), SHOWN_N_STAR, ASYMPCS_GREATER};
    struct asympcs low = across_relative(kind, t, c, n, &rule);
    rule.side = ASYMPCS_LESSER;
    struct asympcs high = across_relative(kind, t, c, n, &rule);
    v->has_events = low.answered && high.answered && isfinite(low.low) && isfinite(high.high);
    if (!v->has_events)
        return;
    v->risk_ratio = 1 + low.estimate;
    v->lower = 1 + low.low;
    v->upper = 1 + high.high;
}

static const char *judge_values(struct harm *h, const struct guard_case *g, struct guardrail_verdict *out)
{
    struct verdict_rule rule = {VERDICT_HARM,
                                g->rule.harm == EVT_UP ? VERDICT_ABOVE : VERDICT_BELOW,
                                1,
                                g->rule.alpha,
                                g->rule.weight,
                                g->rule.arms};
    bool broken = verdict_counts_broken(h->units, g->n_phases), scored = g->scores.scale > 0;
    struct tilt tilt = {0};
    for (size_t i = 0; i < g->n_phases; i++) {
        double *q = &h->events[i].q;
        if (broken)
            *q = verdict_widened_q(rule.way, *q, &h->units[i], g->n_phases);
        if (scored)
            tilt_add_phase(&tilt, &g->scores, *q, &g->phases[i].treatment, &g->phases[i].control);
    }
    struct verdict v = verdict_of_tilt(&rule, &tilt, h->units, g->n_phases);
    *out = (struct guardrail_verdict){.threshold = v.threshold,
                                      .ln_e = v.ln_e,
                                      .risk_ratio = 1,
                                      .upper = INFINITY,
                                      .srm_ln_e = v.srm_ln_e,
                                      .counts_broken = v.counts_broken,
                                      .reached = v.reached};
    show_ratio(h, g, out);
    return !scored      ? "400 units whose time is over and that have an amount, to register scores"
           : !tilt.any  ? "a unit whose time is over"
           : v.answered ? ""
                        : "a rule that makes sense";
}

/* Returns what is missing for an answer, "" for nothing. */
static const char *judge(struct harm *h, const struct guard_case *g, struct guardrail_verdict *v)
{
    for (size_t i = 0; i < g->n_phases; i++) {
        const struct phase_counts *p = &g->phases[i];
        double q = evt_q((double)p->treatment_share_ppm, (double)p->control_share_ppm);
        h->events[i] = (struct evt_phase){p->treatment_events, p->control_events, q};
        /* A step's edge is no share that counts could contradict. Where other counts are broken, a step
         * without units says nothing for harm. */
        h->units[i] =
            p->odds ? (struct srm_pair){0, 0, q} : (struct srm_pair){p->treatment_units, p->control_units, q};
    }
    if (guard_by_tilt(g))
        return judge_values(h, g, v);
    guardrail_judge(&g->rule, h->events, h->units, g->n_phases, v);
    return v->has_events ? "" : "a unit with the event";
}

static int act(struct harm *h, int row, const struct guard_case *g, const struct guardrail_verdict *v)
{
    struct pass *m = h->m;
    const PGresult *r = h->rows;
    char sentence[768];
    evidence_sentence(g, v, sentence, sizeof sentence);
    char *document = evidence_document(g, v, h->events, m->node, m->epoch, clock_wall_us());
    if (!document)
        return monitor_out_of_memory(m->e);
    struct verdict_row verdict = {.environment = text_at(r, row, ENVIRONMENT),
                                  .experiment = g->experiment,
                                  .salt = text_at(r, row, SALT),
                                  .kind = "harm",
                                  .action = g->action,
                                  .sentence = sentence,
                                  .document = document,
                                  .experiment_id = text_at(r, row, EXPERIMENT_ID),
                                  .guardrail_id = text_at(r, row, GUARDRAIL_ID),
                                  .treatment_id = text_at(r, row, TREATMENT_ID),
                                  .metric_version = text_at(r, row, METRIC_VERSION)};
    int code = monitor_act(m, &verdict);
    free(document);
    return code;
}

/* Once, from all arms together, before the first verdict: the values decide it, never the arms. */
static int register_scores(struct harm *h, int row)
{
    struct pass *m = h->m;
    const PGresult *r = h->rows;
    const char *const ids[] = {text_at(r, row, EXPERIMENT_ID), text_at(r, row, METRIC_ID),
                               text_at(r, row, METRIC_VERSION)};
    PGresult *pooled = NULL;
    int code =
        monitor_rows(m, "select bucket, units from cohort.pooled_buckets($1, $2, $3)", 3, ids, &pooled);
    if (code != ERR_OK)
        return code;
    int n = PQntuples(pooled);
    struct bucket_count *list = calloc((size_t)n + 1, sizeof *list);
    int64_t units = 0;
    for (int i = 0; list && i < n; i++) {
        list[i] = (struct bucket_count){(int)strtol(PQgetvalue(pooled, i, 0), NULL, 10),
                                        strtoll(PQgetvalue(pooled, i, 1), NULL, 10)};
        units += list[i].n;
    }
    PQclear(pooled);
    struct scores s;
    enum stat_missing missing;
    bool made = list && scores_register(list, (size_t)n, &s, &missing);
    free(list);
    if (!list)
        return monitor_out_of_memory(m->e);
    if (!made)
        return ERR_OK; /* all in one bucket: there is nothing to tell apart yet */
    char centre[32], scale[32], clip[32], from[24];
    snprintf(from, sizeof from, "%" PRId64, units);
    const char *const params[] = {m->epoch_text,
                                  ids[0],
                                  ids[1],
                                  ids[2],
                                  monitor_number(centre, s.centre),
                                  monitor_number(scale, s.scale),
                                  monitor_number(clip, s.clip),
                                  from};
    return monitor_call(m, "select cohort.record_scores($1, $2, $3, $4, $5, $6, $7, $8)", 8, params, NULL,
                        NULL);
}

/* Cases whose counts are those of their last verdict are left alone: a quiet second writes nothing. */
static int look_at(struct harm *h, int row, int *after)
{
    struct guard_case g;
    int code = read_case(h, row, &g, after);
    if (code == ERR_OK && guard_by_tilt(&g) && !(g.scores.scale > 0) &&
        int_at(h->rows, row, AMOUNTS) >= SCORE_AMOUNTS)
        code = register_scores(h, row);
    if (code != ERR_OK)
        return code;
    char *counts = evidence_counts(&g);
    if (!counts)
        return monitor_out_of_memory(h->m->e);
    if (strcmp(counts, text_at(h->rows, row, SEEN)) == 0) {
        free(counts);
        return ERR_OK;
    }
    struct finding *f = &h->findings[h->n_findings++];
    *f = (struct finding){.row = row, .counts = counts};
    f->missing = judge(h, &g, &f->verdict);
    return f->verdict.reached ? act(h, row, &g, &f->verdict) : ERR_OK;
}

static int write_finding(struct harm *h, const struct finding *f)
{
    const struct guardrail_verdict *v = &f->verdict;
    char ln_e[32], ratio[32], lower[32], upper[32], threshold[32];
    size_t cap = strlen(f->counts) + 256;
    char *detail = malloc(cap);
    if (!detail)
        return monitor_out_of_memory(h->m->e);
    snprintf(detail, cap, "{\"counts\":\"%s\",\"counts_broken\":%s,\"power\":%.4f,\"missing\":\"%s\"}",
             f->counts, v->counts_broken ? "true" : "false", v->power, f->missing);
    const char *const params[] = {h->m->epoch_text,
                                  text_at(h->rows, f->row, GUARDRAIL_ID),
                                  text_at(h->rows, f->row, TREATMENT_ID),
                                  monitor_number(ln_e, v->ln_e),
                                  monitor_number(ratio, v->has_events ? v->risk_ratio : INFINITY),
                                  monitor_number(lower, v->has_events ? v->lower : INFINITY),
                                  monitor_number(upper, v->upper),
                                  monitor_number(threshold, v->threshold),
                                  detail,
                                  text_at(h->rows, f->row, METRIC_VERSION)};
    int code = monitor_call(h->m,
                            "select cohort.record_guardrail(epoch => $1, guardrail_id => $2,"
                            " treatment_id => $3, ln_e => $4, risk_ratio => $5, lower => $6, upper => $7,"
                            " threshold => $8, detail => $9, metric_version => $10)",
                            10, params, NULL, NULL);
    free(detail);
    return code;
}

/* Where each guardrail stands, in one transaction. */
static int write_findings(struct harm *h)
{
    struct pg_error ignored;
    if (h->n_findings == 0)
        return ERR_OK;
    int code = monitor_call(h->m, "begin", 0, NULL, NULL, NULL);
    for (size_t i = 0; code == ERR_OK && i < h->n_findings; i++)
        code = write_finding(h, &h->findings[i]);
    if (code == ERR_OK)
        return monitor_call(h->m, "commit", 0, NULL, NULL, NULL);
    pg_exec(h->m->p, "rollback", 0, NULL, NULL, &ignored);
    return code;
}

static int look_at_all(struct harm *h)
{
    int code = monitor_rows(h->m, input_sql, 0, NULL, &h->rows);
    if (code != ERR_OK)
        return code;
    size_t room = (size_t)PQntuples(h->rows) + 1;
    h->phases = calloc(room, sizeof *h->phases);
    h->events = calloc(room, sizeof *h->events);
    h->units = calloc(room, sizeof *h->units);
    h->arms = calloc(2 * room, sizeof *h->arms);
    h->buckets = calloc(2 * room, sizeof *h->buckets);
    h->findings = calloc(room, sizeof *h->findings);
    if (!h->phases || !h->events || !h->units || !h->arms || !h->buckets || !h->findings)
        return monitor_out_of_memory(h->m->e);
    for (int row = 0; code == ERR_OK && row < PQntuples(h->rows);)
        code = look_at(h, row, &row);
    return code == ERR_OK ? write_findings(h) : code;
}

int monitor_harm(struct pass *m)
{
    struct harm h = {.m = m};
    int code = look_at_all(&h);
    for (size_t i = 0; i < h.n_findings; i++)
        free(h.findings[i].counts);
    for (size_t i = 0; i < h.n_buckets; i++)
        free(h.buckets[i]);
    free(h.findings);
    free(h.buckets);
    free(h.arms);
    free(h.units);
    free(h.events);
    free(h.phases);
    PQclear(h.rows);
    return code;
}
