#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats/evt.h"
#include "stats/srm.h"
#include "store/results_private.h"

#define MILLIONTHS 1e6

static const char variants_sql[] =
    "select v.id, v.key, v.is_control, v.dropped from cohort.result_variants($1) v"
    " order by v.is_control desc, v.place, v.id";
static const char metrics_sql[] =
    "select m.id, m.version, m.key, m.kind, m.direction_good, m.window_end_s, m.quantile, m.cuped_days,"
    " m.role from cohort.result_metrics($1) m order by m.role = 'primary' desc nulls last, m.id";
static const char cells_sql[] =
    "select metric_id, segment, phase_id, variant_id, phase, share_ppm, exposed, segment_attribute,"
    " segment_value, units, amounts, event_units, sum, sum_sq, sum_cu, x_sum, x_sum_sq, xy_sum, den_sum,"
    " den_sum_sq, cross_sum, buckets from cohort.report_cells($1)";
static const char srm_sql[] = "select s.phase_id, s.variant_id, s.share, s.units from cohort.srm_cells($1) s"
                              " where not s.dropped order by s.phase_id, s.variant_id";

enum cell_column {
    METRIC,
    SEGMENT,
    PHASE,
    VARIANT,
    PHASE_NUMBER,
    SHARE,
    EXPOSED,
    ATTRIBUTE,
    VALUE,
    UNITS,
    AMOUNTS,
    EVENT_UNITS,
    SUM,
    SUM_SQ,
    SUM_CU,
    X_SUM,
    X_SUM_SQ,
    XY_SUM,
    DEN_SUM,
    DEN_SUM_SQ,
    CROSS_SUM,
    BUCKETS
};

static int64_t int_at(const PGresult *r, size_t row, int column)
{
    return strtoll(PQgetvalue(r, (int)row, column), NULL, 10);
}

static double number_at(const PGresult *r, size_t row, int column)
{
    return strtod(PQgetvalue(r, (int)row, column), NULL);
}

static bool true_at(const PGresult *r, size_t row, int column)
{
    return PQgetvalue(r, (int)row, column)[0] == 't';
}

static int read_variants(struct result_input *in, const PGresult *r)
{
    in->n_variants = (size_t)PQntuples(r);
    in->variants = calloc(in->n_variants + 1, sizeof *in->variants);
    for (size_t i = 0; in->variants && i < in->n_variants; i++)
        in->variants[i] = (struct result_variant){int_at(r, i, 0), PQgetvalue(r, (int)i, 1), true_at(r, i, 2),
                                                  true_at(r, i, 3)};
    return in->variants ? ERR_OK : ERR_NOMEM;
}

static enum report_kind kind_of(const char *kind)
{
    static const char *const names[] = {"binary", "count", "mean", "ratio", "quantile"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(kind, names[i]) == 0)
            return (enum report_kind)i;
    return REPORT_MEAN;
}

static int read_metrics(struct result_input *in, const PGresult *r)
{
    in->n_metrics = (size_t)PQntuples(r);
    in->metrics = calloc(in->n_metrics + 1, sizeof *in->metrics);
    for (size_t i = 0; in->metrics && i < in->n_metrics; i++) {
        struct result_metric *m = &in->metrics[i];
        m->id = int_at(r, i, 0);
        m->version = int_at(r, i, 1);
        m->key = PQgetvalue(r, (int)i, 2);
        m->kind = PQgetvalue(r, (int)i, 3);
        m->direction_good = PQgetvalue(r, (int)i, 4);
        m->matures = !PQgetisnull(r, (int)i, 5);
        m->primary = strcmp(PQgetvalue(r, (int)i, 8), "primary") == 0;
        m->rule = (struct report_rule){.kind = kind_of(m->kind),
                                       .alpha = RESULTS_ALPHA,
                                       .n_star = in->n_star,
                                       .quantile = number_at(r, i, 6),
                                       .cuped = int_at(r, i, 7) > 0};
    }
    return in->metrics ? ERR_OK : ERR_NOMEM;
}

static int by_bucket(const void *a, const void *b)
{
    int x = ((const struct bucket_count *)a)->bucket, y = ((const struct bucket_count *)b)->bucket;
    return (x > y) - (x < y);
}

/* Sparse: the units that are in no bucket have y = 0, bucket 0. */
static int read_buckets(struct result_cell *c, const char *text)
{
    json_t *doc = json_loads(text, 0, NULL);
    const char *key;
    json_t *units;
    size_t n = 0;
    int64_t rest = (int64_t)c->sums.n;
    c->buckets = calloc(json_object_size(doc) + 1, sizeof *c->buckets);
    if (!c->buckets) {
        json_decref(doc);
        return ERR_NOMEM;
    }
    json_object_foreach(doc, key, units)
    {
        int bucket = (int)strtol(key, NULL, 10);
        if (bucket == 0)
            continue;
        c->buckets[n++] = (struct bucket_count){bucket, json_integer_value(units)};
        rest -= json_integer_value(units);
    }
    json_decref(doc);
    if (rest > 0)
        c->buckets[n++] = (struct bucket_count){0, rest};
    qsort(c->buckets, n, sizeof *c->buckets, by_bucket);
    c->sums.buckets = c->buckets;
    c->sums.bucket_count = n;
    return ERR_OK;
}

static int read_cell(const PGresult *r, size_t i, struct result_cell *c)
{
    c->metric_id = int_at(r, i, METRIC);
    c->segment = int_at(r, i, SEGMENT);
    c->phase_id = int_at(r, i, PHASE);
    c->variant_id = int_at(r, i, VARIANT);
    c->share = number_at(r, i, SHARE);
    c->exposed = int_at(r, i, EXPOSED);
    c->attribute = PQgetvalue(r, (int)i, ATTRIBUTE);
    c->value = PQgetisnull(r, (int)i, VALUE) ? NULL : PQgetvalue(r, (int)i, VALUE);
    c->sums = (struct arm_sums){.n = number_at(r, i, UNITS),
                                .sum = number_at(r, i, SUM),
                                .sum_sq = number_at(r, i, SUM_SQ),
                                .sum_cube = number_at(r, i, SUM_CU),
                                .amounts = number_at(r, i, AMOUNTS),
                                .sum_x = number_at(r, i, X_SUM),
                                .sum_xx = number_at(r, i, X_SUM_SQ),
                                .sum_xy = number_at(r, i, XY_SUM),
                                .sum_d = number_at(r, i, DEN_SUM),
                                .sum_dd = number_at(r, i, DEN_SUM_SQ),
                                .sum_yd = number_at(r, i, CROSS_SUM),
                                .has_cube = !PQgetisnull(r, (int)i, SUM_CU)};
    return read_buckets(c, PQgetvalue(r, (int)i, BUCKETS));
}

static int read_cells(struct result_input *in, const PGresult *r)
{
    int code = ERR_OK;
    in->n_cells = (size_t)PQntuples(r);
    in->cells = calloc(in->n_cells + 1, sizeof *in->cells);
    if (!in->cells)
        return ERR_NOMEM;
    for (size_t i = 0; code == ERR_OK && i < in->n_cells; i++)
        code = read_cell(r, i, &in->cells[i]);
    return code;
}

/* The phases of each metric, out of its cells of all units. */
static int find_phases(struct result_input *in, const PGresult *r)
{
    size_t n = 0;
    in->phases = calloc(in->n_cells + 1, sizeof *in->phases);
    if (!in->phases)
        return ERR_NOMEM;
    for (size_t m = 0; m < in->n_metrics; m++) {
        in->metrics[m].first_phase = n;
        for (size_t i = 0; i < in->n_cells; i++) {
            const struct result_cell *c = &in->cells[i];
            if (c->metric_id != in->metrics[m].id || c->segment != 0)
                continue;
            if (n == in->metrics[m].first_phase || in->phases[n - 1].id != c->phase_id)
                in->phases[n++] =
                    (struct result_phase){.id = c->phase_id, .number = (int)int_at(r, i, PHASE_NUMBER)};
            in->phases[n - 1].units += c->sums.n;
        }
        in->metrics[m].phases = n - in->metrics[m].first_phase;
    }
    return ERR_OK;
}

/* The arm that lacks most of its units, over all phases. */
static void find_short_arm(struct result_input *in, const int64_t *counts, const double *weights, size_t k,
                           size_t n)
{
    double worst = INFINITY;
    for (size_t a = 0, v = 0; v < in->n_variants && a < k; v++) {
        double have = 0, expected = 0;
        if (in->variants[v].dropped)
            continue;
        /* columns are in order of the variant's id */
        size_t column = 0;
        for (size_t o = 0; o < in->n_variants; o++)
            column += !in->variants[o].dropped && in->variants[o].id < in->variants[v].id;
        for (size_t p = 0; p < n; p++) {
            double units = 0, shares = 0;
            for (size_t j = 0; j < k; j++) {
                units += (double)counts[p * k + j];
                shares += weights[p * k + j];
            }
            have += (double)counts[p * k + column];
            expected += shares > 0 ? units * weights[p * k + column] / shares : 0;
        }
        if (expected > 0 && have / expected < worst) {
            worst = have / expected;
            in->srm.arm = in->variants[v].key;
            in->srm.have = have;
            in->srm.expected = expected;
        }
        a++;
    }
}

static int read_srm(struct result_input *in, const PGresult *r)
{
    size_t rows = (size_t)PQntuples(r), k = 0, n;
    for (size_t i = 0; i < in->n_variants; i++)
        k += !in->variants[i].dropped;
    n = k > 0 ? rows / k : 0;
    int64_t *counts = calloc(rows + 1, sizeof *counts);
    double *weights = calloc(rows + 1, sizeof *weights);
    struct srm_phase *phases = calloc(n + 1, sizeof *phases);
    bool good = counts && weights && phases;
    for (size_t i = 0; good && i < rows; i++) {
        weights[i] = number_at(r, i, 2);
        counts[i] = int_at(r, i, 3);
        in->srm.any = in->srm.any || counts[i] > 0;
    }
    for (size_t p = 0; good && p < n; p++)
        phases[p] = (struct srm_phase){&counts[p * k], &weights[p * k]};
    if (good && n > 0 && k > 1) {
        in->srm.ln_e = srm_phases_log_e(phases, n, k);
        in->srm.alarm = in->srm.ln_e >= log(1 / SRM_ALPHA);
        find_short_arm(in, counts, weights, k, n);
    }
    free(counts);
    free(weights);
    free(phases);
    return good ? ERR_OK : ERR_NOMEM;
}

int result_input_read(struct pg *p, struct result_input *in, struct pg_error *e)
{
    static const char *const sql[] = {variants_sql, metrics_sql, cells_sql, srm_sql};
    char id[24];
    const char *const params[] = {id};
    int code = ERR_OK;
    snprintf(id, sizeof id, "%lld", (long long)in->experiment_id);
    for (size_t i = 0; code == ERR_OK && i < 4; i++)
        code = pg_exec(p, sql[i], 1, params, &in->rows[i], e);
    if (code != ERR_OK)
        return code;
    code = read_variants(in, in->rows[0]);
    if (code == ERR_OK)
        code = read_metrics(in, in->rows[1]);
    if (code == ERR_OK)
        code = read_cells(in, in->rows[2]);
    if (code == ERR_OK)
        code = find_phases(in, in->rows[2]);
    if (code == ERR_OK)
        code = read_srm(in, in->rows[3]);
    return code == ERR_OK ? ERR_OK : error_set(&e->error, code, NULL, "out of memory");
}

void result_input_free(struct result_input *in)
{
    for (size_t i = 0; in->cells && i < in->n_cells; i++)
        free(in->cells[i].buckets);
    free(in->cells);
    free(in->phases);
    free(in->metrics);
    free(in->variants);
    for (size_t i = 0; i < 4; i++)
        PQclear(in->rows[i]);
}

static int compare_cells(const void *x, const void *y)
{
    const struct result_cell *a = x, *b = y;
    if (a->metric_id != b->metric_id)
        return a->metric_id < b->metric_id ? -1 : 1;
    if (a->segment != b->segment)
        return a->segment < b->segment ? -1 : 1;
    if (a->phase_id != b->phase_id)
        return a->phase_id < b->phase_id ? -1 : 1;
    return (a->variant_id > b->variant_id) - (a->variant_id < b->variant_id);
}

const struct result_cell *result_cell_find(const struct result_input *in, int64_t metric, int64_t segment,
                                           int64_t phase, int64_t variant)
{
    struct result_cell key = {
        .metric_id = metric, .segment = segment, .phase_id = phase, .variant_id = variant};
    return bsearch(&key, in->cells, in->n_cells, sizeof key, compare_cells);
}

const struct result_variant *result_control(const struct result_input *in)
{
    for (size_t i = 0; i < in->n_variants; i++)
        if (in->variants[i].control)
            return &in->variants[i];
    return NULL;
}

void result_arms(const struct result_input *in, const struct result_metric *m, int64_t segment,
                 int64_t treatment, int64_t control, struct arm_sums *t, struct arm_sums *c, double *q)
{
    for (size_t k = 0; k < m->phases; k++) {
        int64_t phase = in->phases[m->first_phase + k].id;
        const struct result_cell *a = result_cell_find(in, m->id, segment, phase, treatment),
                                 *b = result_cell_find(in, m->id, segment, phase, control);
        t[k] = a ? a->sums : (struct arm_sums){.has_cube = true};
        c[k] = b ? b->sums : (struct arm_sums){.has_cube = true};
        q[k] = a && b ? evt_q(a->share, b->share) : 0;
    }
}
