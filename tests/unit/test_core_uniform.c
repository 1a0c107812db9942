/* Uniform and independent: slots of layers, holdouts, traffic and phases over ids as people have them, pairs
 * of experiments and pairs of layers. The salts are fixed, so the numbers are too: chi-square tests whose
 * p-values must be neither small nor too good, alone and taken together. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/decide.h"
#include "core/plan_build.h"
#include "core/plan_private.h"
#include "plan_fixture.h"
#include "stats/special.h"
#include "suite.h"

#define UNITS 40000
#define EXPERIMENTS 16
#define LAYERS 5
#define BINS 1000 /* of one kind of slot */
#define SQUARE 20 /* bins a side where two are crossed */
#define TOO_RARE 1e-5

static struct unit units[UNITS];

/* Salts as the database makes them, but the same every time. */
static void salt_of(const char *name, int i, uint8_t salt[SALT_BYTES])
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    char text[64];
    snprintf(text, sizeof text, "%s %d", name, i);
    crypto_hash_sha256(hash, (const unsigned char *)text, strlen(text));
    memcpy(salt, hash, SALT_BYTES);
}

/* Ids that count up, as customers' numbers do: the worst a hash has to spread. */
static void make_units(void)
{
    struct unit_key key;
    uint8_t secret[32] = "a key of 32 bytes for the tests.";
    unit_key_init(&key, secret, sizeof secret);
    for (int i = 0; i < UNITS; i++) {
        char raw[32];
        int n = snprintf(raw, sizeof raw, "%d", 1000000 + i);
        unit_from_raw(&key, "user", 4, raw, (size_t)n, &units[i]);
    }
}

static uint32_t slot(const uint8_t salt[SALT_BYTES], const struct unit *u, enum draw_word w)
{
    struct draw d;
    draw_unit(salt, u, &d);
    return slot_of(d.w[w]);
}

/* Counts p-values; at the end they must look like p-values. */
struct tally {
    int n, low, high;
    double least, most;
};

static void add_p(struct tally *t, double p)
{
    if (t->n == 0) {
        t->least = 1;
        t->most = 0;
    }
    t->n++;
    t->low += p < 0.05;
    t->high += p > 0.95;
    t->least = fmin(t->least, p);
    t->most = fmax(t->most, p);
}

static void judge(const struct tally *t, const char *what)
{
    /* Of n tests about n / 20 are below 0.05; far more, or fewer than none at all, would be dependence. */
    double expected = t->n * 0.05, room = 5 * sqrt(t->n * 0.05 * 0.95) + 1;
    ck_assert_msg(t->least > TOO_RARE && t->most < 1 - TOO_RARE, "%s: p from %g to %g", what, t->least,
                  t->most);
    ck_assert_msg(t->low <= expected + room && t->high <= expected + room,
                  "%s: of %d p-values %d are below 0.05 and %d above 0.95", what, t->n, t->low, t->high);
}

static double uniform_p(const uint32_t *counts, size_t bins)
{
    double x = 0, expected = (double)UNITS / (double)bins;
    for (size_t i = 0; i < bins; i++)
        x += (counts[i] - expected) * (counts[i] - expected) / expected;
    return chi2_upper(x, (double)bins - 1);
}

/* A table of rows x columns: are they independent, given their own totals? */
static double independent_p(const uint32_t *counts, size_t rows, size_t columns)
{
    double row[SQUARE] = {0}, column[SQUARE] = {0}, total = 0, x = 0;
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < columns; k++) {
            row[i] += counts[i * columns + k];
            column[k] += counts[i * columns + k];
            total += counts[i * columns + k];
        }
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < columns; k++) {
            double expected = row[i] * column[k] / total;
            x += (counts[i * columns + k] - expected) * (counts[i * columns + k] - expected) / expected;
        }
    return chi2_upper(x, (double)(rows - 1) * (double)(columns - 1));
}

START_TEST(slots_are_uniform)
{
    static const char *const kinds[] = {"holdout", "layer", "experiment", "phase"};
    struct tally t = {0};
    for (size_t k = 0; k < 4; k++)
        for (int i = 0; i < LAYERS; i++) {
            uint32_t counts[BINS] = {0};
            uint8_t salt[SALT_BYTES];
            salt_of(kinds[k], i, salt);
            for (int u = 0; u < UNITS; u++)
                counts[slot(salt, &units[u], k == 3 ? DRAW_VARIANT : DRAW_SELECT) * BINS / SLOTS]++;
            add_p(&t, uniform_p(counts, BINS));
        }
    judge(&t, "slots");
}
END_TEST

START_TEST(layers_are_independent)
{
    static uint8_t at[LAYERS][UNITS];
    struct tally t = {0};
    for (int i = 0; i < LAYERS; i++) {
        uint8_t salt[SALT_BYTES];
        salt_of("layer", i, salt);
        for (int u = 0; u < UNITS; u++)
            at[i][u] = (uint8_t)(slot(salt, &units[u], DRAW_SELECT) * SQUARE / SLOTS);
    }
    for (int i = 0; i < LAYERS; i++)
        for (int k = i + 1; k < LAYERS; k++) {
            uint32_t counts[SQUARE * SQUARE] = {0};
            for (int u = 0; u < UNITS; u++)
                counts[at[i][u] * SQUARE + at[k][u]]++;
            add_p(&t, independent_p(counts, SQUARE, SQUARE));
        }
    judge(&t, "pairs of layers");
}
END_TEST

/* --- whole experiments --- */

/* 16 experiments of everyone, three variants of 20, 30 and 50 %; the last four hold half of a layer. */
static struct plan *experiments(void)
{
    static const struct slot_range arms[3][1] = {
        {{0, 200000, 0}}, {{200000, 500000, 0}}, {{500000, SLOTS, 0}}};
    static const struct slot_range all[] = {{0, SLOTS, 0}}, half[] = {{250000, 750000, 0}};
    static const char *const keys[] = {"a", "b", "c"};
    struct plan_builder *b = fixture_builder();
    uint8_t salt[SALT_BYTES];
    for (int i = 0; i < EXPERIMENTS; i++) {
        struct variant_def v[3];
        struct phase_variant_def pv[3];
        char key[16];
        for (int k = 0; k < 3; k++) {
            v[k] = (struct variant_def){.id = 10 * i + k + 1, .key = keys[k]};
            pv[k] = (struct phase_variant_def){keys[k], (int32_t)(arms[k][0].hi - arms[k][0].lo), arms[k], 1};
        }
        struct phase_def ph = {
            .id = i + 1, .number = 1, .traffic = all, .n_traffic = 1, .variants = pv, .n_variants = 3};
        snprintf(key, sizeof key, "x%02d", i);
        struct experiment_def x = {.id = i + 1,
                                   .key = key,
                                   .status = STATUS_RUNNING,
                                   .unit_type = "user",
                                   .variants = v,
                                   .n_variants = 3,
                                   .phases = &ph,
                                   .n_phases = 1,
                                   .layer = i < EXPERIMENTS - 4 ? NULL : "layer",
                                   .layer_slots = half,
                                   .n_layer_slots = i < EXPERIMENTS - 4 ? 0 : 1};
        salt_of("experiment", i, x.salt);
        salt_of("phase", i, ph.salt);
        plan_builder_experiment(b, &x);
    }
    salt_of("layer", 0, salt);
    plan_builder_layer(b, "layer", salt);
    return fixture_finish(b);
}

/* The variant of each unit in each experiment: 0 to 2, or 3 for nobody. */
static uint8_t drawn[EXPERIMENTS][UNITS];

static void draw_all(const struct plan *p)
{
    for (int i = 0; i < EXPERIMENTS; i++) {
        char key[16];
        snprintf(key, sizeof key, "x%02d", i);
        const struct plan_experiment *x = plan_experiment_find(p, key, 3);
        for (int u = 0; u < UNITS; u++) {
            const struct plan_phase *phase;
            const struct plan_variant *variant;
            int32_t propensity, inclusion;
            bool in = plan_expected(x, &units[u], &phase, &variant, &propensity, &inclusion);
            drawn[i][u] = (uint8_t)(in ? plan_variant_key(variant)[0] - 'a' : 3);
        }
    }
}

START_TEST(shares_are_kept)
{
    static const double share[] = {0.2, 0.3, 0.5};
    struct tally t = {0};
    for (int i = 0; i < EXPERIMENTS; i++) {
        uint32_t counts[4] = {0};
        double x = 0;
        for (int u = 0; u < UNITS; u++)
            counts[drawn[i][u]]++;
        double n = UNITS - counts[3];
        for (int k = 0; k < 3; k++)
            x += (counts[k] - n * share[k]) * (counts[k] - n * share[k]) / (n * share[k]);
        add_p(&t, chi2_upper(x, 2));
        ck_assert((i >= EXPERIMENTS - 4) == (counts[3] > 0));
    }
    judge(&t, "shares");
}
END_TEST

START_TEST(experiments_are_independent)
{
    struct tally t = {0};
    for (int i = 0; i < EXPERIMENTS; i++)
        for (int k = i + 1; k < EXPERIMENTS; k++) {
            uint32_t counts[9] = {0};
            for (int u = 0; u < UNITS; u++)
                if (drawn[i][u] < 3 && drawn[k][u] < 3)
                    counts[drawn[i][u] * 3 + drawn[k][u]]++;
            add_p(&t, independent_p(counts, 3, 3));
        }
    ck_assert_int_eq(t.n, EXPERIMENTS * (EXPERIMENTS - 1) / 2);
    judge(&t, "pairs of experiments");
}
END_TEST

/* Where a unit is in its layer, or in a holdout, says nothing of the variant it draws. */
START_TEST(selection_says_nothing_of_the_variant)
{
    static const char *const kinds[] = {"layer", "holdout", "experiment"};
    struct tally t = {0};
    for (size_t kind = 0; kind < 3; kind++)
        for (int i = 0; i < EXPERIMENTS; i++) {
            uint32_t counts[SQUARE * 3] = {0};
            uint8_t salt[SALT_BYTES];
            salt_of(kinds[kind], kind == 2 ? i : 1, salt);
            for (int u = 0; u < UNITS; u++)
                if (drawn[i][u] < 3)
                    counts[slot(salt, &units[u], DRAW_SELECT) * SQUARE / SLOTS * 3 + drawn[i][u]]++;
            add_p(&t, independent_p(counts, SQUARE, 3));
        }
    judge(&t, "selection and variant");
}
END_TEST

static void set_up(void)
{
    make_units();
    struct plan *p = experiments();
    draw_all(p);
    plan_unref(p);
}

int main(void)
{
    TCase *tc = tcase_create("uniform");
    tcase_add_unchecked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, slots_are_uniform);
    tcase_add_test(tc, layers_are_independent);
    tcase_add_test(tc, shares_are_kept);
    tcase_add_test(tc, experiments_are_independent);
    tcase_add_test(tc, selection_says_nothing_of_the_variant);
    return run_case("uniform", tc);
}
