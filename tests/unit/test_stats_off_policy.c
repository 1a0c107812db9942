/* Off-policy values: against loops over the log, what must hold of any log, and each refusal. */
#include <math.h>
#include <stdlib.h>

#include "stats/off_policy.h"
#include "suite.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define ACTIONS 3
#define DECISIONS 2000

static const struct asympcs_rule rule = {0.05, 2000, ASYMPCS_BOTH};

static void near(double got, double want, double rel)
{
    ck_assert_msg(fabs(got - want) <= rel * fmax(1e-9, fabs(want)), "%.17g is not %.17g", got, want);
}

static double uniform(unsigned *seed)
{
    return rand_r(seed) / (RAND_MAX + 1.0);
}

/* The mean reward of an action; a model that is off by a tenth. */
static const double truth[ACTIONS] = {0.1, 0.3, 0.6}, model[ACTIONS] = {0.2, 0.25, 0.65};
static const double logged[ACTIONS] = {0.5, 0.3, 0.2}, policy[ACTIONS] = {0.1, 0.2, 0.7};

static void draw(struct off_policy_decision *d, size_t n, bool modelled, unsigned seed)
{
    for (size_t i = 0; i < n; i++) {
        double u = uniform(&seed);
        int a = u < logged[0] ? 0 : u < logged[0] + logged[1] ? 1 : 2;
        d[i] = (struct off_policy_decision){
            .logged = logged[a], .policy = policy[a], .reward = uniform(&seed) < truth[a]};
        if (!modelled)
            continue;
        d[i].predicted = model[a];
        for (int b = 0; b < ACTIONS; b++)
            d[i].value += policy[b] * model[b];
    }
}

/* `each` decisions to a unit. */
static struct off_policy_sums sums_of(const struct off_policy_decision *d, size_t n, size_t each)
{
    struct off_policy_sums s = {0};
    for (size_t i = 0; i < n; i += each) {
        struct off_policy_unit u = {0};
        for (size_t j = i; j < i + each && j < n; j++)
            off_policy_decide(&u, &d[j]);
        off_policy_add(&s, &u);
    }
    return s;
}

START_TEST(against_the_log)
{
    static struct off_policy_decision d[DECISIONS];
    draw(d, DECISIONS, true, 1);
    struct off_policy_sums s = sums_of(d, DECISIONS, 1);
    struct off_policy_answer a = off_policy_value(&s, &rule);
    double w = 0, ww = 0, wy = 0, dr = 0, n = DECISIONS;
    for (size_t i = 0; i < DECISIONS; i++) {
        double one = d[i].policy / d[i].logged;
        w += one;
        ww += one * one;
        wy += one * d[i].reward;
        dr += d[i].value + one * (d[i].reward - d[i].predicted);
    }
    ck_assert_int_eq(a.refusal, OFF_POLICY_ANSWERED);
    near(a.ips.estimate, wy / n, 1e-12);
    near(a.snips.estimate, wy / w, 1e-12);
    near(a.dr.estimate, dr / n, 1e-12);
    near(a.ess, w * w / ww, 1e-12);
    near(a.mean_weight, w / n, 1e-12);
    double vi = 0, vs = 0, vd = 0;
    for (size_t i = 0; i < DECISIONS; i++) {
        double one = d[i].policy / d[i].logged, score = d[i].value + one * (d[i].reward - d[i].predicted);
        vi += pow(one * d[i].reward - wy / n, 2);
        vs += pow(one * (d[i].reward - wy / w), 2);
        vd += pow(score - dr / n, 2);
    }
    near(a.ips.std_error, sqrt(vi / n / (n - 1)), 1e-9);
    near(a.snips.std_error, sqrt(vs * n / (n - 1)) / w, 1e-9);
    near(a.dr.std_error, sqrt(vd / n / (n - 1)), 1e-9);
}
END_TEST

START_TEST(the_value_is_found)
{
    static struct off_policy_decision d[DECISIONS];
    double value = 0;
    for (int a = 0; a < ACTIONS; a++)
        value += policy[a] * truth[a];
    for (unsigned seed = 10; seed < 40; seed++) {
        draw(d, DECISIONS, true, seed);
        struct off_policy_sums s = sums_of(d, DECISIONS, 1);
        struct off_policy_answer a = off_policy_value(&s, &rule);
        ck_assert(a.ips.low <= value && value <= a.ips.high);
        ck_assert(a.snips.low <= value && value <= a.snips.high);
        ck_assert(a.dr.low <= value && value <= a.dr.high);
        ck_assert_double_lt(a.dr.std_error, a.ips.std_error);
        ck_assert_double_gt(a.lift.low, 0); /* .51 against .26 */
    }
}
END_TEST

START_TEST(the_logged_policy_is_worth_what_it_earned)
{
    static struct off_policy_decision d[DECISIONS];
    double earned = 0;
    draw(d, DECISIONS, false, 2);
    for (size_t i = 0; i < DECISIONS; i++) {
        d[i].policy = d[i].logged;
        earned += d[i].reward / DECISIONS;
    }
    struct off_policy_sums s = sums_of(d, DECISIONS, 1);
    struct off_policy_answer a = off_policy_value(&s, &rule);
    near(a.ips.estimate, earned, 1e-12);
    near(a.snips.estimate, earned, 1e-12);
    near(a.dr.estimate, earned, 1e-12);
    near(a.logged, earned, 1e-12);
    near(a.ess, DECISIONS, 1e-12);
    ck_assert(!a.lift.answered && fabs(a.lift.estimate) < 1e-12);
}
END_TEST

START_TEST(units_count_once)
{
    static struct off_policy_decision d[DECISIONS];
    draw(d, DECISIONS / 2, true, 3);
    struct off_policy_sums once = sums_of(d, DECISIONS / 2, 1), twice = {0};
    for (size_t i = 0; i < DECISIONS / 2; i++) {
        struct off_policy_unit u = {0};
        off_policy_decide(&u, &d[i]);
        off_policy_decide(&u, &d[i]);
        off_policy_add(&twice, &u);
    }
    struct off_policy_answer a = off_policy_value(&once, &rule), b = off_policy_value(&twice, &rule);
    near(b.ips.estimate, a.ips.estimate, 1e-12);
    near(b.ips.std_error, a.ips.std_error, 1e-9);
    near(b.snips.std_error, a.snips.std_error, 1e-9);
    near(b.dr.std_error, a.dr.std_error, 1e-9);
    near(b.lift.std_error, a.lift.std_error, 1e-9);
    near(b.ess, a.ess, 1e-9); /* of units */
}
END_TEST

START_TEST(sums_merge)
{
    static struct off_policy_decision d[DECISIONS];
    draw(d, DECISIONS, true, 4);
    struct off_policy_sums all = sums_of(d, DECISIONS, 4), first = sums_of(d, 800, 4);
    struct off_policy_sums rest = sums_of(d + 800, DECISIONS - 800, 4);
    off_policy_merge(&first, &rest);
    struct off_policy_answer a = off_policy_value(&all, &rule), b = off_policy_value(&first, &rule);
    near(b.dr.low, a.dr.low, 1e-9);
    near(b.snips.high, a.snips.high, 1e-9);
    near(b.lift.std_error, a.lift.std_error, 1e-9);
    near(b.ess, a.ess, 1e-9);
}
END_TEST

START_TEST(refusals)
{
    static struct off_policy_decision d[DECISIONS];
    struct off_policy_sums s = {0};
    ck_assert_int_eq(off_policy_value(&s, &rule).refusal, OFF_POLICY_NO_DECISIONS);
    draw(d, DECISIONS, false, 5);
    s = sums_of(d, 120, 1);
    struct off_policy_answer a = off_policy_value(&s, &rule);
    ck_assert_int_eq(a.refusal, OFF_POLICY_FEW);
    ck_assert(a.have == a.ess && a.ess < 100 && a.needed == 100 && !a.ips.answered);
    near(a.more, ceil(120 * (100 / a.ess - 1)), 1e-12);
    for (size_t i = 0; i < DECISIONS; i++)
        d[i].policy = 0; /* never what the log did */
    s = sums_of(d, DECISIONS, 1);
    a = off_policy_value(&s, &rule);
    ck_assert(a.refusal == OFF_POLICY_FEW && a.ess == 0 && isinf(a.more));
    draw(d, DECISIONS, false, 6);
    d[7].uncovered = 0.25;
    d[9].uncovered = 0.75;
    s = sums_of(d, DECISIONS, 1);
    a = off_policy_value(&s, &rule);
    ck_assert_int_eq(a.refusal, OFF_POLICY_UNCOVERED);
    ck_assert(a.have == 2 && !a.snips.answered);
    near(a.uncovered, 1.0 / DECISIONS, 1e-12);
    for (size_t i = 0; i < DECISIONS; i++)
        d[i] = (struct off_policy_decision){.logged = 0.5, .policy = 0.5, .reward = 1};
    s = sums_of(d, DECISIONS, 1);
    a = off_policy_value(&s, &rule);
    ck_assert(a.refusal == OFF_POLICY_NO_VARIANCE && a.ips.estimate == 1 && !a.ips.answered);
    for (int r = OFF_POLICY_NO_DECISIONS; r <= OFF_POLICY_NO_VARIANCE; r++)
        ck_assert(off_policy_words((enum off_policy_refusal)r)[0]);
}
END_TEST

START_TEST(decisions_that_are_none)
{
    static const struct off_policy_decision bad[] = {{.logged = 0, .policy = 0.5},
                                                     {.logged = -1, .policy = 0.5},
                                                     {.logged = 1.1, .policy = 0.5},
                                                     {.logged = NAN, .policy = 0.5},
                                                     {.logged = 0.5, .policy = -0.1},
                                                     {.logged = 0.5, .policy = 1.5},
                                                     {.logged = 0.5, .policy = NAN},
                                                     {.logged = 0.5, .policy = 0.5, .reward = NAN},
                                                     {.logged = 0.5, .policy = 0.5, .value = INFINITY},
                                                     {.logged = 0.5, .policy = 0.5, .uncovered = -1}};
    static struct off_policy_decision d[DECISIONS];
    for (size_t i = 0; i < COUNT(bad); i++) {
        draw(d, DECISIONS, false, 7);
        d[3] = bad[i];
        struct off_policy_sums s = sums_of(d, DECISIONS, 1);
        struct off_policy_answer a = off_policy_value(&s, &rule);
        ck_assert_int_eq(a.refusal, OFF_POLICY_BAD_DECISIONS);
        ck_assert(a.have == 1 && !a.ips.answered);
    }
}
END_TEST

START_TEST(what_the_log_can_not_tell)
{
    double p[] = {0.5, 0.5, 0, 0}, pi[] = {0.2, 0.3, 0.5, 0};
    near(off_policy_uncovered(p, pi, 4), 0.5, 1e-12);
    ck_assert(off_policy_uncovered(p, pi, 2) == 0 && off_policy_uncovered(p, pi, 0) == 0);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("off-policy");
    tcase_add_test(tc, against_the_log);
    tcase_add_test(tc, the_value_is_found);
    tcase_add_test(tc, the_logged_policy_is_worth_what_it_earned);
    tcase_add_test(tc, units_count_once);
    tcase_add_test(tc, sums_merge);
    tcase_add_test(tc, refusals);
    tcase_add_test(tc, decisions_that_are_none);
    tcase_add_test(tc, what_the_log_can_not_tell);
    return run_case("off-policy", tc);
}
