/* The rows a model is fitted to: what was seen, done and earned. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_in.h"
#include "codec/model_json.h"
#include "store/train.h"

#define FETCH 2000
#define FETCH_SQL "fetch 2000 from training"

static const struct json_limits inputs_limits = {16384, 16, 4096};

static int no_memory(struct pg_error *e)
{
    return error_set(&e->error, ERR_NOMEM, NULL, "out of memory");
}

void train_set_free(struct train_set *s)
{
    arena_free(s->arena);
    free(s->attributes);
    free(s->x);
    free(s->y);
    free(s->weight);
    free(s->arm);
    free(s->fold);
    *s = (struct train_set){0};
}

static void find_numbers(const struct train_spec *spec, struct train_set *s)
{
    const json_t *list = json_object_get(spec->declared, "features");
    size_t ignored;
    for (size_t i = 0; i < features_count(s->features); i++) {
        const char *kind = json_string_value(json_object_get(json_array_get(list, i), "kind"));
        if (kind && strcmp(kind, "number") == 0)
            s->number_column[s->n_numbers++] = features_column(s->features, i, &ignored);
    }
}

static int prepare(const struct train_spec *spec, struct train_set *s, struct pg_error *e)
{
    s->arena = arena_new();
    if (!s->arena)
        return no_memory(e);
    int code = features_from_json(s->arena, spec->declared, &s->features, &e->error);
    if (code != ERR_OK)
        return code;
    find_numbers(spec, s);
    s->columns = features_columns(s->features);
    s->room = TRAIN_NUMBERS_MAX / s->columns;
    s->room = s->room < TRAIN_ROWS_MAX ? s->room : TRAIN_ROWS_MAX;
    s->attributes = calloc(s->room, sizeof *s->attributes);
    s->y = calloc(s->room, sizeof *s->y);
    s->weight = calloc(s->room, sizeof *s->weight);
    s->arm = calloc(s->room, 1);
    s->fold = calloc(s->room, 1);
    return s->attributes && s->y && s->weight && s->arm && s->fold ? ERR_OK : no_memory(e);
}

static size_t arm_of(const struct train_spec *spec, const char *id)
{
    int64_t wanted = strtoll(id, NULL, 10);
    size_t i = 0;
    while (i < spec->n_arms && spec->ids[i] != wanted)
        i++;
    return i;
}

/* Rows that can't be used are passed over: of a variant that is served no more, or without what is needed. */
static int take_row(const struct train_spec *spec, struct train_set *s, const PGresult *r, int row)
{
    double raw[FEATURES_COLUMNS_MAX];
    const char *text = PQgetvalue(r, row, 5);
    size_t arm = arm_of(spec, PQgetvalue(r, row, 1));
    struct error ignored;
    json_t *inputs = NULL;
    struct attr *a = &s->attributes[s->n];
    if (arm == spec->n_arms)
        return ERR_OK;
    int code = json_in_parse(text, strlen(text), &inputs_limits, &inputs, &ignored);
    if (code == ERR_OK)
        code = json_in_attr(s->arena, inputs, a, &ignored);
    json_decref(inputs);
    if (code == ERR_NOMEM)
        return code;
    if (code != ERR_OK || features_read(s->features, a, NULL, raw, NULL) != FEATURES_OK) {
        s->incomplete++;
        return ERR_OK;
    }
    double weight = 1e6 / strtod(PQgetvalue(r, row, 2), NULL) / (double)spec->n_arms;
    s->arm[s->n] = (unsigned char)arm;
    s->weight[s->n] = weight < TRAIN_WEIGHT_MAX ? weight : TRAIN_WEIGHT_MAX;
    double y = strtod(PQgetvalue(r, row, 3), NULL) / 1e6;
    s->y[s->n] = !spec->down ? y : spec->logistic ? 1 - y : -y;
    s->fold[s->n] = (unsigned char)(strtoll(PQgetvalue(r, row, 4), NULL, 10) % TRAIN_FOLDS);
    snprintf(s->first, sizeof s->first, "%s", PQgetvalue(r, row, 0));
    if (s->n == 0)
        snprintf(s->last, sizeof s->last, "%s", PQgetvalue(r, row, 0));
    s->per_arm[arm]++;
    s->n++;
    return ERR_OK;
}

static int take_rows(const struct learner *l, const struct train_spec *spec, struct train_set *s,
                     struct pg_error *e)
{
    for (;;) {
        PGresult *rows = NULL;
        int code = learn_exec(l, FETCH_SQL, 0, NULL, &rows, e);
        if (code != ERR_OK)
            return code;
        int n = PQntuples(rows);
        for (int i = 0; code == ERR_OK && i < n && s->n < s->room; i++)
            code = take_row(spec, s, rows, i);
        PQclear(rows);
        if (code != ERR_OK)
            return no_memory(e);
        if (n < FETCH || s->n == s->room || arena_size(s->arena) > TRAIN_BYTES_MAX || l->stopping(l->arg))
            return ERR_OK;
    }
}

/* A number's centre and scale, and the range outside of which the model will not be asked. */
static int measure(struct train_set *s)
{
    double raw[FEATURES_COLUMNS_MAX], square[FEATURES_MAX] = {0};
    for (size_t i = 0; i < s->n; i++) {
        features_read(s->features, &s->attributes[i], NULL, raw, NULL);
        for (size_t k = 0; k < s->n_numbers; k++) {
            double v = raw[s->number_column[k]], before = v - s->centre[k];
            s->centre[k] += before / (double)(i + 1);
            square[k] += before * (v - s->centre[k]);
            s->low[k] = i == 0 || v < s->low[k] ? v : s->low[k];
            s->high[k] = i == 0 || v > s->high[k] ? v : s->high[k];
        }
    }
    for (size_t k = 0; k < s->n_numbers; k++) {
        double sd = s->n > 0 ? sqrt(square[k] / (double)s->n) : 0;
        s->scale[k] = sd > 1e-9 * fabs(s->centre[k]) && sd > 1e-9 ? sd : 1;
    }
    return ERR_OK;
}

static int fill(struct train_set *s, struct pg_error *e)
{
    struct feature_scale scale = {s->centre, s->scale, NULL, NULL};
    s->x = malloc((s->n + 1) * s->columns * sizeof *s->x);
    if (!s->x)
        return no_memory(e);
    for (size_t i = 0; i < s->n; i++)
        features_read(s->features, &s->attributes[i], &scale, s->x + i * s->columns, NULL);
    return ERR_OK;
}

int train_read(const struct learner *l, const struct train_spec *spec, struct train_set *out,
               struct pg_error *e)
{
    char sql[200];
    struct pg_error ignored;
    *out = (struct train_set){0};
    int code = prepare(spec, out, e);
    if (code != ERR_OK)
        return code;
    snprintf(sql, sizeof sql,
             "declare training no scroll cursor for select ts, variant_id, propensity, value, fold, inputs"
             " from cohort.training_rows(%" PRId64 ", %zu)",
             (int64_t)strtoll(spec->experiment_id, NULL, 10), out->room);
    code = learn_exec(l, "begin read only", 0, NULL, NULL, e);
    if (code == ERR_OK)
        code = learn_exec(l, sql, 0, NULL, NULL, e);
    if (code == ERR_OK)
        code = take_rows(l, spec, out, e);
    pg_exec(l->p, "rollback", 0, NULL, NULL, &ignored);
    if (code == ERR_OK)
        code = measure(out);
    return code == ERR_OK ? fill(out, e) : code;
}
