/* Regressions and calibration: closed forms, optimality, and data that is degenerate or none. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stats/calibration.h"
#include "stats/linear_model.h"
#include "suite.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define ROWS 3000
#define COLUMNS 5

static void near(double got, double want, double tolerance)
{
    ck_assert_msg(fabs(got - want) <= tolerance, "%.17g is not %.17g", got, want);
}

static double uniform(unsigned *seed)
{
    return rand_r(seed) / (RAND_MAX + 1.0);
}

static const double beta[COLUMNS] = {-2, 1, -0.5, 0, 1.5};
static double x[ROWS * COLUMNS], y[ROWS], expected[ROWS];

/* Intercept, two numbers, two indicators; y by the coefficients above. */
static struct linear_rows draw(enum linear_kind kind, unsigned seed)
{
    for (size_t i = 0; i < ROWS; i++) {
        double *row = x + i * COLUMNS;
        row[0] = 1;
        row[1] = 2 * uniform(&seed) - 1;
        row[2] = 4 * uniform(&seed) - 2;
        row[3] = uniform(&seed) < 0.3;
        row[4] = uniform(&seed) < 0.5;
        expected[i] = linear_model_predict(kind, beta, row, COLUMNS);
        y[i] = kind == LINEAR_LOGISTIC ? uniform(&seed) < expected[i] : expected[i] + uniform(&seed) - 0.5;
    }
    return (struct linear_rows){.x = x, .y = y, .n = ROWS, .columns = COLUMNS};
}

START_TEST(coefficients_are_found)
{
    double b[COLUMNS];
    for (int kind = LINEAR_RIDGE; kind <= LINEAR_LOGISTIC; kind++) {
        struct linear_rows rows = draw((enum linear_kind)kind, 1);
        struct linear_rule rule = {(enum linear_kind)kind, 1, NULL};
        struct linear_fit fit = linear_model_fit(&rows, &rule, b);
        ck_assert_int_eq(fit.state, LINEAR_FITTED);
        ck_assert_double_eq(fit.weight, ROWS);
        ck_assert_double_lt(fit.gradient, 1e-6);
        for (int j = 0; j < COLUMNS; j++)
            near(b[j], beta[j], kind == LINEAR_LOGISTIC ? 0.35 : 0.06);
        ck_assert_double_gt(fit.loss, 0);
        ck_assert_int_eq(kind == LINEAR_LOGISTIC || fit.steps <= 2, 1);
    }
}
END_TEST

/* The derivative of the objective at the answer, by the formula of the header. */
START_TEST(the_answer_is_the_least)
{
    double b[COLUMNS], centre[COLUMNS] = {0.5, -1, 0, 2, 0}, weight[ROWS];
    unsigned seed = 2;
    for (size_t i = 0; i < ROWS; i++)
        weight[i] = 3 * uniform(&seed);
    for (int kind = LINEAR_RIDGE; kind <= LINEAR_LOGISTIC; kind++) {
        struct linear_rows rows = draw((enum linear_kind)kind, 3);
        struct linear_rule rule = {(enum linear_kind)kind, 50, centre};
        rows.weight = weight;
        ck_assert_int_eq(linear_model_fit(&rows, &rule, b).state, LINEAR_FITTED);
        for (int j = 0; j < COLUMNS; j++) {
            double g = (j ? 50 : 0.5) * (b[j] - centre[j]);
            for (size_t i = 0; i < ROWS; i++)
                g += weight[i] * x[i * COLUMNS + (size_t)j] *
                     (linear_model_predict((enum linear_kind)kind, b, x + i * COLUMNS, COLUMNS) - y[i]);
            near(g, 0, 1e-3);
        }
    }
}
END_TEST

START_TEST(the_same_bits_again)
{
    double a[COLUMNS], b[COLUMNS];
    struct linear_rows rows = draw(LINEAR_LOGISTIC, 4);
    struct linear_rule rule = {LINEAR_LOGISTIC, 1, NULL};
    linear_model_fit(&rows, &rule, a);
    linear_model_fit(&rows, &rule, b);
    ck_assert_mem_eq(a, b, sizeof a);
}
END_TEST

START_TEST(a_weight_is_as_many_rows)
{
    double two[] = {1, 0.5, 1, -1, 1, 2}, outcome[] = {1, 0, 1}, weight[] = {2, 1, 3}, a[2], b[2];
    double six[] = {1, 0.5, 1, 0.5, 1, -1, 1, 2, 1, 2, 1, 2}, all[] = {1, 1, 0, 1, 1, 1};
    struct linear_rows weighted = {two, outcome, weight, 3, 2}, repeated = {six, all, NULL, 6, 2};
    for (int kind = LINEAR_RIDGE; kind <= LINEAR_LOGISTIC; kind++) {
        struct linear_rule rule = {(enum linear_kind)kind, 0.5, NULL};
        struct linear_fit f = linear_model_fit(&weighted, &rule, a),
                          g = linear_model_fit(&repeated, &rule, b);
        near(a[0], b[0], 1e-9);
        near(a[1], b[1], 1e-9);
        near(f.loss, g.loss, 1e-9);
    }
}
END_TEST

/* Separable, one-sided, the same column twice, huge numbers, nothing at all: one finite answer each. */
START_TEST(degenerate_rows)
{
    double rows4[] = {1, -1, -1, 1, -2, -2, 1, 1, 1, 1, 2, 2}, split[] = {0, 0, 1, 1}, ones[] = {1, 1, 1, 1},
           b[3];
    struct linear_rows rows = {rows4, split, NULL, 4, 3};
    struct linear_rule rule = {LINEAR_LOGISTIC, 1, NULL};
    ck_assert_int_eq(linear_model_fit(&rows, &rule, b).state, LINEAR_FITTED);
    ck_assert(b[1] > 0 && isfinite(b[1]));
    near(b[1], b[2], 1e-9);
    rows.y = ones;
    ck_assert_int_eq(linear_model_fit(&rows, &rule, b).state, LINEAR_FITTED);
    ck_assert(b[0] > 2 && isfinite(b[0]));
    double huge[] = {1, 1e8, 1e8, 1, -3e8, -3e8, 1, 2e8, 2e8, 1, 1e8, 1e8};
    rows = (struct linear_rows){huge, split, NULL, 4, 3};
    ck_assert_int_eq(linear_model_fit(&rows, &rule, b).state, LINEAR_FITTED);
    rule.kind = LINEAR_RIDGE;
    ck_assert_int_eq(linear_model_fit(&rows, &rule, b).state, LINEAR_FITTED);
    double centre[] = {-3, 1, 2};
    rule = (struct linear_rule){LINEAR_LOGISTIC, 1, centre};
    rows.n = 0;
    ck_assert_int_eq(linear_model_fit(&rows, &rule, b).state, LINEAR_FITTED);
    ck_assert_mem_eq(b, centre, sizeof b);
}
END_TEST

START_TEST(as_many_columns_as_there_may_be)
{
    enum { N = 600 };
    double *wide = calloc((size_t)N * LINEAR_COLUMNS, sizeof *wide), outcome[N], b[LINEAR_COLUMNS];
    unsigned seed = 6;
    for (size_t i = 0; i < N; i++) {
        wide[i * LINEAR_COLUMNS] = 1;
        for (int k = 0; k < 4; k++)
            wide[i * LINEAR_COLUMNS + 1 + (size_t)(uniform(&seed) * (LINEAR_COLUMNS - 1))] = 1;
        outcome[i] = uniform(&seed) < 0.1;
    }
    struct linear_rows rows = {wide, outcome, NULL, N, LINEAR_COLUMNS};
    struct linear_rule rule = {LINEAR_LOGISTIC, 1, NULL};
    struct linear_fit fit = linear_model_fit(&rows, &rule, b);
    ck_assert_int_eq(fit.state, LINEAR_FITTED);
    ck_assert_double_lt(fit.gradient, 1e-6);
    free(wide);
}
END_TEST

START_TEST(rows_and_rules_that_are_none)
{
    double one[] = {1, 2, 1, 3}, outcome[] = {0, 1}, weight[] = {1, 1}, b[2] = {9, 9};
    struct linear_rows rows = {one, outcome, weight, 2, 2};
    struct linear_rule rule = {LINEAR_LOGISTIC, 1, NULL};
    static const double bad[] = {NAN, INFINITY, -0.5, 1.5};
    for (size_t i = 0; i < COUNT(bad); i++) {
        outcome[1] = bad[i];
        struct linear_fit fit = linear_model_fit(&rows, &rule, b);
        ck_assert(fit.state == LINEAR_BAD_ROWS && fit.row == 1 && b[0] == 0 && b[1] == 0);
    }
    outcome[1] = 1;
    weight[0] = -1;
    ck_assert_int_eq(linear_model_fit(&rows, &rule, b).state, LINEAR_BAD_ROWS);
    weight[0] = 1;
    one[3] = NAN;
    ck_assert_int_eq(linear_model_fit(&rows, &rule, b).state, LINEAR_BAD_ROWS);
    one[3] = 3;
    static const double ridge[] = {0, -1, NAN, INFINITY};
    for (size_t i = 0; i < COUNT(ridge); i++) {
        rule.ridge = ridge[i];
        ck_assert_int_eq(linear_model_fit(&rows, &rule, b).state, LINEAR_BAD_RULE);
    }
    rule.ridge = 1;
    rows.columns = 0;
    ck_assert_int_eq(linear_model_fit(&rows, &rule, b).state, LINEAR_BAD_RULE);
    for (int s = LINEAR_NOT_CONVERGED; s <= LINEAR_NO_MEMORY; s++)
        ck_assert(linear_state_words((enum linear_state)s)[0]);
}
END_TEST

START_TEST(cross_fitting_leaves_the_fold_out)
{
    enum { FOLDS = 3 };
    static unsigned fold[ROWS];
    static double weight[ROWS];
    double all[FOLDS * COLUMNS], b[COLUMNS];
    struct linear_rows rows = draw(LINEAR_LOGISTIC, 7);
    struct linear_rule rule = {LINEAR_LOGISTIC, 1, NULL};
    for (size_t i = 0; i < ROWS; i++)
        fold[i] = (unsigned)(i * 7 % FOLDS);
    ck_assert_int_eq(linear_model_cross_fit(&rows, &rule, fold, FOLDS, all).state, LINEAR_FITTED);
    rows.weight = weight;
    for (unsigned f = 0; f < FOLDS; f++) {
        for (size_t i = 0; i < ROWS; i++)
            weight[i] = fold[i] != f;
        linear_model_fit(&rows, &rule, b);
        for (int j = 0; j < COLUMNS; j++)
            near(all[f * COLUMNS + (unsigned)j], b[j], 1e-9);
    }
    ck_assert_int_eq(linear_model_cross_fit(&rows, &rule, fold, 1, all).state, LINEAR_BAD_RULE);
}
END_TEST

START_TEST(calibration_of_a_model)
{
    double predicted[ROWS];
    draw(LINEAR_LOGISTIC, 8);
    struct calibration good = calibration_of(expected, y, NULL, ROWS);
    ck_assert(good.answered && good.bins == CALIBRATION_BINS);
    ck_assert_double_lt(good.error, 0.03);
    for (size_t b = 1; b < good.bins; b++)
        ck_assert_double_ge(good.bin[b].predicted, good.bin[b - 1].predicted);
    for (size_t i = 0; i < ROWS; i++)
        predicted[i] = fmin(1, expected[i] + 0.2);
    struct calibration shifted = calibration_of(predicted, y, NULL, ROWS);
    ck_assert_double_gt(shifted.error, 0.1);
    ck_assert_double_gt(shifted.squared, good.squared);
}
END_TEST

START_TEST(calibration_by_hand)
{
    double p[] = {0.9, 0.1, 0.5}, seen[] = {1, 0, 0}, weight[] = {1, 2, 1};
    struct calibration c = calibration_of(p, seen, weight, 3);
    ck_assert(c.answered && c.bins == 3);
    ck_assert(c.bin[0].predicted == 0.1 && c.bin[0].weight == 2 && c.bin[2].observed == 1);
    near(c.error, (2 * 0.1 + 0.5 + 0.1) / 4, 1e-12);
    near(c.predicted, 1.6 / 4, 1e-12);
    near(c.observed, 0.25, 1e-12);
    near(c.squared, (2 * 0.01 + 0.25 + 0.01) / 4, 1e-12);
    ck_assert(!calibration_of(NULL, NULL, NULL, 0).answered);
    double none[] = {0, 0, 0};
    ck_assert(!calibration_of(p, seen, none, 3).answered);
    seen[1] = NAN;
    ck_assert(!calibration_of(p, seen, weight, 3).answered);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("linear model");
    tcase_add_test(tc, coefficients_are_found);
    tcase_add_test(tc, the_answer_is_the_least);
    tcase_add_test(tc, the_same_bits_again);
    tcase_add_test(tc, a_weight_is_as_many_rows);
    tcase_add_test(tc, degenerate_rows);
    tcase_add_test(tc, as_many_columns_as_there_may_be);
    tcase_add_test(tc, rows_and_rules_that_are_none);
    tcase_add_test(tc, cross_fitting_leaves_the_fold_out);
    tcase_add_test(tc, calibration_of_a_model);
    tcase_add_test(tc, calibration_by_hand);
    return run_case("linear model", tc);
}
