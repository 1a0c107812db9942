#include "stats/calibration.h"

#include <math.h>
#include <stdlib.h>

struct placed {
    double predicted;
    size_t row;
};

static int by_prediction(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    if (x->predicted != y->predicted)
        return x->predicted < y->predicted ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static double weight_of(const double *weight, size_t i)
{
    return weight ? weight[i] : 1;
}

static void add(struct calibration_bin *b, double predicted, double observed, double u)
{
    b->n++;
    b->weight += u;
    b->predicted += u * predicted;
    b->observed += u * observed;
}

/* Sums become means. */
static void close_bin(struct calibration_bin *b)
{
    if (!(b->weight > 0))
        return;
    b->predicted /= b->weight;
    b->observed /= b->weight;
}

static struct calibration summed(const struct placed *order, const double *observed, const double *weight,
                                 size_t n)
{
    struct calibration c = {.bins = n < CALIBRATION_BINS ? n : CALIBRATION_BINS};
    struct calibration_bin all = {0};
    for (size_t b = 0; b < c.bins; b++) {
        for (size_t i = b * n / c.bins; i < (b + 1) * n / c.bins; i++) {
            double y = observed[order[i].row], u = weight_of(weight, order[i].row), p = order[i].predicted;
            add(&c.bin[b], p, y, u);
            add(&all, p, y, u);
            c.squared += u * (y - p) * (y - p);
        }
        close_bin(&c.bin[b]);
    }
    close_bin(&all);
    for (size_t b = 0; b < c.bins && all.weight > 0; b++)
        c.error += c.bin[b].weight / all.weight * fabs(c.bin[b].observed - c.bin[b].predicted);
    c.predicted = all.predicted;
    c.observed = all.observed;
    c.squared = all.weight > 0 ? c.squared / all.weight : 0;
    c.answered = all.weight > 0 && isfinite(c.error) && isfinite(c.squared);
    return c;
}

struct calibration calibration_of(const double *predicted, const double *observed, const double *weight,
                                  size_t n)
{
    struct calibration none = {0};
    if (n == 0)
        return none;
    struct placed *order = malloc(n * sizeof *order);
    if (!order)
        return (struct calibration){.no_memory = true};
    bool sane = true;
    for (size_t i = 0; i < n; i++) {
        order[i] = (struct placed){predicted[i], i};
        sane = sane && isfinite(predicted[i]) && isfinite(observed[i]) && weight_of(weight, i) >= 0 &&
               isfinite(weight_of(weight, i));
    }
    struct calibration c = none;
    if (sane) {
        qsort(order, n, sizeof *order, by_prediction);
        c = summed(order, observed, weight, n);
    }
    free(order);
    return c.answered ? c : none;
}
