/* Checks of the anytime-valid tests: EVT, SRM, histogram tilt, e-BH, drift. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "statistics.h"
#include "stats/drift.h"
#include "stats/evt.h"
#include "stats/multiplicity.h"
#include "stats/srm.h"
#include "stats/tilt.h"

static int down(struct run *r)
{
    const char *harm = json_string_value(json_object_get(r->input, "harm"));
    return harm && strcmp(harm, "down") == 0;
}

static size_t evt_phases(struct run *r, struct evt_phase *out)
{
    json_t *list = json_object_get(r->input, "phases"), *p;
    size_t i;
    if (json_array_size(list) > MAX_ITEMS)
        wrong(r, "more phases than this program takes");
    json_array_foreach(list, i, p)
    {
        if (i == MAX_ITEMS)
            break;
        out[i] =
            (struct evt_phase){(int64_t)number(p, "treat"), (int64_t)number(p, "control"), number(p, "q")};
    }
    return i;
}

void check_evt_log_e(struct run *r)
{
    struct evt_phase phases[MAX_ITEMS];
    size_t n = evt_phases(r, phases);
    same(r, "log_e", -1, evt_log_e(phases, n, number(r->input, "r0"), down(r) ? EVT_DOWN : EVT_UP));
}

void check_evt_rr_bounds(struct run *r)
{
    struct evt_phase phases[MAX_ITEMS];
    size_t n = evt_phases(r, phases);
    double threshold = -log(number(r->input, "alpha"));
    same(r, "lower", -1, evt_rr_lower(phases, n, threshold, 1));
    same(r, "upper", -1, evt_rr_upper(phases, n, threshold, 1));
}

/* Batch by batch: E is that of the totals, p the smallest 1/E so far. */
void check_dirichlet_multinomial(struct run *r)
{
    json_t *batch;
    size_t b;
    int64_t total[MAX_ITEMS] = {0}, one[MAX_ITEMS];
    double p0[MAX_ITEMS], alpha[MAX_ITEMS], c = 0, ln_e = 0, p = 1;
    size_t k = numbers(r, json_object_get(r->input, "p0"), p0);
    size_t of_c = numbers(r, json_object_get(r->input, "alpha_vector"), alpha);
    for (size_t i = 0; i < of_c; i++)
        c += alpha[i];
    json_array_foreach(json_object_get(r->input, "batches"), b, batch)
    {
        if (counts(r, batch, one) != k)
            wrong(r, "a batch does not have as many counts as p0");
        for (size_t i = 0; i < k; i++)
            total[i] += one[i];
        ln_e = srm_log_e_at(total, p0, k, c);
        p = fmin(p, exp(-ln_e));
    }
    same(r, "log_e", -1, ln_e);
    same_if(r, "sequential_p_value_final", -1, p);
}

void check_tilt(struct run *r)
{
    static const double grid[TILT_GRID] = {0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2};
    int64_t treatment[MAX_ITEMS], control[MAX_ITEMS];
    double psi[MAX_ITEMS], eta[MAX_ITEMS];
    struct tilt t = {0};
    size_t n = counts(r, json_object_get(r->input, "treat_counts"), treatment);
    if (counts(r, json_object_get(r->input, "control_counts"), control) != n ||
        numbers(r, json_object_get(r->input, "psi"), psi) != n)
        wrong(r, "counts and scores are not as many");
    if (numbers(r, json_object_get(r->input, "eta"), eta) != TILT_GRID || memcmp(eta, grid, sizeof grid) != 0)
        wrong(r, "another grid than the product's");
    for (size_t i = 0; i < n && !r->wrong; i++)
        tilt_add(&t, number(r->input, "alloc_treat"), psi[i], treatment[i], control[i]);
    same(r, "log_e", -1, tilt_log_e(&t, down(r) ? TILT_DOWN : TILT_UP));
}

void check_ebh(struct run *r)
{
    json_t *want = json_object_get(r->expected, "rejected");
    size_t listed = 0;
    double e[MAX_ITEMS];
    bool rejected[MAX_ITEMS];
    size_t k = numbers(r, json_object_get(r->input, "e"), e);
    for (size_t i = 0; i < k; i++)
        e[i] = log(e[i]);
    size_t hits = ebh(e, k, number(r->input, "alpha"), rejected);
    r->compared++;
    for (size_t i = 0; i < k; i++)
        if (rejected[i])
            same(r, "rejected", (int)listed++, (double)i);
    if (!json_is_array(want) || listed != hits || hits != json_array_size(want))
        wrong(r, "another number of rejections");
}

void check_drift(struct run *r)
{
    json_t *v;
    size_t i;
    struct drift d;
    drift_init(&d, number(r->input, "p0"), DRIFT_UP);
    json_array_foreach(json_object_get(r->input, "x"), i, v)
    {
        if (json_number_value(v) != 0)
            drift_event(&d);
        else
            drift_quiet(&d, 1);
        same(r, "path", (int)i, exp(drift_ln_m(&d)));
    }
}
