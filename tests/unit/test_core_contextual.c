/* Contextual bandits: a model's probabilities are what is drawn, logged and told; where it can't tell, the
 * safe variant is served. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bandit_fixture.h"
#include "core/decide.h"
#include "core/draw.h"
#include "core/policy.h"
#include "core/token.h"
#include "plan_fixture.h"
#include "suite.h"

#define S BANDIT_S
#define T0 BANDIT_START

static const char *const countries[] = {"DE", "FR"};
static const struct feature_def features[] = {
    {.name = "amount", .kind = FEATURE_NUMBER, .attribute = "amount"},
    {.name = "country", .kind = FEATURE_ONE_HOT, .attribute = "country", .values = countries, .n_values = 2},
};
static const double centre[] = {50}, scale[] = {10}, low[] = {0}, high[] = {100};
/* intercept, amount, DE, FR */
static const double control[] = {0.2, 0.1, 0, 0}, b[] = {0.1, 0, 0.5, 0}, c[] = {0.1, -0.1, 0, 0.5};
static const struct model_weights_def weights[] = {{"c", c, 4}, {"control", control, 4}, {"b", b, 4}};

static struct model_def model;

/* A fixture with a phase of model 7 (version 3) since T0: linear, gamma 20, floor 1 %. */
static void contextual_fixture(struct bandit_fixture *f)
{
    bandit_fixture(f, ASSIGN_DECISION, 0);
    f->x.kind = KIND_CONTEXTUAL;
    f->x.contextual = &f->contextual;
    model = (struct model_def){.id = 7,
                               .version = 3,
                               .n_numbers = 1,
                               .centre = centre,
                               .scale = scale,
                               .low = low,
                               .high = high,
                               .weights = weights,
                               .n_weights = 3,
                               .gamma = 20,
                               .floor_ppm = 10000};
    f->contextual = (struct contextual_def){
        .features = features, .n_features = 2, .safe = "control", .models = &model, .n_models = 1};
    bandit_fixture_phase(f, T0, 333334, 333333, 333333)->model_id = 7;
}

struct context {
    struct attr_field fields[2];
    struct attr attributes;
};

static const struct attr *context(struct context *k, double amount, const char *country)
{
    k->fields[0] = (struct attr_field){"amount", 6, {.type = ATTR_NUMBER, .u.number = amount}};
    k->fields[1] =
        (struct attr_field){"country", 7, {.type = ATTR_STRING, .u.string = {country, strlen(country)}}};
    k->attributes = (struct attr){.type = ATTR_OBJECT, .u.object = {k->fields, 2}};
    return &k->attributes;
}

static struct decision decided(const struct plan *p, int i, const struct attr *attributes, uint8_t id[16])
{
    struct subject s;
    struct decision d;
    char user[16];
    snprintf(user, sizeof user, "c-%d", i);
    memset(id, 0, 16);
    memcpy(id, &i, sizeof i);
    subject_init(&s, user, strlen(user), attributes);
    decide(p, plan_flag_find(p, "f", 1), &s, id, T0 + i * S, 0, &d);
    return d;
}

/* The vector by hand: doubles of another order of calculation, so to a few ppm. */
static void check_vector(const struct decision *d, double amount, const char *country)
{
    double x = (amount - 50) / 10, best = -1e9, others = 0;
    double score[3] = {0.2 + 0.1 * x, 0.1 + 0.5 * (strcmp(country, "DE") == 0),
                       0.1 - 0.1 * x + 0.5 * (strcmp(country, "FR") == 0)};
    int32_t sum = 0;
    int at = 0;
    for (int i = 0; i < 3; i++)
        if (score[i] > best) {
            best = score[i];
            at = i;
        }
    ck_assert_uint_eq(d->vector.n, 3);
    for (int i = 0; i < 3; i++) {
        double p = 1 / (3 + 20 * (best - score[i]));
        ck_assert_int_eq(plan_variant_id(d->vector.list[i].variant), 11 + i);
        sum += d->vector.list[i].ppm;
        if (i == at)
            continue;
        others += p;
        ck_assert(fabs(d->vector.list[i].ppm - (10000 + 970000 * p)) < 2);
    }
    ck_assert(fabs(d->vector.list[at].ppm - (10000 + 970000 * (1 - others))) < 4);
    ck_assert_int_eq(sum, 1000000);
}

/* Which variant owns the decision's slot, by the vector alone: what a reader of the log does. */
static const struct plan_variant *redraw(const struct bandit_fixture *f, const struct decision *d,
                                         const uint8_t id[16], int32_t *ppm)
{
    struct draw w;
    int32_t sum = 0;
    draw_decision(f->phases[1].salt, &d->unit, id, &w);
    for (size_t i = 0; i < d->vector.n; i++)
        if ((int32_t)slot_of(w.w[1]) < (sum += *ppm = d->vector.list[i].ppm))
            return d->vector.list[i].variant;
    return NULL;
}

START_TEST(a_model_draws_and_tells_its_vector)
{
    struct bandit_fixture f;
    int n[3] = {0}, total = 0;
    double want[3] = {0};
    contextual_fixture(&f);
    struct plan *p = bandit_fixture_plan(&f);
    ck_assert_uint_eq(plan_quarantine_count(p), 0);
    for (int i = 0; i < 20000; i++) {
        struct context k;
        uint8_t id[16];
        double amount = i % 101;
        const char *country = i % 3 == 0 ? "DE" : i % 3 == 1 ? "FR" : "US";
        struct decision d = decided(p, i, context(&k, amount, country), id);
        int32_t ppm;
        ck_assert_int_eq(d.reason, REASON_VARIANT);
        if (plan_phase_number(d.phase) == 1) {
            ck_assert_uint_eq(d.vector.n, 0);
            ck_assert_ptr_null(d.model);
            continue;
        }
        ck_assert_int_eq(plan_model_id(d.model), 7);
        ck_assert_int_eq(plan_model_version(d.model), 3);
        check_vector(&d, amount, country);
        ck_assert_ptr_eq(redraw(&f, &d, id, &ppm), d.variant);
        ck_assert_int_eq(d.propensity_ppm, ppm);
        n[plan_variant_id(d.variant) - 11]++;
        for (int a = 0; a < 3; a++)
            want[a] += d.vector.list[a].ppm / 1e6;
        total++;
    }
    ck_assert_int_gt(total, 17000);
    for (int a = 0; a < 3; a++)
        ck_assert_msg(fabs(n[a] - want[a]) < 5 * sqrt(total * 0.25), "%d: %d of %g", a, n[a], want[a]);
    plan_unref(p);
}
END_TEST

/* --- the safe variant --- */

static int counted[REASON_COUNT];

static void check_safe(const struct plan *p, const struct attr *attributes, enum reason reason,
                       const char *safe)
{
    memset(counted, 0, sizeof counted);
    for (int i = 0; i < 300; i++) {
        uint8_t id[16];
        struct decision d = decided(p, i, attributes, id);
        counted[d.reason]++;
        if (d.reason == REASON_VARIANT) {
            ck_assert_int_eq(plan_phase_number(d.phase), 1); /* the slice needs no model */
            continue;
        }
        ck_assert_int_eq(d.reason, reason);
        ck_assert_str_eq(d.variant_name, safe);
        ck_assert_int_eq(d.propensity_ppm, 1000000);
        ck_assert_int_eq(d.inclusion_ppm, 1000000);
        ck_assert_int_eq(plan_phase_number(d.phase), 2);
        ck_assert_int_eq(plan_model_id(d.model), 7);
        ck_assert_uint_eq(d.vector.n, 1);
        ck_assert_ptr_eq(d.vector.list[0].variant, d.variant);
        ck_assert_int_eq(d.vector.list[0].ppm, 1000000);
    }
    ck_assert_int_gt(counted[reason], 240);
    ck_assert_int_gt(counted[REASON_VARIANT], 10);
}

START_TEST(what_it_was_not_trained_on_gets_the_safe_variant)
{
    struct bandit_fixture f;
    struct context k;
    contextual_fixture(&f);
    struct plan *p = bandit_fixture_plan(&f);
    check_safe(p, context(&k, 100.01, "DE"), REASON_OUT_OF_RANGE, "control");
    check_safe(p, context(&k, -1, "DE"), REASON_OUT_OF_RANGE, "control");
    context(&k, 50, "DE");
    k.fields[1].name = "Country";
    check_safe(p, &k.attributes, REASON_ATTRIBUTE_MISSING, "control");
    check_safe(p, NULL, REASON_ATTRIBUTE_MISSING, "control");
    plan_unref(p);
}
END_TEST

START_TEST(low_confidence_gets_the_safe_variant)
{
    struct bandit_fixture f;
    struct context k;
    contextual_fixture(&f);
    f.contextual.safe = "c";
    f.contextual.threshold_ppm = 800000;
    struct plan *p = bandit_fixture_plan(&f);
    uint8_t id[16];
    check_safe(p, context(&k, 50, "US"), REASON_LOW_CONFIDENCE, "c"); /* 0.2, 0.1, 0.1: the best has 0.6 */
    int sure = 0;
    for (int i = 0; i < 100; i++)
        sure += decided(p, i, context(&k, 50, "DE"), id).vector.n == 3; /* 0.6 against 0.2 and 0.1: 0.835 */
    ck_assert_int_gt(sure, 80);
    plan_unref(p);
}
END_TEST

START_TEST(a_dropped_safe_variant_falls_back)
{
    struct bandit_fixture f;
    struct context k;
    uint8_t id[16];
    contextual_fixture(&f);
    f.contextual.safe = "c";
    f.variants[2].dropped = true;
    struct plan *p = bandit_fixture_plan(&f);
    int dropped = 0, two = 0;
    for (int i = 0; i < 300; i++) {
        struct decision d = decided(p, i, NULL, id), e = decided(p, i, context(&k, 50, "DE"), id);
        dropped += d.reason == REASON_ARM_DROPPED && plan_variant_id(d.counterfactual) == 13 && !d.model &&
                   d.vector.n == 0;
        two += e.vector.n == 2; /* what was dropped is not eligible */
    }
    ck_assert_int_gt(dropped, 240);
    ck_assert_int_gt(two, 240);
    plan_unref(p);
}
END_TEST

/* Before there is a model the shares of the phase draw, each decision anew. */
START_TEST(without_a_model_the_shares_draw)
{
    struct bandit_fixture f;
    int n = 0;
    contextual_fixture(&f);
    f.phases[1].model_id = 0;
    struct plan *p = bandit_fixture_plan(&f);
    for (int i = 0; i < 300; i++) {
        uint8_t id[16];
        struct decision d = decided(p, i, NULL, id);
        ck_assert_int_eq(d.reason, REASON_VARIANT);
        ck_assert_ptr_null(d.model);
        ck_assert_uint_eq(d.vector.n, 0);
        n += plan_phase_number(d.phase) == 2 && d.propensity_ppm == plan_phase_share_ppm(d.phase, d.variant);
    }
    ck_assert_int_gt(n, 240);
    plan_unref(p);
}
END_TEST

/* --- holdouts, reports --- */

START_TEST(a_holdout_keeps_out_and_tells_no_vector)
{
    static const char *const experiments[] = {"cta", NULL};
    static const int32_t ids[] = {3};
    struct bandit_fixture f;
    struct context k;
    int held = 0;
    contextual_fixture(&f);
    f.x.holdouts = ids;
    f.x.n_holdouts = 1;
    struct plan_builder *builder = fixture_builder();
    plan_builder_experiment(builder, fixture_holdout(3, "global", 300000, GIVES_NOTHING));
    plan_builder_experiment(builder, &f.x);
    fixture_flag(builder, 1, "f", experiments);
    struct plan *p = fixture_finish(builder);
    for (int i = 0; i < 1000; i++) {
        uint8_t id[16];
        struct decision d = decided(p, i, context(&k, 50, "DE"), id);
        ck_assert_uint_eq(d.n_holdouts, 1);
        if (d.reason != REASON_HOLDOUT)
            continue;
        held++;
        ck_assert_ptr_nonnull(d.counterfactual);
        ck_assert(d.vector.n == 0 && !d.model && !d.phase);
        ck_assert_int_eq(d.propensity_ppm, 300000);
    }
    ck_assert_int_gt(held, 220);
    plan_unref(p);
}
END_TEST

START_TEST(a_report_needs_the_token)
{
    struct bandit_fixture f;
    struct context k;
    int needs = 0;
    contextual_fixture(&f);
    struct plan *p = bandit_fixture_plan(&f);
    for (int i = 0; i < 200; i++) {
        uint8_t id[16];
        char token[TOKEN_TEXT_MAX + 1];
        struct token t;
        struct plan_assignment a;
        struct decision d = decided(p, i, context(&k, 50, "DE"), id);
        const struct plan_report r = {plan_phase_number(d.phase), id, T0};
        enum plan_report_check check = plan_reported(d.experiment, &d.unit, &r, &a);
        ck_assert_int_eq(check, r.phase == 1 ? REPORT_DRAWN : REPORT_NEEDS_TOKEN);
        ck_assert(token_of_decision(p, &d, id, T0, token) == (r.phase == 2));
        if (r.phase == 1)
            continue;
        ck_assert(token_check(p, token, strlen(token), &t));
        ck_assert_int_eq(t.propensity_ppm, d.propensity_ppm);
        ck_assert_int_eq(t.variant_id, plan_variant_id(d.variant));
        needs++;
    }
    ck_assert_int_gt(needs, 150);
    plan_unref(p);
}
END_TEST

/* --- definitions that are refused --- */

static void check_refused(const struct bandit_fixture *f, const char *words)
{
    struct plan *p = bandit_fixture_plan(f);
    ck_assert_uint_eq(plan_quarantine_count(p), 1);
    ck_assert_msg(strstr(plan_quarantine_at(p, 0), words) != NULL, "%s", plan_quarantine_at(p, 0));
    plan_unref(p);
}

START_TEST(bad_models_are_quarantined)
{
    static const double nothing[] = {0}, zeros[] = {0, 0, 0, 0}, huge[] = {1e16, 0, 0, 0};
    static const struct model_weights_def short_one[] = {{"control", control, 3}};
    static const struct model_weights_def far[] = {{"control", huge, 4}};
    struct bandit_fixture f;
    contextual_fixture(&f);
    f.contextual.safe = "d";
    check_refused(&f, "cta: the safe variant is none of the experiment's");
    f.contextual.safe = "control";
    f.contextual.threshold_ppm = 1000001;
    check_refused(&f, "cta: the threshold is 1000001, not 0 to 1000000 ppm");
    f.contextual.threshold_ppm = 0;
    model.n_weights = 2;
    check_refused(&f, "cta: model 3 of phase 2 has no weights for variant b");
    model.n_weights = 3;
    model.scale = nothing;
    check_refused(&f, "cta: model 3: scale 1 is not more than 0");
    model.scale = scale;
    model.n_numbers = 0;
    check_refused(&f, "cta: model 3 scales 0 numbers, but the features have 1");
    model.n_numbers = 1;
    model.gamma = NAN;
    check_refused(&f, "cta: model 3: gamma is not 0 to 1e15");
    model.gamma = 20;
    model.floor_ppm = 333334;
    check_refused(&f, "cta: model 3: a floor of 333334 ppm for each of the 3 variants is more than 1000000");
    model.floor_ppm = 0;
    model.weights = short_one;
    check_refused(&f, "cta: model 3: control has 3 weights, not 4");
    model.weights = far;
    check_refused(&f, "cta: model 3: weight 1 is not a number up to 1e15");
    model.weights = weights;
    f.phases[1].model_id = 8;
    check_refused(&f, "cta: phase 2 names model 8, which is not there");
    f.phases[1].model_id = 0;
    f.phases[0].model_id = 7;
    check_refused(&f, "cta: phase 1 has a model but begins at no time");
    f.phases[0].model_id = 0;
    f.contextual.n_features = 1;
    model.weights = (struct model_weights_def[]){{"control", zeros, 2}};
    model.n_weights = 1;
    struct plan *p = bandit_fixture_plan(&f);
    ck_assert_uint_eq(plan_quarantine_count(p), 0); /* no phase asks it of the others */
    plan_unref(p);
}
END_TEST

START_TEST(ids_of_units_are_no_features)
{
    static const char *const names[] = {"user", "targetingKey"};
    struct feature_def reads[2] = {features[0], features[1]};
    for (int i = 0; i < 2; i++) {
        struct bandit_fixture f;
        char words[100];
        contextual_fixture(&f);
        f.contextual.features = reads;
        reads[0].attribute = names[i];
        snprintf(words, sizeof words, "cta: a feature reads the attribute %s, which holds ids of units",
                 names[i]);
        check_refused(&f, words);
    }
}
END_TEST

START_TEST(prerequisites_need_a_lasting_variant)
{
    static const char *const variants[] = {"b"};
    static const struct prerequisite_def requires[] = {{"cta", variants, 1}};
    struct bandit_fixture f;
    contextual_fixture(&f);
    struct experiment_def *x = fixture_experiment(2, "other");
    struct plan_builder *builder = fixture_builder();
    x->prerequisites = requires;
    x->n_prerequisites = 1;
    plan_builder_experiment(builder, &f.x);
    plan_builder_experiment(builder, x);
    struct plan *p = fixture_finish(builder);
    ck_assert_uint_eq(plan_quarantine_count(p), 1);
    ck_assert_str_eq(plan_quarantine_at(p, 0),
                     "other: it requires cta, whose variant is drawn anew at each decision");
    plan_unref(p);
}
END_TEST

/* --- traces --- */

static void traced(const struct plan *p, const struct attr *attributes, char all[4000])
{
    struct trace *trace = calloc(1, sizeof *trace);
    struct subject s;
    struct decision d;
    ck_assert_ptr_nonnull(trace);
    all[0] = '\0';
    for (int i = 0;; i++) {
        char user[16], text[400];
        snprintf(user, sizeof user, "c-%d", i);
        subject_init(&s, user, strlen(user), attributes);
        trace->n = 0;
        s.trace = trace;
        decide(p, plan_flag_find(p, "f", 1), &s, NULL, T0, 0, &d);
        if (plan_phase_number(d.phase) == 1)
            continue;
        for (size_t k = 0; k < trace->n; k++) {
            trace_describe(&trace->steps[k], text, sizeof text);
            strcat(strcat(all, text), "\n");
        }
        break;
    }
    free(trace);
}

static void check_words(const char *all, const char *words)
{
    ck_assert_msg(strstr(all, words) != NULL, "%s", all);
}

START_TEST(a_trace_explains_the_choice)
{
    struct bandit_fixture f;
    struct context k;
    char all[4000];
    contextual_fixture(&f);
    struct plan *p = bandit_fixture_plan(&f);
    traced(p, context(&k, 70, "DE"), all);
    check_words(all, "time phase 2 draws, in force since 2026-09-21T14:13:20Z\n");
    check_words(all, "model 3 chooses: its best variant has ");
    check_words(all, "variant b: score 0.6, probability ");
    check_words(all, "the best\n");
    check_words(all, "feature country moves the best variant's score by +0.5\n");
    ck_assert(strstr(all, "feature amount") == NULL); /* b's score does not depend on it */
    traced(p, context(&k, 170, "DE"), all);
    check_words(all, "model 3 can't tell: attribute amount is out of range\n");
    check_words(all, "the safe variant control is served, with certainty\n");
    plan_unref(p);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("contextual");
    tcase_add_test(tc, a_model_draws_and_tells_its_vector);
    tcase_add_test(tc, what_it_was_not_trained_on_gets_the_safe_variant);
    tcase_add_test(tc, low_confidence_gets_the_safe_variant);
    tcase_add_test(tc, a_dropped_safe_variant_falls_back);
    tcase_add_test(tc, without_a_model_the_shares_draw);
    tcase_add_test(tc, a_holdout_keeps_out_and_tells_no_vector);
    tcase_add_test(tc, a_report_needs_the_token);
    tcase_add_test(tc, bad_models_are_quarantined);
    tcase_add_test(tc, ids_of_units_are_no_features);
    tcase_add_test(tc, prerequisites_need_a_lasting_variant);
    tcase_add_test(tc, a_trace_explains_the_choice);
    return run_case("contextual", tc);
}
