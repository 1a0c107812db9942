/* e-Bonferroni, e-BH, drift, SRM over phases, segment disparity and verdicts: definitions computed another
 * way, and degenerate input. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "stats/drift.h"
#include "stats/multiplicity.h"
#include "stats/segment.h"
#include "stats/verdict.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static void near(double got, double want, double rel)
{
    ck_assert_msg(fabs(got - want) <= rel * fmax(fabs(want), 1e-300), "%.17g is not %.17g", got, want);
}

static void never_nan(double x)
{
    ck_assert(!isnan(x));
}

START_TEST(bonferroni)
{
    near(ebonferroni_threshold(0.05, 0.25), log(80), 1e-14);
    ck_assert(isinf(ebonferroni_threshold(0, 1)) && isinf(ebonferroni_threshold(1, 1)));
    ck_assert(isinf(ebonferroni_threshold(0.05, 0)) && isinf(ebonferroni_threshold(0.05, NAN)));
    ck_assert(isinf(ebonferroni_threshold(0.05, 1.1)) && isinf(ebonferroni_threshold(NAN, 1)));
    double w[] = {1, 3, -2, NAN, INFINITY, 0};
    ck_assert_uint_eq(ebonferroni_normalise(w, COUNT(w)), 2);
    near(w[0], 0.25, 1e-15);
    near(w[1], 0.75, 1e-15);
    for (size_t i = 2; i < COUNT(w); i++)
        ck_assert_double_eq(w[i], 0);
    double large[] = {1e308, 1e308, 1e308};
    ebonferroni_normalise(large, 3);
    near(large[2], 1.0 / 3, 1e-15);
    ck_assert_uint_eq(ebonferroni_normalise(NULL, 0), 0);
}
END_TEST

/* By the definition: sorted, the largest k with e_(k) >= n / (k alpha). */
static size_t ebh_sorted(const double *e, size_t n, double alpha)
{
    size_t best = 0;
    for (size_t k = 1; k <= n; k++) {
        size_t hits = 0;
        for (size_t i = 0; i < n; i++)
            hits += e[i] >= log((double)n) - log((double)k) - log(alpha);
        best = hits >= k ? k : best;
    }
    return best;
}

START_TEST(ebh_is_its_definition)
{
    srand(7);
    for (int round = 0; round < 2000; round++) {
        double e[12];
        bool rejected[12];
        size_t n = (size_t)rand() % 12 + 1, k, listed = 0;
        for (size_t i = 0; i < n; i++)
            e[i] = 8.0 * rand() / RAND_MAX - 1;
        k = ebh(e, n, 0.05, rejected);
        ck_assert_uint_eq(k, ebh_sorted(e, n, 0.05));
        for (size_t i = 0; i < n; i++)
            listed += rejected[i];
        ck_assert_uint_eq(k, listed);
    }
}
END_TEST

START_TEST(ebh_hostile)
{
    double e[] = {NAN, INFINITY, -INFINITY, 5};
    bool rejected[4] = {true, true, true, true};
    ck_assert_uint_eq(ebh(e, 4, 0.05, rejected), 2); /* ln(4 / (2 * 0.05)) = 3.7 */
    ck_assert(!rejected[0] && rejected[1] && !rejected[2] && rejected[3]);
    ck_assert_uint_eq(ebh(e, 4, 0, rejected), 0);
    ck_assert(!rejected[1]);
    ck_assert_uint_eq(ebh(e, 4, NAN, rejected), 0);
    ck_assert_uint_eq(ebh(NULL, 0, 0.05, NULL), 0);
}
END_TEST

START_TEST(drift_runs_in_closed_form)
{
    for (int way = 0; way < 2; way++) {
        struct drift one, many;
        drift_init(&one, 0.03, way ? DRIFT_DOWN : DRIFT_UP);
        drift_init(&many, 0.03, way ? DRIFT_DOWN : DRIFT_UP);
        ck_assert(isinf(drift_ln_m(&one)) && !drift_alarm(&one, 1));
        for (int n = 0; n < 60; n += 7) {
            drift_quiet(&many, n);
            for (int i = 0; i < n; i++)
                drift_quiet(&one, 1);
            drift_event(&one);
            drift_event(&many);
            near(drift_ln_m(&many), drift_ln_m(&one), 1e-12);
        }
    }
    struct drift d; /* M = (1 + M) L with L = 2, 3, 5 … over one event: mean of the grid */
    drift_init(&d, 0.1, DRIFT_UP);
    drift_event(&d);
    near(exp(drift_ln_m(&d)), (1.25 + 1.5 + 2 + 3 + 5) / 5, 1e-14);
    drift_init(&d, 0.1, DRIFT_UP);
    drift_interval(&d, 1, 1);
    near(exp(drift_ln_m(&d)), 2.55, 1e-14);
    ck_assert(drift_alarm(&d, 2.5) && !drift_alarm(&d, 2.6) && !drift_alarm(&d, 0.5) &&
              !drift_alarm(&d, NAN));
}
END_TEST

START_TEST(drift_hostile)
{
    static const double bases[] = {0, 1, -1, NAN, INFINITY, 1e-320, 1e-300, 1e-12, 0.999, 1 - 1e-12};
    for (size_t i = 0; i < COUNT(bases); i++)
        for (int way = 0; way < 2; way++) {
            struct drift d;
            drift_init(&d, bases[i], way ? DRIFT_DOWN : DRIFT_UP);
            drift_quiet(&d, INT64_MAX);
            drift_quiet(&d, -5);
            for (int k = 0; k < 2000; k++)
                drift_event(&d);
            drift_interval(&d, INT64_MAX, INT64_MAX);
            drift_interval(&d, -3, INT64_MAX);
            drift_interval(&d, 5, 0);
            drift_interval(&d, 7, 3);
            drift_quiet(&d, INT64_MAX);
            never_nan(drift_ln_m(&d));
            ck_assert(d.answered || isinf(drift_ln_m(&d)));
        }
}
END_TEST

START_TEST(drift_bases)
{
    enum drift_missing m;
    double up = drift_base(200, 100000, DRIFT_UP, 0.95, &m),
           down = drift_base(200, 100000, DRIFT_DOWN, 0.95, &m);
    ck_assert_int_eq(m, DRIFT_COMPLETE);
    near(up, 0.002250, 2e-3); /* Clopper-Pearson: about k + 1.645 √k + 1.6 */
    near(down, 0.001773, 2e-3);
    drift_base(19, 1000, DRIFT_UP, 0.95, &m);
    ck_assert_int_eq(m, DRIFT_FEW_EVENTS);
    drift_base(0, 0, DRIFT_UP, 0.95, &m);
    ck_assert_int_eq(m, DRIFT_NO_DATA);
    drift_base(30, 29, DRIFT_UP, 0.95, &m);
    ck_assert_int_eq(m, DRIFT_BAD_BASE);
    ck_assert_double_eq(drift_base(30, 30, DRIFT_UP, 0.95, &m), 0);
    ck_assert_int_eq(m, DRIFT_BAD_BASE);
    ck_assert_double_gt(drift_base(30, 30, DRIFT_DOWN, NAN, &m), 0.8);
    double huge = drift_base(INT64_MAX / 2, INT64_MAX, DRIFT_UP, 0.95, &m);
    near(huge, 0.5, 1e-6);
}
END_TEST

START_TEST(volume)
{
    struct volume_interval x[40];
    for (size_t i = 0; i < COUNT(x); i++)
        x[i] = (struct volume_interval){100, i % 2 ? 30 : 10};
    struct volume_base b = volume_calibrate(x, COUNT(x));
    ck_assert(b.answered);
    near(b.rate, 0.2, 1e-12);
    near(b.dispersion, (100 * 40.0 / 39 - 20) / 400, 1e-12);
    near(volume_ln_silence(&b, 100), -log1p(b.dispersion * 20) / b.dispersion, 1e-12);
    struct volume_drift down;
    volume_init(&down, &b, DRIFT_DOWN);
    int until = 0;
    while (!volume_alarm(&down, 1e4) && until++ < 100)
        volume_observe(&down, &(struct volume_interval){100, 0});
    ck_assert_int_lt(until, 20);
    volume_init(&down, &b, DRIFT_DOWN);
    for (int i = 0; i < 100; i++)
        volume_observe(&down, &x[i % 40]);
    ck_assert(!volume_alarm(&down, 1e4));
    /* Poisson: L = r^k exp(-(r - 1) m) */
    struct volume_base poisson = {.rate = 2, .answered = true};
    struct volume_drift up;
    volume_init(&up, &poisson, DRIFT_UP);
    volume_observe(&up, &(struct volume_interval){1.5, 4});
    near(up.ln_m[2], 4 * log(2) - 3, 1e-12);
    near(volume_ln_silence(&poisson, 1.5), -3, 1e-14);
}
END_TEST

START_TEST(volume_hostile)
{
    struct volume_interval x[40];
    ck_assert_int_eq(volume_calibrate(NULL, 0).missing, DRIFT_NO_DATA);
    for (size_t i = 0; i < COUNT(x); i++)
        x[i] = (struct volume_interval){i % 2 ? NAN : -1, 5};
    ck_assert_int_eq(volume_calibrate(x, COUNT(x)).missing, DRIFT_NO_DATA);
    for (size_t i = 0; i < COUNT(x); i++)
        x[i] = (struct volume_interval){1, 0};
    ck_assert_int_eq(volume_calibrate(x, COUNT(x)).missing, DRIFT_FEW_EVENTS);
    x[0].outcomes = INT64_MAX;
    ck_assert_int_eq(volume_calibrate(x, 19).missing, DRIFT_FEW_INTERVALS);
    static const struct volume_interval bad[] = {{NAN, 3},       {INFINITY, 3},     {0, 0},    {-1, 2},
                                                 {1, INT64_MAX}, {1e15, INT64_MAX}, {1e15, 0}, {1e-15, 0},
                                                 {1, -4},        {1e-15, INT64_MAX}};
    struct volume_base bases[] = {volume_calibrate(x, COUNT(x)),
                                  {.rate = NAN, .answered = true},
                                  {.rate = 1, .dispersion = INFINITY, .answered = true},
                                  {.rate = 1e100, .dispersion = 1e100, .answered = true},
                                  {.rate = 1e-100, .answered = true}};
    for (size_t b = 0; b < COUNT(bases); b++)
        for (int way = 0; way < 2; way++) {
            struct volume_drift d;
            volume_init(&d, &bases[b], way ? DRIFT_DOWN : DRIFT_UP);
            for (size_t i = 0; i < COUNT(bad); i++) {
                volume_observe(&d, &bad[i]);
                never_nan(volume_ln_m(&d));
            }
            never_nan(volume_ln_silence(&d.base, 1e15));
            ck_assert_double_eq(volume_ln_silence(&d.base, NAN), 0);
        }
}
END_TEST

START_TEST(srm_of_phases)
{
    int64_t a[] = {5100, 4900}, b[] = {980, 1020}, whole[] = {6080, 5920}, c[] = {9500, 500}, none[] = {0, 0};
    double even[] = {1, 1}, halves[] = {0.5, 0.5}, ramp[] = {0.95, 0.05}, one[] = {1, 0};
    struct srm_phase same[] = {{a, even}, {b, halves}, {none, ramp}};
    near(srm_phases_log_e(same, 3, 2), srm_log_e(whole, even, 2), 1e-14);
    struct srm_phase differ[] = {{c, ramp}, {a, even}};
    double quiet = srm_phases_log_e(differ, 2, 2);
    ck_assert_double_lt(quiet, 1);
    int64_t lost[] = {8600, 500}, lost2[] = {4500, 5000}; /* control lost 10 % in both */
    struct srm_phase lossy[] = {{lost, ramp}, {lost2, even}};
    ck_assert_double_gt(srm_phases_log_e(lossy, 2, 2), log(100));
    struct srm_phase never[] = {{a, one}, {c, ramp}};
    ck_assert(isinf(srm_phases_log_e(never, 2, 2)));
    ck_assert_double_eq(srm_phases_log_e(NULL, 0, 2), 0);
    ck_assert_double_eq(srm_phases_log_e(&same[2], 1, 2), 0);
    int64_t huge[] = {INT64_MAX, INT64_MAX}, negative[] = {-5, INT64_MIN};
    double odd[] = {NAN, 1}, infinite[] = {INFINITY, 1};
    struct srm_phase hostile[] = {
        {huge, even}, {huge, even}, {negative, odd}, {negative, infinite}, {c, ramp}};
    never_nan(srm_phases_log_e(hostile, 2, 2));
    never_nan(srm_phases_log_e(hostile, 5, 2));
    never_nan(srm_phases_log_e(&hostile[2], 3, 2));
}
END_TEST

#define PHASES 2
#define SEGMENTS 3
static struct arm_sums units(double n, double events)
{
    return (struct arm_sums){.n = n, .sum = events, .sum_sq = events, .amounts = events};
}

START_TEST(segments)
{
    struct arm_sums t[SEGMENTS][PHASES] = {{units(5000, 500), units(5000, 500)},
                                           {units(5000, 900), units(5000, 900)},
                                           {units(100, 3), units(100, 3)}};
    struct arm_sums c[SEGMENTS][PHASES] = {{units(5000, 500), units(5000, 500)},
                                           {units(5000, 500), units(5000, 500)},
                                           {units(100, 10), units(100, 10)}};
    struct segment s[SEGMENTS];
    for (int i = 0; i < SEGMENTS; i++)
        s[i] = (struct segment){t[i], c[i]};
    struct asympcs_rule rule = {0.05, 20000, ASYMPCS_BOTH};
    struct disparity d[SEGMENTS];
    ck_assert_uint_eq(segment_disparity(ACROSS_PROPORTION, s, SEGMENTS, PHASES, &rule, d), 2);
    ck_assert(d[0].answered && d[0].rejected && d[1].rejected);
    near(d[0].ratio_treatment, 0.1 / 0.18, 1e-12);
    near(d[0].ratio_control, 1, 1e-12);
    near(d[1].ratio_treatment, 1, 1e-12);
    near(d[0].effect, 0, 1e-12);
    near(d[1].effect, 0.08, 1e-12);
    near(d[1].effect_rest, -14.0 / 20000 * 1.0 * 20000 / 10200 / 1.0, 0.05);
    double rho = asympcs_rho(&rule);
    near(d[1].ln_e, asympcs_h(d[1].z, 40400 * rho * rho), 1e-12);
    ck_assert(!d[2].answered && d[2].missing == STAT_FEW_EVENTS && !d[2].rejected);
    near(d[2].units, 400, 1e-12);
    ck_assert_double_eq(d[2].ln_e, 0);
    ck_assert_double_eq(d[2].difference, 0);
}
END_TEST

START_TEST(segments_hostile)
{
    static const double odd[] = {0, 1, -1, 1e15, 1e308, NAN, INFINITY, -INFINITY};
    struct asympcs_rule rules[] = {{0.05, 1000, ASYMPCS_BOTH},
                                   {NAN, 1000, ASYMPCS_BOTH},
                                   {0.05, 0, ASYMPCS_BOTH},
                                   {0.05, 1000, ASYMPCS_LESSER}};
    for (size_t i = 0; i < COUNT(odd); i++)
        for (size_t j = 0; j < COUNT(odd); j++)
            for (size_t r = 0; r < COUNT(rules); r++) {
                struct arm_sums t[] = {units(odd[i], odd[j]), units(1000, 100)},
                                c[] = {units(1000, 100), units(odd[j], odd[i])};
                struct segment s[] = {{&t[0], &c[0]}, {&t[1], &c[1]}};
                struct disparity d[2];
                for (int kind = ACROSS_PROPORTION; kind <= ACROSS_RATIO; kind++) {
                    segment_disparity((enum across_kind)kind, s, 2, 1, &rules[r], d);
                    for (int k = 0; k < 2; k++) {
                        never_nan(d[k].ln_e + d[k].z + d[k].ratio_control + d[k].ratio_treatment +
                                  d[k].units + d[k].events);
                        ck_assert(isfinite(d[k].difference) && isfinite(d[k].ln_e) && isfinite(d[k].units));
                    }
                }
            }
    ck_assert_uint_eq(segment_disparity(ACROSS_MEAN, NULL, 0, 0, &rules[0], NULL), 0);
}
END_TEST

static struct verdict_rule rule_of(enum verdict_claim claim, enum verdict_way way, double bar)
{
    return (struct verdict_rule){claim, way, bar, 0.05, 0.5, 3};
}

START_TEST(verdicts_of_events)
{
    struct srm_pair u[] = {{10000, 10000, 0.5}};
    struct evt_phase harmful[] = {{90, 30, 0.5}}, same[] = {{2000, 2000, 0.5}};
    struct verdict_rule harm = rule_of(VERDICT_HARM, VERDICT_ABOVE, 1.2);
    struct verdict v = verdict_of_events(&harm, harmful, u, 1);
    near(v.threshold, log(2 / 0.025), 1e-14);
    near(v.level, 0.0125, 1e-14);
    near(v.ln_e, evt_log_e(harmful, 1, 1.2, EVT_UP), 1e-14);
    ck_assert(v.answered && v.reached && !v.blocked && v.low >= 1.2 && v.high > 3 &&
              v.scale == VERDICT_RATIO);
    near(v.estimate, 3, 1e-9);
    struct verdict_rule futile = rule_of(VERDICT_FUTILITY, VERDICT_BELOW, 1.2);
    v = verdict_of_events(&futile, same, u, 1);
    ck_assert(v.reached && v.high <= 1.2);
    struct evt_phase early[] = {{20, 20, 0.5}};
    v = verdict_of_events(&futile, early, u, 1);
    ck_assert(v.answered && !v.reached && v.high > 1.2);
    struct verdict_rule success = rule_of(VERDICT_SUCCESS, VERDICT_ABOVE, 1);
    v = verdict_of_events(&success, harmful, u, 1);
    ck_assert(v.reached && !v.blocked);
    struct srm_pair broken[] = {{10000, 8000, 0.5}};
    struct evt_phase plenty[] = {{900, 300, 0.5}};
    v = verdict_of_events(&success, plenty, broken, 1);
    ck_assert(v.counts_broken && v.blocked && !v.reached && v.ln_e >= v.threshold);
    struct evt_phase again[] = {{900, 300, 0.5}};
    v = verdict_of_events(&harm, again, broken, 1);
    ck_assert(v.counts_broken && v.reached && again[0].q > 0.5);
    struct evt_phase none[] = {{0, 0, 0.5}};
    v = verdict_of_events(&harm, none, u, 1);
    ck_assert(!v.answered && v.missing == VERDICT_NO_EVENTS && !v.reached && v.ln_e == 0);
}
END_TEST

START_TEST(verdicts_of_tilts)
{
    struct srm_pair u[] = {{10000, 10000, 0.5}}, broken[] = {{10000, 8000, 0.5}};
    static const double psi[] = {-0.2, 0.8, 1.6, 3, 6};
    static const int64_t t[] = {9400, 300, 200, 80, 20}, c[] = {9520, 290, 140, 45, 5};
    struct tilt tilt = {0}, empty = {0};
    for (size_t i = 0; i < COUNT(psi); i++)
        tilt_add(&tilt, 0.5, psi[i], t[i], c[i]);
    struct verdict_rule harm = rule_of(VERDICT_HARM, VERDICT_ABOVE, 0);
    struct verdict v = verdict_of_tilt(&harm, &tilt, u, 1);
    near(v.ln_e, 10.651500534654765, 1e-10);
    ck_assert(v.reached && v.scale == VERDICT_NO_SCALE);
    harm.way = VERDICT_BELOW;
    ck_assert(!verdict_of_tilt(&harm, &tilt, u, 1).reached);
    v = verdict_of_tilt(&harm, &empty, u, 1);
    ck_assert(!v.answered && v.missing == VERDICT_NO_EVENTS);
    struct verdict_rule success = rule_of(VERDICT_SUCCESS, VERDICT_ABOVE, 0);
    ck_assert(verdict_of_tilt(&success, &tilt, broken, 1).blocked);
    struct verdict_rule futile = rule_of(VERDICT_FUTILITY, VERDICT_BELOW, 0);
    ck_assert_int_eq(verdict_of_tilt(&futile, &tilt, u, 1).missing, VERDICT_BAD_RULE);
    ck_assert_double_gt(verdict_widened_q(VERDICT_ABOVE, 0.5, broken, 1), 0.55);
    ck_assert_double_eq(verdict_widened_q(VERDICT_BELOW, 0.5, broken, 1), 0.5);
    ck_assert(verdict_counts_broken(broken, 1) && !verdict_counts_broken(u, 1));
}
END_TEST

START_TEST(verdicts_of_estimates)
{
    struct srm_pair u[] = {{10000, 10000, 0.5}};
    struct gate open = {.open = true}, shut = {.missing = STAT_SKEWED};
    struct estimate e = {.answered = true, .value = 0.1, .variance = 0.01, .n = 20000};
    struct verdict_rule futile = rule_of(VERDICT_FUTILITY, VERDICT_BELOW, 0);
    int reached = 0;
    for (int i = 0; i <= 2000; i++) { /* the bound and the verdict agree at every bar */
        futile.bar = i / 2000.0;
        struct verdict v = verdict_of_estimate(&futile, &e, &open, 20000, u, 1);
        ck_assert(v.answered && v.reached == (v.high <= futile.bar) && v.low < e.value);
        reached += v.reached;
    }
    ck_assert(reached > 500 && reached < 1900);
    struct verdict v = verdict_of_estimate(&futile, &e, &shut, 20000, u, 1);
    ck_assert(!v.answered && v.missing == VERDICT_GATED && v.missing_in_gate == STAT_SKEWED && !v.reached);
    struct verdict_rule harm = rule_of(VERDICT_HARM, VERDICT_ABOVE, 0);
    e.value = 1e6;
    v = verdict_of_estimate(&harm, &e, &open, 20000, u, 1);
    ck_assert(v.missing == VERDICT_NO_METHOD && !v.reached); /* however clear it looks */
    struct verdict_rule success = rule_of(VERDICT_SUCCESS, VERDICT_ABOVE, 0);
    v = verdict_of_estimate(&success, &e, &open, 20000, u, 1);
    ck_assert(v.reached && v.low > 0 && isfinite(v.ln_e));
    e.variance = 0;
    v = verdict_of_estimate(&success, &e, &open, 20000, u, 1);
    ck_assert(!v.answered && v.missing == VERDICT_NO_ANSWER && v.missing_in_gate == STAT_NO_VARIANCE);
}
END_TEST

START_TEST(verdicts_hostile)
{
    static const double odd[] = {0, -1, 1, 1e15, 1e308, 1e-308, NAN, INFINITY, -INFINITY};
    static const int64_t counts[] = {0, -1, 1, INT64_MAX, INT64_MIN};
    struct gate open = {.open = true};
    struct tilt tilt = {0};
    tilt_add(&tilt, 0.5, 1, 5, 1);
    for (size_t i = 0; i < COUNT(odd); i++)
        for (size_t j = 0; j < COUNT(odd); j++)
            for (size_t k = 0; k < COUNT(counts); k++)
                for (int claim = VERDICT_HARM; claim <= VERDICT_SUCCESS; claim++) {
                    struct verdict_rule r = {(enum verdict_claim)claim,
                                             j % 2 ? VERDICT_ABOVE : VERDICT_BELOW,
                                             odd[i],
                                             k % 2 ? 0.05 : odd[j],
                                             1,
                                             (int)k + 1};
                    struct srm_pair u[] = {{counts[k], counts[(k + 1) % COUNT(counts)], odd[j]}};
                    struct evt_phase events[] = {{counts[k], 3, 0.5}};
                    struct estimate e = {.answered = true, .value = odd[j], .variance = odd[i], .n = odd[j]};
                    struct verdict v[] = {verdict_of_events(&r, events, u, 1),
                                          verdict_of_tilt(&r, &tilt, u, 1),
                                          verdict_of_estimate(&r, &e, &open, odd[i], u, 1)};
                    for (size_t n = 0; n < COUNT(v); n++) {
                        never_nan(v[n].ln_e);
                        never_nan(v[n].threshold);
                        never_nan(v[n].low);
                        never_nan(v[n].high);
                        never_nan(v[n].estimate);
                        never_nan(v[n].bar);
                        never_nan(v[n].srm_ln_e);
                        ck_assert(!v[n].reached || v[n].answered);
                    }
                }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("verdicts, drift, segments");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, bonferroni);
    tcase_add_test(t, ebh_is_its_definition);
    tcase_add_test(t, ebh_hostile);
    tcase_add_test(t, drift_runs_in_closed_form);
    tcase_add_test(t, drift_hostile);
    tcase_add_test(t, drift_bases);
    tcase_add_test(t, volume);
    tcase_add_test(t, volume_hostile);
    tcase_add_test(t, srm_of_phases);
    tcase_add_test(t, segments);
    tcase_add_test(t, segments_hostile);
    tcase_add_test(t, verdicts_of_events);
    tcase_add_test(t, verdicts_of_tilts);
    tcase_add_test(t, verdicts_of_estimates);
    tcase_add_test(t, verdicts_hostile);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
