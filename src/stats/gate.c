#include "stats/gate.h"

#include <math.h>

/* Totals of one arm over its usable phases; m2 and m3 are sums around each phase's mean. */
struct totals {
    double n, events, amounts, m2, m3;
    bool has_cube, bad;
};

static double third_moment(const struct arm_sums *a)
{
    double mean = a->sum / a->n;
    double s = a->sum_cube - 3 * mean * a->sum_sq + 2 * mean * mean * a->sum;
    double scale = fabs(a->sum_cube) + 3 * fabs(mean) * a->sum_sq + 2 * mean * mean * fabs(a->sum);
    return fabs(s) <= 1e-14 * scale ? 0 : s;
}

static void add_phase(struct totals *t, const struct arm_sums *a)
{
    if (a->n == 0)
        return;
    if (!arm_usable(a, 0) || !isfinite(a->amounts) || (a->has_cube && !isfinite(a->sum_cube))) {
        t->bad = true;
        return;
    }
    t->n += a->n;
    t->events += a->sum;
    t->amounts += a->amounts;
    t->m2 += fmax(0, centred_sum(a->n, a->sum, a->sum, a->sum_sq));
    t->m3 += third_moment(a);
    t->has_cube = t->has_cube && a->has_cube;
}

static struct totals totals_of(const struct arm_sums *arms, size_t phases)
{
    struct totals t = {.has_cube = true};
    for (size_t k = 0; k < phases; k++)
        add_phase(&t, &arms[k]);
    return t;
}

/* |skewness|; 0 without variance. */
static double skew_of(const struct totals *t)
{
    double s = t->m2 > 0 ? fabs(t->m3) / t->m2 / sqrt(t->m2) * sqrt(t->n) : 0;
    return isfinite(s) ? s : 0;
}

static bool falls_short(struct gate *g, enum stat_missing what, double have, double needed)
{
    if (have >= needed)
        return false;
    g->missing = what;
    g->have = fmax(0, have);
    g->needed = ceil(needed);
    return true;
}

static void judge_means(struct gate *g, const struct totals *t, const struct totals *c)
{
    double st = t->has_cube ? skew_of(t) : 0, sc = c->has_cube ? skew_of(c) : 0;
    g->skew = fmax(st, sc);
    if (falls_short(g, STAT_FEW_AMOUNTS, fmin(t->amounts, c->amounts), GATE_AMOUNTS))
        return;
    if (!t->has_cube || !c->has_cube)
        g->missing = STAT_SKEW_UNKNOWN;
    else
        falls_short(g, STAT_SKEWED, fmin(t->n, c->n), GATE_SKEW * g->skew * g->skew);
}

static void judge_proportions(struct gate *g, const struct totals *t, const struct totals *c)
{
    double with = fmin(t->events, c->events), rest = fmin(t->n - t->events, c->n - c->events);
    falls_short(g, STAT_FEW_EVENTS, fmin(with, rest), GATE_EVENTS);
}

struct gate gate_judge(enum across_kind kind, const struct arm_sums *treatment,
                       const struct arm_sums *control, size_t phases)
{
    struct gate g = {0};
    struct totals t = totals_of(treatment, phases), c = totals_of(control, phases);
    if (t.bad || c.bad)
        g.missing = STAT_BAD_SUMS;
    else if (!(t.n > 0) || !(c.n > 0))
        falls_short(&g, STAT_NO_UNITS, fmin(t.n, c.n), 1);
    else if (kind == ACROSS_PROPORTION)
        judge_proportions(&g, &t, &c);
    else
        judge_means(&g, &t, &c);
    if (isnan(g.have) || !isfinite(g.needed))
        g = (struct gate){.missing = STAT_BAD_SUMS};
    g.open = g.missing == STAT_COMPLETE;
    return g;
}
