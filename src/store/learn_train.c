/* Models of contextual bandits: those that are due are fitted and written down, or why not. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "codec/json_dump.h"
#include "codec/json_in.h"
#include "store/train.h"

static const char due_sql[] =
    "select experiment_id, environment, experiment, features, kind, ridge, coalesce(gamma, 0), floor_ppm,"
    " array_to_string(variants, ' '), array_to_string(variant_ids, ' '), matured, down from "
    "cohort.training_due()";

enum due_column {
    ID,
    ENVIRONMENT,
    EXPERIMENT,
    FEATURES,
    KIND,
    RIDGE,
    GAMMA,
    FLOOR,
    KEYS,
    IDS,
    MATURED,
    DOWN
};

static const struct json_limits features_limits = {(size_t)1024 * 1024, 8, 20000};

/* Keys and ids, parted by blanks; the keys are copied, being cut apart. */
static int read_arms(struct arena *a, const char *keys, const char *ids, struct train_spec *spec)
{
    char *copy = arena_copy(a, keys, strlen(keys)), *rest = NULL, *at = (char *)(uintptr_t)ids;
    if (!copy)
        return ERR_NOMEM;
    for (char *key = strtok_r(copy, " ", &rest); key && spec->n_arms < POLICY_ARMS;
         key = strtok_r(NULL, " ", &rest)) {
        spec->keys[spec->n_arms] = key;
        spec->ids[spec->n_arms++] = strtoll(at, &at, 10);
    }
    return ERR_OK;
}

static int read_spec(struct arena *a, const PGresult *r, int row, struct train_spec *spec, struct error *e)
{
    const char *features = PQgetvalue(r, row, FEATURES);
    json_t *list = NULL;
    *spec = (struct train_spec){.experiment_id = PQgetvalue(r, row, ID),
                                .environment = PQgetvalue(r, row, ENVIRONMENT),
                                .experiment = PQgetvalue(r, row, EXPERIMENT),
                                .matured = PQgetvalue(r, row, MATURED),
                                .logistic = strcmp(PQgetvalue(r, row, KIND), "binary") == 0,
                                .ridge = strtod(PQgetvalue(r, row, RIDGE), NULL),
                                .gamma = strtod(PQgetvalue(r, row, GAMMA), NULL),
                                .down = PQgetvalue(r, row, DOWN)[0] == 't',
                                .floor_ppm = atoi(PQgetvalue(r, row, FLOOR))};
    int code = json_in_parse(features, strlen(features), &features_limits, &list, e);
    if (code != ERR_OK)
        return code;
    spec->declared = json_pack("{s:o}", "features", list);
    if (!spec->declared)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    return read_arms(a, PQgetvalue(r, row, KEYS), PQgetvalue(r, row, IDS), spec);
}

static json_t *bins(const struct calibration *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->bins; i++)
        if (json_array_append_new(list, json_pack("{s:f, s:f, s:f}", "n", c->bin[i].n, "predicted",
                                                  c->bin[i].predicted, "observed", c->bin[i].observed)) !=
            0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* cohort.model.calibration. */
static char *calibration_text(const struct train_spec *spec, const struct train_set *s,
                              const struct train_fit *f)
{
    const struct calibration *c = &f->calibration;
    json_t *shares = json_object();
    for (size_t a = 0; a < spec->n_arms; a++)
        if (json_object_set_new(shares, spec->keys[a], json_real(f->share[a])) != 0) {
            json_decref(shares);
            return NULL;
        }
    json_t *doc =
        json_pack("{s:o, s:b, s:f, s:f, s:f, s:f, s:f, s:o, s:I, s:f, s:f}", "shares", shares, "held_out",
                  c->answered, "error", c->error, "predicted", c->predicted, "observed", c->observed,
                  "squared", c->squared, "squared_of_means", f->baseline, "bins", bins(c), "incomplete",
                  (json_int_t)s->incomplete, "weight_max", TRAIN_WEIGHT_MAX, "spread", f->spread);
    char *text = doc ? json_dump_text(doc, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(doc);
    return text;
}

static int write_model(const struct learner *l, const struct train_spec *spec, const struct train_set *s,
                       const json_t *document, const char *calibration, const char *said, struct pg_error *e)
{
    char epoch[24], n[24];
    char *text = json_dump_text(document, JSON_COMPACT | JSON_REAL_PRECISION(17));
    PGresult *rows = NULL;
    const char *const params[] = {epoch, spec->experiment_id, text,          s->first, s->last,
                                  n,     calibration,         spec->matured, said};
    if (!text)
        return error_set(&e->error, ERR_NOMEM, NULL, "out of memory");
    snprintf(epoch, sizeof epoch, "%" PRId64, l->epoch);
    snprintf(n, sizeof n, "%zu", s->n);
    int code =
        learn_exec(l, "select cohort.record_model($1, $2, $3, $4, $5, $6, $7, $8, $9)", 9, params, &rows, e);
    if (code == ERR_OK)
        log_info("learner", "experiment %s (%s): model %s: %s", spec->experiment, spec->environment,
                 PQgetvalue(rows, 0, 0), said);
    PQclear(rows);
    free(text);
    return code;
}

static int write_refusal(const struct learner *l, const struct train_spec *spec, const char *why,
                         const char *calibration, struct pg_error *e)
{
    char epoch[24];
    const char *const params[] = {epoch, spec->experiment_id, spec->matured, why, calibration};
    snprintf(epoch, sizeof epoch, "%" PRId64, l->epoch);
    log_warn("learner", "experiment %s (%s): no new model: %s", spec->experiment, spec->environment, why);
    return learn_exec(l, "select cohort.record_no_model($1, $2, $3, $4, $5)", 5, params, NULL, e);
}

static int write_down(const struct learner *l, const struct train_spec *spec, const struct train_set *s,
                      struct train_fit *f, int64_t began_us, struct pg_error *e)
{
    char said[200];
    json_t *document = f->refused[0] ? NULL : train_document(spec, s, f);
    int code = f->refused[0] || document ? ERR_OK : ERR_NOMEM;
    if (document)
        code = train_shares(spec, s, document, f);
    char *calibration = code == ERR_OK ? calibration_text(spec, s, f) : NULL;
    if (!calibration) {
        code = error_set(&e->error, ERR_NOMEM, NULL, "out of memory");
    } else if (f->refused[0]) {
        code = write_refusal(l, spec, f->refused, calibration, e);
    } else {
        snprintf(said, sizeof said, "fitted to %zu rewards and %zu columns in %.1f s", s->n, s->columns,
                 (double)(clock_monotonic_us() - began_us) / 1e6);
        code = write_model(l, spec, s, document, calibration, said, e);
    }
    free(calibration);
    json_decref(document);
    return code;
}

static int train_one(const struct learner *l, const PGresult *due, int row, struct pg_error *e)
{
    struct train_spec spec;
    struct train_set set = {0};
    struct train_fit fit;
    int64_t began_us = clock_monotonic_us();
    struct arena *a = arena_new();
    int code =
        a ? read_spec(a, due, row, &spec, &e->error) : error_set(&e->error, ERR_NOMEM, NULL, "out of memory");
    if (code == ERR_OK) {
        code = train_read(l, &spec, &set, e);
        if (code == ERR_OK && (code = train_fit(l, &spec, &set, &fit)) == ERR_NOMEM)
            error_set(&e->error, ERR_NOMEM, NULL, "out of memory");
        if (code == ERR_OK)
            code = write_down(l, &spec, &set, &fit, began_us, e);
        train_set_free(&set);
        json_decref(spec.declared);
    }
    arena_free(a);
    return code == ERR_UNAVAILABLE && l->stopping(l->arg) ? ERR_OK : code;
}

int learn_models(const struct learner *l, struct pg_error *e)
{
    PGresult *due = NULL;
    struct pg_error why;
    int first = learn_exec(l, due_sql, 0, NULL, &due, e);
    for (int i = 0; i < PQntuples(due) && !l->stopping(l->arg); i++) {
        memset(&why, 0, sizeof why);
        int code = train_one(l, due, i, &why);
        if (code != ERR_OK && first == ERR_OK) {
            first = code;
            *e = why;
        }
        if (code == ERR_STATE || !pg_alive(l->p))
            break;
    }
    PQclear(due);
    return first;
}
