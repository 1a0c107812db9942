/* The power a planned size really has. plan_power CONTROL_UNITS TREATMENT_UNITS BASE RATIO ALPHA METHOD
 * prints it: fixed and sequential by seeded runs of binary units, guardrail by every path of the first events
 * (stop alpha). */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stats/asympcs.h"
#include "stats/evt.h"
#include "stats/fixed.h"

#define RUNS 2000
#define LOOKS 200

struct plan {
    int64_t control, treatment;
    double base, ratio, alpha;
};

static uint64_t state = 20261122;

static double uniform(void) /* xorshift64* */
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (double)((state * UINT64_C(2685821657736338717)) >> 11) * 0x1p-53;
}

static void draw(struct arm_sums *a, int64_t upto, double p)
{
    for (; a->n < (double)upto; a->n++)
        a->sum += uniform() < p;
}

/* Does the test see the effect at any of its looks? */
static bool sees(const struct plan *p, bool sequential)
{
    struct arm_sums c = {0}, t = {0};
    struct asympcs_rule rule = {p->alpha, (double)(p->control + p->treatment), ASYMPCS_BOTH};
    for (int look = 1; look <= LOOKS; look++) {
        draw(&c, p->control * look / LOOKS, p->base);
        draw(&t, p->treatment * look / LOOKS, p->base * p->ratio);
        if (!sequential && look < LOOKS)
            continue;
        double d = t.sum / t.n - c.sum / c.n;
        double se = sqrt(arm_mean_variance(&t, true) + arm_mean_variance(&c, true));
        double width = sequential ? asympcs_multiplier(&rule, c.n + t.n) : 1.959963984540054;
        if ((d > 0) == (p->ratio > 1) && fabs(d) > width * se)
            return true;
    }
    return false;
}

static double by_runs(const struct plan *p, bool sequential)
{
    int n = 0;
    for (int i = 0; i < RUNS; i++)
        n += sees(p, sequential);
    return (double)n / RUNS;
}

/* The chance of each count of treatment's events, event by event, until the threshold. */
static double by_paths(const struct plan *p)
{
    double q = evt_q((double)p->treatment, (double)p->control), theta = q * p->ratio / (q * p->ratio + 1 - q);
    int events = (int)lround((double)p->control * p->base + (double)p->treatment * p->base * p->ratio);
    bool up = p->ratio > 1; /* else the arms change places */
    q = up ? q : 1 - q;
    theta = up ? theta : 1 - theta;
    double *chance = calloc((size_t)events + 2, sizeof *chance), hit = 0;
    chance[0] = 1;
    for (int n = 1, needed = 1; n <= events; n++) {
        for (int s = n; s > 0; s--)
            chance[s] = chance[s] * (1 - theta) + chance[s - 1] * theta;
        chance[0] *= 1 - theta;
        for (; needed <= n; needed++) {
            struct evt_phase e = {needed, n - needed, q};
            if (evt_log_e(&e, 1, 1, EVT_UP) >= -log(p->alpha))
                break;
        }
        for (int s = needed; s <= n; s++) {
            hit += chance[s];
            chance[s] = 0;
        }
    }
    free(chance);
    return hit;
}

int main(int argc, char **argv)
{
    if (argc != 7)
        return 2;
    struct plan p = {atoll(argv[1]), atoll(argv[2]), atof(argv[3]), atof(argv[4]), atof(argv[5])};
    bool paths = strcmp(argv[6], "guardrail") == 0;
    printf("%.4f\n", paths ? by_paths(&p) : by_runs(&p, strcmp(argv[6], "sequential") == 0));
    return 0;
}
