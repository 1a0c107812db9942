#include "stats/off_policy.h"

#include <math.h>

double off_policy_uncovered(const double *logged, const double *policy, size_t k)
{
    double sum = 0;
    for (size_t i = 0; i < k; i++)
        if (!(logged[i] > 0) && policy[i] > 0)
            sum += policy[i];
    return sum;
}

void off_policy_decide(struct off_policy_unit *u, const struct off_policy_decision *d)
{
    bool sane = d->logged > 0 && d->logged <= 1 && d->policy >= 0 && d->policy <= 1 && d->uncovered >= 0 &&
                isfinite(d->reward) && isfinite(d->predicted) && isfinite(d->value);
    if (!sane) {
        u->bad++;
        return;
    }
    double w = d->policy / d->logged;
    u->n++;
    u->w += w;
    u->ww += w * w;
    u->wy += w * d->reward;
    u->d += d->value + w * (d->reward - d->predicted);
    u->y += d->reward;
    u->uncovered += d->uncovered;
    u->uncovered_n += d->uncovered > 0;
}

void off_policy_add(struct off_policy_sums *s, const struct off_policy_unit *u)
{
    double lift = u->d - u->y;
    s->bad += u->bad;
    if (!(u->n > 0))
        return;
    s->units++;
    s->n += u->n;
    s->w += u->w;
    s->ww += u->ww;
    s->wy += u->wy;
    s->d += u->d;
    s->nn += u->n * u->n;
    s->w_w += u->w * u->w;
    s->wy_wy += u->wy * u->wy;
    s->dd += u->d * u->d;
    s->n_wy += u->n * u->wy;
    s->w_wy += u->w * u->wy;
    s->n_d += u->n * u->d;
    s->y += u->y;
    s->l_l += lift * lift;
    s->n_l += u->n * lift;
    s->uncovered += u->uncovered;
    s->uncovered_n += u->uncovered_n;
}

void off_policy_merge(struct off_policy_sums *s, const struct off_policy_sums *other)
{
    s->bad += other->bad;
    s->units += other->units;
    s->n += other->n;
    s->w += other->w;
    s->ww += other->ww;
    s->wy += other->wy;
    s->d += other->d;
    s->nn += other->nn;
    s->w_w += other->w_w;
    s->wy_wy += other->wy_wy;
    s->dd += other->dd;
    s->n_wy += other->n_wy;
    s->w_wy += other->w_wy;
    s->n_d += other->n_d;
    s->y += other->y;
    s->l_l += other->l_l;
    s->n_l += other->n_l;
    s->uncovered += other->uncovered;
    s->uncovered_n += other->uncovered_n;
}

const char *off_policy_words(enum off_policy_refusal refusal)
{
    switch (refusal) {
    case OFF_POLICY_ANSWERED:
        return "";
    case OFF_POLICY_NO_DECISIONS:
        return "there are no decisions with a matured reward";
    case OFF_POLICY_BAD_DECISIONS:
        return "there are decisions whose propensity or reward is not a number it can be";
    case OFF_POLICY_UNCOVERED:
        return "the policy takes choices that had probability 0 when they were logged";
    case OFF_POLICY_FEW:
        return "the effective sample size is below 100";
    case OFF_POLICY_NO_VARIANCE:
        return "all scores are the same";
    }
    return "";
}

/* The ratio Σa / Σb over units, with Σ (a - ratio b)² / (Σb)² as its variance. */
static struct estimate ratio_of(double units, double a, double b, double aa, double ab, double bb)
{
    if (!(units > 1) || !(b > 0))
        return estimate_without(STAT_NO_UNITS);
    double value = a / b, squares = aa - 2 * value * ab + value * value * bb;
    double variance = squares / b / b * (units / (units - 1));
    if (!isfinite(value) || !isfinite(variance))
        return estimate_without(STAT_BAD_SUMS);
    return (struct estimate){
        .answered = true, .value = value, .variance = squares > 1e-14 * aa ? variance : 0, .n = units};
}

static struct off_policy_answer refuse(struct off_policy_answer a, enum off_policy_refusal refusal,
                                       double have, double needed)
{
    a.refusal = refusal;
    a.have = have;
    a.needed = needed;
    a.ips = a.snips = a.dr = a.lift = asympcs_without(STAT_NO_UNITS, NULL);
    return a;
}

/* Σw²: of decisions or of units, whichever tells of fewer. */
static double effective(const struct off_policy_sums *s)
{
    double squares = fmax(s->ww, s->w_w);
    return squares > 0 ? s->w * s->w / squares : 0;
}

struct off_policy_answer off_policy_value(const struct off_policy_sums *s, const struct asympcs_rule *rule)
{
    struct off_policy_answer a = {0};
    if (s->bad > 0)
        return refuse(a, OFF_POLICY_BAD_DECISIONS, s->bad, 0);
    if (!(s->n > 0))
        return refuse(a, OFF_POLICY_NO_DECISIONS, 0, 1);
    a.ess = effective(s);
    a.mean_weight = s->w / s->n;
    a.uncovered = s->uncovered / s->n;
    a.logged = s->y / s->n;
    if (s->uncovered_n > 0)
        return refuse(a, OFF_POLICY_UNCOVERED, s->uncovered_n, 0);
    if (!(a.ess >= OFF_POLICY_ESS)) {
        a.more = a.ess > 0 ? ceil(s->n * (OFF_POLICY_ESS / a.ess - 1)) : INFINITY;
        return refuse(a, OFF_POLICY_FEW, a.ess, OFF_POLICY_ESS);
    }
    struct estimate ips = ratio_of(s->units, s->wy, s->n, s->wy_wy, s->n_wy, s->nn);
    struct estimate snips = ratio_of(s->units, s->wy, s->w, s->wy_wy, s->w_wy, s->w_w);
    struct estimate dr = ratio_of(s->units, s->d, s->n, s->dd, s->n_d, s->nn);
    struct estimate lift = ratio_of(s->units, s->d - s->y, s->n, s->l_l, s->n_l, s->nn);
    a.ips = asympcs_interval(&ips, rule);
    a.snips = asympcs_interval(&snips, rule);
    a.dr = asympcs_interval(&dr, rule);
    a.lift = asympcs_interval(&lift, rule);
    if (!a.ips.answered && a.ips.missing == STAT_NO_VARIANCE)
        a.refusal = OFF_POLICY_NO_VARIANCE;
    return a;
}
