#include "stats/linear_model.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STEPS 100
#define MAX_HALVINGS 40
#define CONVERGED 1e-12  /* Newton decrement against the objective */
#define GOOD_ENOUGH 1e-7 /* the same, once rounding stops every step */
#define INTERCEPT_PART 0.01

/* One fit at work. The rows of fold `skip` are left out when there are folds. */
struct work {
    const struct linear_rows *rows;
    const struct linear_rule *rule;
    const unsigned *fold;
    unsigned skip;
    size_t p;
    double *hessian, *gradient, *step, *trial;
    size_t used[LINEAR_COLUMNS]; /* columns of a row that are not 0 */
};

const char *linear_state_words(enum linear_state state)
{
    switch (state) {
    case LINEAR_FITTED:
        return "";
    case LINEAR_NOT_CONVERGED:
        return "the fit did not converge";
    case LINEAR_BAD_RULE:
        return "the ridge must be above 0, and there must be 1 to 256 columns";
    case LINEAR_BAD_ROWS:
        return "a row has a number that it can't have";
    case LINEAR_NO_MEMORY:
        return "there is not enough memory";
    }
    return "";
}

static double weight_of(const struct linear_rows *r, size_t i)
{
    return r->weight ? r->weight[i] : 1;
}

static bool taken(const struct work *w, size_t i)
{
    return !w->fold || w->fold[i] != w->skip;
}

static double penalty(const struct work *w, size_t j)
{
    return j == 0 ? INTERCEPT_PART * w->rule->ridge : w->rule->ridge;
}

static double prior(const struct work *w, size_t j)
{
    return w->rule->centre ? w->rule->centre[j] : 0;
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* ln(1 + e^z) */
static double softplus(double z)
{
    return z > 0 ? z + log1p(exp(-z)) : log1p(exp(z));
}

static double logistic(double z)
{
    return z >= 0 ? 1 / (1 + exp(-z)) : exp(z) / (1 + exp(z));
}

double linear_model_predict(enum linear_kind kind, const double *coefficients, const double *x,
                            size_t columns)
{
    double z = dot(coefficients, x, columns);
    return kind == LINEAR_LOGISTIC ? logistic(z) : z;
}

/* Loss of one row at z = xβ. */
static double row_loss(enum linear_kind kind, double z, double y)
{
    return kind == LINEAR_LOGISTIC ? softplus(z) - y * z : 0.5 * (y - z) * (y - z);
}

/* The objective; the loss alone, without the penalty, in *loss. */
static double objective(const struct work *w, const double *beta, double *loss)
{
    double sum = 0, ridge = 0;
    for (size_t i = 0; i < w->rows->n; i++)
        if (taken(w, i))
            sum += weight_of(w->rows, i) *
                   row_loss(w->rule->kind, dot(beta, w->rows->x + i * w->p, w->p), w->rows->y[i]);
    for (size_t j = 0; j < w->p; j++)
        ridge += 0.5 * penalty(w, j) * (beta[j] - prior(w, j)) * (beta[j] - prior(w, j));
    *loss = sum;
    return sum + ridge;
}

/* Adds one row to gradient and lower Hessian; one-hot rows are mostly 0, which is skipped. */
static void add_row(struct work *w, const double *beta, size_t i)
{
    const double *x = w->rows->x + i * w->p;
    double u = weight_of(w->rows, i), z = dot(beta, x, w->p), bend = u, g;
    if (w->rule->kind == LINEAR_LOGISTIC) {
        double m = logistic(z);
        g = u * (m - w->rows->y[i]);
        bend = u * m * (1 - m);
    } else {
        g = u * (z - w->rows->y[i]);
    }
    size_t used = 0;
    for (size_t j = 0; j < w->p; j++)
        if (x[j] != 0)
            w->used[used++] = j;
    for (size_t a = 0; a < used; a++) {
        size_t j = w->used[a];
        double *line = w->hessian + j * w->p, b = bend * x[j];
        w->gradient[j] += g * x[j];
        for (size_t c = 0; c <= a; c++)
            line[w->used[c]] += b * x[w->used[c]];
    }
}

static void derivatives(struct work *w, const double *beta)
{
    memset(w->hessian, 0, w->p * w->p * sizeof *w->hessian);
    for (size_t j = 0; j < w->p; j++) {
        w->gradient[j] = penalty(w, j) * (beta[j] - prior(w, j));
        w->hessian[j * w->p + j] = penalty(w, j);
    }
    for (size_t i = 0; i < w->rows->n; i++)
        if (taken(w, i))
            add_row(w, beta, i);
}

/* Cholesky in the lower triangle. A pivot that rounding has eaten is held at what rounding leaves of its
 * diagonal: the step is still downhill, and the next ones correct it. */
static bool factor(struct work *w)
{
    for (size_t j = 0; j < w->p; j++) {
        double *row = w->hessian + j * w->p, diagonal = row[j];
        for (size_t k = 0; k < j; k++) {
            const double *above = w->hessian + k * w->p;
            row[k] = (row[k] - dot(row, above, k)) / above[k];
        }
        double pivot = fmax(diagonal - dot(row, row, j), 8 * DBL_EPSILON * diagonal);
        if (!(pivot > 0) || isinf(pivot))
            return false;
        row[j] = sqrt(pivot);
    }
    return true;
}

/* step = -H⁻¹ gradient; the decrement, gradient' H⁻¹ gradient. */
static double solve(struct work *w)
{
    double decrement = 0;
    for (size_t j = 0; j < w->p; j++) {
        const double *row = w->hessian + j * w->p;
        w->step[j] = (-w->gradient[j] - dot(row, w->step, j)) / row[j];
        decrement += w->step[j] * w->step[j];
    }
    for (size_t j = w->p; j-- > 0;) {
        w->step[j] /= w->hessian[j * w->p + j];
        for (size_t k = 0; k < j; k++)
            w->step[k] -= w->hessian[j * w->p + k] * w->step[j];
    }
    return decrement;
}

/* Moves β along the step, halved until the objective falls; false when it can't. */
static bool descend(struct work *w, double *beta, double *value, double *loss)
{
    double length = 1;
    for (int i = 0; i < MAX_HALVINGS; i++, length *= 0.5) {
        double new_loss;
        for (size_t j = 0; j < w->p; j++)
            w->trial[j] = beta[j] + length * w->step[j];
        double now = objective(w, w->trial, &new_loss);
        if (now < *value) {
            memcpy(beta, w->trial, w->p * sizeof *beta);
            *value = now;
            *loss = new_loss;
            return true;
        }
    }
    return false;
}

static enum linear_state newton(struct work *w, double *beta, struct linear_fit *fit)
{
    double loss, value = objective(w, beta, &loss);
    enum linear_state state = LINEAR_NOT_CONVERGED;
    for (fit->steps = 0;; fit->steps++) {
        derivatives(w, beta);
        if (!isfinite(value) || !factor(w))
            break;
        double decrement = solve(w);
        if (decrement <= CONVERGED * (1 + fabs(value)))
            state = LINEAR_FITTED; /* NOLINT(bugprone-branch-clone): a step may be had between the two */
        else if (fit->steps < MAX_STEPS && descend(w, beta, &value, &loss))
            continue;
        else if (decrement <= GOOD_ENOUGH * (1 + fabs(value)))
            state = LINEAR_FITTED;
        break;
    }
    for (size_t j = 0; j < w->p; j++)
        fit->gradient = fmax(fit->gradient, fabs(w->gradient[j]) / (1 + fit->weight));
    fit->loss = fit->weight > 0 ? loss / fit->weight * (w->rule->kind == LINEAR_RIDGE ? 2 : 1) : 0;
    return state;
}

static bool row_ok(const struct linear_rows *r, size_t i, enum linear_kind kind)
{
    double y = r->y[i], u = weight_of(r, i);
    bool ok = isfinite(y) && u >= 0 && isfinite(u) && (kind == LINEAR_RIDGE || (y >= 0 && y <= 1));
    for (size_t j = 0; ok && j < r->columns; j++)
        ok = isfinite(r->x[i * r->columns + j]);
    return ok;
}

/* LINEAR_FITTED when rows and rule can be worked with. */
static enum linear_state judge(const struct work *w, struct linear_fit *fit)
{
    const struct linear_rows *r = w->rows;
    if (!(w->rule->ridge > 0) || isinf(w->rule->ridge) || r->columns < 1 || r->columns > LINEAR_COLUMNS)
        return LINEAR_BAD_RULE;
    for (size_t j = 0; w->rule->centre && j < r->columns; j++)
        if (!isfinite(w->rule->centre[j]))
            return LINEAR_BAD_RULE;
    for (size_t i = 0; i < r->n; i++) {
        fit->row = i;
        if (!row_ok(r, i, w->rule->kind))
            return LINEAR_BAD_ROWS;
        if (taken(w, i))
            fit->weight += weight_of(r, i);
    }
    fit->row = 0;
    return isfinite(fit->weight) ? LINEAR_FITTED : LINEAR_BAD_ROWS;
}

static struct linear_fit fit_rows(struct work *w, double *coefficients)
{
    struct linear_fit fit = {0};
    size_t p = w->p = w->rows->columns;
    fit.state = judge(w, &fit);
    if (p <= LINEAR_COLUMNS)
        memset(coefficients, 0, p * sizeof *coefficients);
    if (fit.state != LINEAR_FITTED)
        return fit;
    double *memory = malloc((p * p + 3 * p) * sizeof *memory);
    if (!memory) {
        fit.state = LINEAR_NO_MEMORY;
        return fit;
    }
    w->hessian = memory;
    w->gradient = memory + p * p;
    w->step = w->gradient + p;
    w->trial = w->step + p;
    for (size_t j = 0; j < p; j++)
        coefficients[j] = prior(w, j);
    fit.state = newton(w, coefficients, &fit);
    free(memory);
    return fit;
}

struct linear_fit linear_model_fit(const struct linear_rows *rows, const struct linear_rule *rule,
                                   double *coefficients)
{
    struct work w = {.rows = rows, .rule = rule};
    return fit_rows(&w, coefficients);
}

struct linear_fit linear_model_cross_fit(const struct linear_rows *rows, const struct linear_rule *rule,
                                         const unsigned *fold, unsigned folds, double *coefficients)
{
    struct linear_fit worst = {.state = folds >= 2 ? LINEAR_FITTED : LINEAR_BAD_RULE};
    for (unsigned f = 0; f < folds && folds >= 2; f++) {
        struct work w = {.rows = rows, .rule = rule, .fold = fold, .skip = f};
        struct linear_fit fit = fit_rows(&w, coefficients + f * rows->columns);
        if (f == 0 || fit.state > worst.state)
            worst = fit;
    }
    return worst;
}
