/* Stop conditions: reads what each is judged on, and writes down what it came to. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/clock.h"
#include "codec/json_dump.h"
#include "store/condition.h"
#include "store/evidence.h"
#include "store/monitor_private.h"

enum column {
    CONDITION_ID,
    EXPERIMENT_ID,
    EXPERIMENT,
    ENVIRONMENT,
    ITERATION,
    SALT,
    KIND,
    ACTION,
    METRIC,
    METRIC_VERSION,
    ALPHA,
    WEIGHT,
    CAN_ROLL_BACK,
    SEEN,
    INPUTS,
};

static const char input_sql[] =
    "select condition_id, experiment_id, experiment, environment, iteration, salt, kind, action, metric,"
    " metric_version, alpha, weight, can_roll_back, seen, inputs from cohort.condition_rows()";

static const char *text_at(const PGresult *r, int row, enum column c)
{
    return PQgetvalue(r, row, (int)c);
}

/* Equal text, equal verdict. */
static void hash_inputs(const PGresult *r, int row, char hex[33])
{
    unsigned char digest[16];
    const char *text = text_at(r, row, INPUTS);
    crypto_generichash(digest, sizeof digest, (const unsigned char *)text, strlen(text), NULL, 0);
    sodium_bin2hex(hex, 33, digest, sizeof digest);
}

static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static char *evidence_of(const struct pass *m, const PGresult *r, int row, const struct condition *c,
                         const struct condition_verdict *v)
{
    char now[48];
    evidence_time(now, clock_wall_us());
    json_t *doc = json_pack(
        "{s:s, s:s, s:I, s:s, s:s?, s:I, s:f, s:f, s:o, s:o, s:O, s:s, s:s, s:I, s:s}", "kind", c->kind,
        "experiment", c->experiment, "iteration", (json_int_t)strtoll(text_at(r, row, ITERATION), NULL, 10),
        "action", c->action, "metric", c->metric[0] ? c->metric : NULL, "metric_version",
        (json_int_t)strtoll(text_at(r, row, METRIC_VERSION), NULL, 10), "alpha", c->alpha, "weight",
        c->weight, "ln_e", v->has_ln_e ? number(v->ln_e) : json_null(), "threshold_ln_e",
        v->has_ln_e ? number(v->threshold) : json_null(), "found", v->found, "decided_at", now, "node",
        m->node, "epoch", (json_int_t)m->epoch, "method", condition_method(c->kind));
    char *text = doc ? json_dump_text(doc, JSON_COMPACT) : NULL, *whole = NULL;
    json_decref(doc);
    /* The inputs as they came: read as doubles, their whole numbers would come out as 5000.0. */
    struct buffer b = {0};
    if (text)
        buffer_printf(&b, "%.*s,\"inputs\":%s}", (int)strlen(text) - 1, text, text_at(r, row, INPUTS));
    buffer_add(&b, "", 1);
    if (text && !b.failed)
        whole = (char *)b.data;
    else
        buffer_free(&b);
    free(text);
    return whole;
}

static int act(struct pass *m, const PGresult *r, int row, const struct condition *c,
               const struct condition_verdict *v)
{
    char treatment[24];
    char *document = evidence_of(m, r, row, c, v);
    if (!document)
        return monitor_out_of_memory(m->e);
    snprintf(treatment, sizeof treatment, "%" PRId64, v->treatment_id);
    struct verdict_row verdict = {.environment = text_at(r, row, ENVIRONMENT),
                                  .experiment = c->experiment,
                                  .salt = text_at(r, row, SALT),
                                  .kind = c->kind,
                                  .action = c->action,
                                  .sentence = v->sentence,
                                  .document = document,
                                  .experiment_id = text_at(r, row, EXPERIMENT_ID),
                                  .condition_id = text_at(r, row, CONDITION_ID),
                                  .treatment_id = v->treatment_id ? treatment : NULL,
                                  .metric_version = c->metric[0] ? text_at(r, row, METRIC_VERSION) : NULL};
    int code = monitor_act(m, &verdict);
    free(document);
    return code;
}

static int write_state(struct pass *m, const PGresult *r, int row, const char *seen,
                       const struct condition_verdict *v)
{
    char ln_e[32], threshold[32];
    json_t *doc =
        json_pack("{s:O, s:s, s:b}", "found", v->found, "missing", v->missing, "reached", v->reached);
    char *detail = doc ? json_dump_text(doc, JSON_COMPACT) : NULL;
    json_decref(doc);
    if (!detail)
        return monitor_out_of_memory(m->e);
    const char *const params[] = {m->epoch_text,
                                  text_at(r, row, CONDITION_ID),
                                  text_at(r, row, ITERATION),
                                  text_at(r, row, METRIC_VERSION),
                                  v->has_ln_e ? monitor_number(ln_e, v->ln_e) : NULL,
                                  v->has_ln_e ? monitor_number(threshold, v->threshold) : NULL,
                                  seen,
                                  detail};
    int code = monitor_call(m, "select cohort.record_condition($1, $2, $3, $4, $5, $6, $7, $8)", 8, params,
                            NULL, NULL);
    free(detail);
    return code;
}

static int look_at(struct pass *m, const PGresult *r, int row)
{
    char seen[33];
    hash_inputs(r, row, seen);
    if (strcmp(seen, text_at(r, row, SEEN)) == 0)
        return ERR_OK;
    /* Sums may have more digits than an integer holds. */
    json_t *inputs = json_loads(text_at(r, row, INPUTS), JSON_DECODE_INT_AS_REAL, NULL);
    const char *action = text_at(r, row, ACTION);
    bool no_way_back = strcmp(action, "roll_back") == 0 && text_at(r, row, CAN_ROLL_BACK)[0] != 't';
    struct condition c = {.kind = text_at(r, row, KIND),
                          .action = no_way_back ? "stop" : action,
                          .metric = text_at(r, row, METRIC),
                          .experiment = text_at(r, row, EXPERIMENT),
                          .alpha = strtod(text_at(r, row, ALPHA), NULL),
                          .weight = strtod(text_at(r, row, WEIGHT), NULL),
                          .nothing_to_roll_back = no_way_back,
                          .inputs = inputs};
    struct condition_verdict v;
    if (!inputs)
        return error_set(&m->e->error, ERR_IO, NULL, "the inputs of stop condition %s of %s can't be read",
                         text_at(r, row, CONDITION_ID), c.experiment);
    condition_judge(&c, &v);
    int code = v.found ? ERR_OK : monitor_out_of_memory(m->e);
    if (code == ERR_OK && v.reached)
        code = act(m, r, row, &c, &v);
    if (code == ERR_OK)
        code = write_state(m, r, row, seen, &v);
    condition_verdict_fini(&v);
    json_decref(inputs);
    return code;
}

int monitor_conditions(struct pass *m)
{
    const char *const params[] = {m->epoch_text};
    PGresult *rows = NULL;
    int code = monitor_call(m, "select cohort.watch_conditions($1)", 1, params, NULL, NULL);
    if (code == ERR_OK)
        code = monitor_rows(m, input_sql, 0, NULL, &rows);
    for (int row = 0; code == ERR_OK && row < PQntuples(rows); row++)
        code = look_at(m, rows, row);
    PQclear(rows);
    return code;
}
