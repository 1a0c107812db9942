/* Checks of bandits, effects after them, and off-policy values. */
#include <math.h>
#include <string.h>

#include "statistics.h"
#include "stats/adaptive.h"
#include "stats/off_policy.h"
#include "stats/thompson.h"

#define ARMS 2

void check_beta_best(struct run *r)
{
    json_t *pair;
    size_t k;
    struct thompson_rate arms[THOMPSON_ARMS];
    double two[MAX_ITEMS], w[THOMPSON_ARMS];
    json_array_foreach(json_object_get(r->input, "posteriors"), k, pair)
    {
        if (k == THOMPSON_ARMS || numbers(r, pair, two) != 2) {
            wrong(r, "not pairs of parameters, or too many");
            return;
        }
        arms[k] = (struct thompson_rate){two[0], two[1]};
    }
    if (!thompson_beta(arms, k, w))
        wrong(r, "refused");
    for (size_t i = 0; i < k; i++)
        same(r, "p", (int)i, w[i]);
}

/* The floor too, to the millionth that shares have. */
void check_gaussian_best(struct run *r)
{
    struct thompson_mean arms[THOMPSON_ARMS];
    double mean[MAX_ITEMS], sd[MAX_ITEMS], w[THOMPSON_ARMS], f = number(r->input, "floor");
    uint32_t ppm[THOMPSON_ARMS];
    size_t k = numbers(r, json_object_get(r->input, "mean"), mean);
    if (numbers(r, json_object_get(r->input, "sd"), sd) != k || k > THOMPSON_ARMS) {
        wrong(r, "means and standard deviations are not as many, or too many");
        return;
    }
    for (size_t i = 0; i < k; i++)
        arms[i] = (struct thompson_mean){mean[i], sd[i]};
    if (!thompson_gaussian(arms, k, w) || !thompson_shares(w, k, (uint32_t)lround(f * THOMPSON_PPM), ppm))
        wrong(r, "refused");
    for (size_t i = 0; i < k; i++) {
        double p = f + (1 - (double)k * f) * w[i];
        same(r, "w", (int)i, w[i]);
        same(r, "p", (int)i, p);
        if (fabs(p * THOMPSON_PPM - ppm[i]) >= 1)
            wrong(r, "a share in parts per million is not the probability");
    }
}

/* A log of one unit a row, in phases of equal probabilities and plug-in means. */
struct log {
    double probs[MAX_ITEMS][ARMS], muhat[MAX_ITEMS][ARMS], rewards[MAX_ITEMS], arms[MAX_ITEMS];
    size_t n;
};

static size_t pairs(struct run *r, const char *key, double out[][ARMS])
{
    json_t *pair;
    size_t i;
    double two[MAX_ITEMS];
    json_array_foreach(json_object_get(r->input, key), i, pair)
    {
        if (i == MAX_ITEMS || numbers(r, pair, two) != ARMS)
            return 0;
        memcpy(out[i], two, sizeof out[i]);
    }
    return i;
}

static bool read_log(struct run *r, struct log *l)
{
    l->n = numbers(r, json_object_get(r->input, "rewards"), l->rewards);
    return numbers(r, json_object_get(r->input, "arms"), l->arms) == l->n &&
           pairs(r, "probs", l->probs) == l->n && pairs(r, "muhat", l->muhat) == l->n;
}

/* The arm's sums, one unit at a time, and the scores of arm 1 on the way. */
static struct adaptive_sums streamed(struct run *r, const struct log *l, int arm)
{
    struct adaptive_sums s = {0};
    for (size_t i = 0; i < l->n; i++) {
        struct adaptive_phase p = {l->probs[i][arm], l->muhat[i][arm]};
        bool in = (int)l->arms[i] == arm;
        adaptive_add(&s, &p, in, l->rewards[i]);
        if (arm == 1)
            same(r, "scores_arm1", (int)i, adaptive_score(&p, in, l->rewards[i]));
    }
    return s;
}

/* The same from the counts of each phase; pairs[] as the difference needs them. */
static struct adaptive_sums from_phases(const struct log *l, int arm, struct adaptive_pair *pairs_out,
                                        size_t *phases)
{
    struct adaptive_sums s = {0};
    *phases = 0;
    for (size_t i = 0, end; i < l->n; i = end) {
        struct arm_sums a = {0};
        struct adaptive_phase p = {l->probs[i][arm], l->muhat[i][arm]};
        double before = s.g;
        for (end = i; end < l->n && l->probs[end][arm] == p.e && l->muhat[end][arm] == p.m; end++)
            if ((int)l->arms[end] == arm) {
                a.n += 1;
                a.sum += l->rewards[end];
                a.sum_sq += l->rewards[end] * l->rewards[end];
            }
        adaptive_add_phase(&s, &p, (double)(end - i), &a);
        struct adaptive_pair *pair = &pairs_out[(*phases)++];
        *(arm ? &pair->e_t : &pair->e_c) = p.e;
        *(arm ? &pair->m_t : &pair->m_c) = p.m;
        *(arm ? &pair->g_t : &pair->g_c) = s.g - before;
        pair->units = (double)(end - i);
    }
    return s;
}

void check_adaptive(struct run *r)
{
    struct log l = {.n = 0};
    struct adaptive_pair phases[MAX_ITEMS] = {{0}};
    struct adaptive_sums sums[ARMS], counted[ARMS];
    size_t k[ARMS];
    if (!read_log(r, &l)) {
        wrong(r, "the log's columns are not as long as each other");
        return;
    }
    for (int arm = 0; arm < ARMS; arm++) {
        sums[arm] = streamed(r, &l, arm);
        counted[arm] = from_phases(&l, arm, phases, &k[arm]);
        struct estimate e = adaptive_mean(&sums[arm]), of_counts = adaptive_mean(&counted[arm]);
        same(r, "aipw_mean", arm, adaptive_aipw(&sums[arm]));
        same(r, "aipw_mean", arm, adaptive_aipw(&counted[arm]));
        same(r, "aw_estimate", arm, e.value);
        same(r, "aw_estimate", arm, of_counts.value);
        same(r, "aw_std_err", arm, sqrt(e.variance));
        same(r, "aw_std_err", arm, sqrt(of_counts.variance));
    }
    if (k[0] != k[1])
        wrong(r, "the arms' phases are not the same");
    struct asympcs_rule rule = {0.05, 1000, ASYMPCS_BOTH};
    same(r, "aw_contrast", -1, adaptive_difference(&counted[1], &counted[0], &rule).estimate);
    same(r, "aw_contrast_std_err", -1,
         sqrt(adaptive_difference_variance(&counted[1], &counted[0], phases, k[0])));
}

void check_mixture(struct run *r)
{
    struct evt_phase phases[MAX_ITEMS];
    json_t *list = json_object_get(r->input, "epochs"), *p;
    size_t n;
    json_array_foreach(list, n, p)
    {
        if (n == MAX_ITEMS)
            break;
        phases[n] = (struct evt_phase){(int64_t)number(p, "treat_events"),
                                       (int64_t)number(p, "control_events"), number(p, "q")};
    }
    /* as the case says in words: -2..2 step 0.1, exp(-0.5*(t/0.7)^2) normalised */
    struct mixture mixture = {2, 0.1, 0.7};
    struct mixture_interval m = mixture_interval_with(phases, n, number(r->input, "alpha"), &mixture);
    same(r, "log_mix", -1, m.ln_mixture);
    same(r, "rr_mle", -1, m.estimate);
    same(r, "rr_ci", 0, m.low);
    same(r, "rr_ci", 1, m.high);
}

/* So few decisions are refused by the product, with its reason; the numbers are those of its sums. */
void check_ips(struct run *r)
{
    double reward[MAX_ITEMS], p[MAX_ITEMS], pi[MAX_ITEMS];
    size_t n = numbers(r, json_object_get(r->input, "reward"), reward);
    struct off_policy_sums s = {0}, many = {0};
    if (numbers(r, json_object_get(r->input, "pscore"), p) != n ||
        numbers(r, json_object_get(r->input, "pi"), pi) != n) {
        wrong(r, "rewards and probabilities are not as many");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct off_policy_unit u = {0};
        off_policy_decide(&u, &(struct off_policy_decision){p[i], pi[i], reward[i], 0, 0, 0});
        off_policy_add(&s, &u);
    }
    struct asympcs_rule rule = {0.05, 1000, ASYMPCS_BOTH};
    struct off_policy_answer a = off_policy_value(&s, &rule);
    same(r, "ess", -1, a.ess);
    if (a.refusal != OFF_POLICY_FEW)
        wrong(r, "an effective sample of less than 100 was not refused");
    for (int i = 0; i < 100; i++) /* the same log a hundred times over has the same values */
        off_policy_merge(&many, &s);
    a = off_policy_value(&many, &rule);
    same(r, "ips", -1, a.ips.estimate);
    same(r, "snips", -1, a.snips.estimate);
}
