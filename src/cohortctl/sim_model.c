#include "cohortctl/sim_model.h"

#include <math.h>
#include <string.h>

#include "cohortctl/values.h"

/* Copies what stands before `sep` in text; returns what stands behind it, or NULL. */
static const char *take_name(const char *text, char sep, char out[SIM_NAME_MAX + 1])
{
    const char *at = strchr(text, sep);
    size_t n = at ? (size_t)(at - text) : 0;
    if (n == 0 || n > SIM_NAME_MAX)
        return NULL;
    memcpy(out, text, n);
    out[n] = '\0';
    return at + 1;
}

static int find_metric(const struct sim_model *m, const char *name)
{
    for (size_t i = 0; i < m->n_metrics; i++)
        if (strcmp(m->metrics[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int add_base(struct sim_model *m, const char *text, struct error *e)
{
    if (m->n_metrics == SIM_METRICS_MAX)
        return error_set(e, ERR_LIMIT, "--base", "at most %d metrics can be played", SIM_METRICS_MAX);
    char name[SIM_NAME_MAX + 1];
    const char *number = take_name(text, '=', name);
    if (!number)
        return error_set(e, ERR_INVALID, "--base",
                         "takes metric=probability, such as unsubscribe=0.03, not '%.100s'", text);
    if (find_metric(m, name) >= 0)
        return error_set(e, ERR_INVALID, "--base", "%s is given twice", name);
    memcpy(m->metrics[m->n_metrics].name, name, sizeof name);
    int rc = value_number("--base", number, 0, 1, &m->metrics[m->n_metrics].base, e);
    m->n_metrics += rc == 0;
    return rc;
}

static int add_effect(struct sim_model *m, const char *text, struct error *e)
{
    if (m->n_effects == SIM_EFFECTS_MAX)
        return error_set(e, ERR_LIMIT, "--effect", "at most %d effects can be played", SIM_EFFECTS_MAX);
    struct sim_effect *f = &m->effects[m->n_effects];
    char metric[SIM_NAME_MAX + 1];
    const char *rest = take_name(text, ':', f->variant);
    const char *number = rest ? take_name(rest, '=', metric) : NULL;
    if (!number)
        return error_set(
            e, ERR_INVALID, "--effect",
            "takes variant:metric=multiplier, such as daily_digest:unsubscribe=1.6, not '%.100s'", text);
    int at = find_metric(m, metric);
    if (at < 0)
        return error_set(e, ERR_INVALID, "--effect", "%s has no --base; add --base %s=0.03", metric, metric);
    f->metric = (size_t)at;
    int rc = value_number("--effect", number, 0, 1e6, &f->multiplier, e);
    m->n_effects += rc == 0;
    return rc;
}

int sim_model_init(struct sim_model *m, uint64_t seed, const struct cli_list *base,
                   const struct cli_list *effects, struct error *e)
{
    int rc = 0;
    *m = (struct sim_model){.seed = seed};
    for (size_t i = 0; rc == 0 && i < base->n; i++)
        rc = add_base(m, base->items[i], e);
    for (size_t i = 0; rc == 0 && i < effects->n; i++)
        rc = add_effect(m, effects->items[i], e);
    return rc;
}

/* splitmix64's finaliser: every bit of x moves every bit of the result. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

/* Of [0, 1): the customer's own number for that metric and purpose. */
static double draw(const struct sim_model *m, uint64_t customer, size_t metric, uint64_t purpose)
{
    return (double)(mix(mix(mix(m->seed) ^ customer) ^ (metric + (purpose << 32))) >> 11) * 0x1p-53;
}

int64_t sim_model_delay_us(const struct sim_model *m, uint64_t customer, size_t metric, double mean_s)
{
    return (int64_t)(-log1p(-draw(m, customer, metric, 1)) * mean_s * 1e6);
}

bool sim_model_twice(const struct sim_model *m, uint64_t customer, size_t metric, double share)
{
    return draw(m, customer, metric, 2) < share;
}

bool sim_model_happens(const struct sim_model *m, uint64_t customer, const char *variant, size_t metric)
{
    double p = m->metrics[metric].base;
    for (size_t i = 0; i < m->n_effects && variant; i++)
        if (m->effects[i].metric == metric && strcmp(m->effects[i].variant, variant) == 0)
            p *= m->effects[i].multiplier;
    return draw(m, customer, metric, 0) < p;
}
