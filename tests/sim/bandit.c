#include "bandit.h"

#include <stdlib.h>

void bandit_init(struct bandit *b, size_t k, double floor)
{
    double even[THOMPSON_ARMS];
    *b = (struct bandit){.k = k, .floor_ppm = (uint32_t)(floor * THOMPSON_PPM + 0.5)};
    for (size_t i = 0; i < k; i++)
        even[i] = 1;
    if (!thompson_shares(even, k, b->floor_ppm, b->ppm))
        abort();
}

int bandit_pull(struct bandit *b, struct rng *r)
{
    double slot = uniform(r) * THOMPSON_PPM, sum = 0;
    b->pulls++;
    for (size_t i = 0; i + 1 < b->k; i++)
        if (slot < (sum += b->ppm[i]))
            return (int)i;
    return (int)b->k - 1;
}

void bandit_reward(struct bandit *b, int arm, double y)
{
    b->sums[arm].n += 1;
    b->sums[arm].sum += y;
    b->sums[arm].sum_sq += y * y;
}

static bool best(const struct bandit *b, double *w)
{
    struct thompson_rate rates[THOMPSON_ARMS];
    struct thompson_mean means[THOMPSON_ARMS];
    if (b->gaussian) {
        thompson_means(b->sums, b->k, means);
        return thompson_gaussian(means, b->k, w);
    }
    thompson_rates(b->sums, b->k, rates);
    return thompson_beta(rates, b->k, w);
}

bool bandit_update(struct bandit *b)
{
    double w[THOMPSON_ARMS];
    uint32_t ppm[THOMPSON_ARMS];
    bool moved = false;
    for (size_t i = 0; i < b->k; i++)
        if (b->sums[i].n < BANDIT_WARM_UP)
            return false;
    if (!best(b, w) || !thompson_shares(w, b->k, b->floor_ppm, ppm))
        abort();
    for (size_t i = 0; i < b->k; i++)
        moved = moved || abs((int)ppm[i] - (int)b->ppm[i]) > 1000;
    for (size_t i = 0; i < b->k && moved; i++)
        b->ppm[i] = ppm[i];
    return moved;
}
