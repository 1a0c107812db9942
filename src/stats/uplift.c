#include "stats/uplift.h"

#include <math.h>

#include "stats/gate.h"
#include "stats/multiplicity.h"

static bool two_sided(const struct asympcs_rule *rule)
{
    return rule->side == ASYMPCS_BOTH && rule->alpha > 0 && rule->alpha < 1;
}

static double units_of(const struct segment *s, size_t phases)
{
    double n = 0;
    for (size_t p = 0; p < phases; p++)
        n += fmax(0, s->treatment[p].n) + fmax(0, s->control[p].n);
    return isfinite(n) ? n : 0;
}

static void fill(struct uplift *u, const struct contrast *c, const struct asympcs *cs)
{
    u->answered = true;
    u->treatment = c->treatment;
    u->control = c->control;
    u->effect = cs->estimate;
    u->std_error = cs->std_error;
    u->low = cs->low;
    u->high = cs->high;
    u->p = cs->p;
    u->ln_e = cs->ln_e;
}

static struct uplift judge(enum across_kind kind, const struct segment *s, size_t phases,
                           const struct asympcs_rule *rule)
{
    struct uplift u = {.units = units_of(s, phases), .low = -INFINITY, .high = INFINITY, .p = 1};
    struct gate g = gate_judge(kind, s->treatment, s->control, phases);
    struct across a = across_phases(kind, s->treatment, s->control, phases);
    struct estimate d = contrast_difference(&a.arms);
    struct asympcs cs = asympcs_interval(&d, rule);
    u.missing = !g.open ? g.missing : cs.missing;
    u.have = g.open ? 0 : g.have;
    u.needed = g.open ? 0 : g.needed;
    if (!g.open || !cs.answered)
        return u;
    fill(&u, &a.arms, &cs);
    return u;
}

static double evidence(const void *list, size_t i)
{
    const struct uplift *u = (const struct uplift *)list + i;
    return u->answered ? u->ln_e : -INFINITY;
}

static size_t reject(struct uplift *out, size_t k, double alpha)
{
    double threshold = ebh_threshold(evidence, out, k, alpha);
    size_t hits = 0;
    for (size_t i = 0; i < k; i++)
        hits += out[i].rejected = evidence(out, i) >= threshold;
    return hits;
}

size_t uplift_segments(enum across_kind kind, const struct segment *segments, size_t k, size_t phases,
                       const struct asympcs_rule *rule, struct uplift *out)
{
    bool known = (kind == ACROSS_PROPORTION || kind == ACROSS_MEAN) && two_sided(rule);
    for (size_t i = 0; i < k; i++)
        out[i] = known
                     ? judge(kind, &segments[i], phases, rule)
                     : (struct uplift){.missing = STAT_BAD_RULE, .low = -INFINITY, .high = INFINITY, .p = 1};
    return reject(out, k, rule->alpha);
}

void uplift_add(struct uplift_sums *s, double x, double y)
{
    double xx = x * x;
    s->n += 1;
    s->x += x;
    s->xx += xx;
    s->xxx += xx * x;
    s->xxxx += xx * xx;
    s->y += y;
    s->xy += x * y;
    s->xxy += xx * y;
    s->xxxy += xx * x * y;
    s->yy += y * y;
    s->xyy += x * y * y;
    s->xxyy += xx * y * y;
}

/* Moments around (x̄, ȳ), from sums that are divided by n first: d, e stand for x - x̄ and y - ȳ. */
struct moments {
    double dd, ddd, dddd, de, dde, ddde, ddee;
};

static struct moments centred(const struct uplift_sums *s)
{
    double n = s->n, x = s->x / n, y = s->y / n, xx = s->xx / n, xxx = s->xxx / n, xy = s->xy / n;
    double xxy = s->xxy / n, yy = s->yy / n, xyy = s->xyy / n;
    struct moments m;
    m.dd = xx - x * x;
    m.ddd = xxx - 3 * x * xx + 2 * x * x * x;
    m.dddd = s->xxxx / n - 4 * x * xxx + 6 * x * x * xx - 3 * x * x * x * x;
    m.de = xy - x * y;
    m.dde = xxy - 2 * x * xy + x * x * y - y * m.dd;
    m.ddde = s->xxxy / n - 3 * x * xxy + 3 * x * x * xy - x * x * x * y - y * m.ddd;
    m.ddee = s->xxyy / n - 2 * x * xyy + x * x * yy - 2 * y * (xxy - 2 * x * xy + x * x * y) + y * y * m.dd;
    return m;
}

/* An arm's slope with White's variance. */
static struct estimate slope_of(const struct uplift_sums *s)
{
    if (!(s->n >= INTERACTION_UNITS))
        return estimate_without(STAT_NO_UNITS);
    struct moments m = centred(s);
    if (!isfinite(m.dd) || !isfinite(m.dddd) || !isfinite(m.ddee))
        return estimate_without(STAT_BAD_SUMS);
    if (!(m.dd > 1e-12 * (s->xx / s->n)))
        return estimate_without(STAT_NO_VARIANCE);
    double slope = m.de / m.dd;
    double meat = m.ddee - 2 * slope * m.ddde + slope * slope * m.dddd;
    double variance = meat / m.dd / m.dd / (s->n - 2);
    if (!isfinite(slope) || !isfinite(variance))
        return estimate_without(STAT_BAD_SUMS);
    return (struct estimate){
        .answered = true, .value = slope, .variance = meat > 1e-12 * m.ddee ? variance : 0, .n = s->n};
}

/* Phases answered, weighted by their units: two passes, for n first. */
static struct contrast slopes_of(const struct uplift_sums *treatment, const struct uplift_sums *control,
                                 size_t phases)
{
    struct contrast total = contrast_without(STAT_NO_UNITS);
    for (size_t k = 0; k < phases; k++) {
        struct estimate t = slope_of(&treatment[k]), c = slope_of(&control[k]);
        if (t.answered && c.answered)
            total.n += t.n + c.n;
        else
            total.missing = t.answered ? c.missing : t.missing;
    }
    if (!(total.n > 0))
        return total;
    total.answered = true;
    total.missing = STAT_COMPLETE;
    for (size_t k = 0; k < phases; k++) {
        struct estimate t = slope_of(&treatment[k]), c = slope_of(&control[k]);
        double w = t.answered && c.answered ? (t.n + c.n) / total.n : 0;
        total.treatment += w * t.value;
        total.control += w * c.value;
        total.var_treatment += w * w * t.variance;
        total.var_control += w * w * c.variance;
    }
    return total;
}

static struct uplift interact(const struct uplift_sums *treatment, const struct uplift_sums *control,
                              size_t phases, const struct asympcs_rule *rule)
{
    struct uplift i = {.low = -INFINITY, .high = INFINITY, .p = 1};
    struct contrast c = slopes_of(treatment, control, phases);
    struct estimate d = contrast_difference(&c);
    struct asympcs cs = asympcs_interval(&d, rule);
    i.units = c.n;
    i.missing = two_sided(rule) ? cs.missing : STAT_BAD_RULE;
    if (i.missing != STAT_COMPLETE)
        return i;
    fill(&i, &c, &cs);
    return i;
}

size_t uplift_interactions(const struct uplift_sums *treatment, const struct uplift_sums *control,
                           size_t features, size_t phases, const struct asympcs_rule *rule,
                           struct uplift *out)
{
    for (size_t f = 0; f < features; f++)
        out[f] = interact(treatment + f * phases, control + f * phases, phases, rule);
    return reject(out, features, rule->alpha);
}
