#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/rehearse.h"
#include "stats/buckets.h"
#include "stats/tilt.h"

#define BUCKETS (2 * BUCKET_LAST + 1)

/* What one unit in a bucket adds to a treatment's tilt. */
struct bet {
    bool known;
    struct tilt of_treatment, of_control;
};

struct values_replay {
    const struct rehearse_case *c;
    double threshold;
    struct scores scores;
    int64_t *counts;  /* arms × buckets, until scores are registered */
    struct bet *bets; /* arms × buckets */
    struct tilt tilts[REHEARSE_ARMS];
    size_t units, amounts, look;
};

struct values_replay *values_replay_new(const struct rehearse_case *c)
{
    struct values_replay *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->c = c;
    r->threshold = guardrail_threshold(&c->rule);
    r->counts = calloc((size_t)c->arms * BUCKETS, sizeof *r->counts);
    r->bets = calloc((size_t)c->arms * BUCKETS, sizeof *r->bets);
    if (r->counts && r->bets)
        return r;
    values_replay_free(r);
    return NULL;
}

void values_replay_free(struct values_replay *r)
{
    if (!r)
        return;
    free(r->counts);
    free(r->bets);
    free(r);
}

void values_replay_next(struct values_replay *r)
{
    memset(r->counts, 0, (size_t)r->c->arms * BUCKETS * sizeof *r->counts);
    for (size_t i = 0; i < (size_t)r->c->arms * BUCKETS; i++)
        r->bets[i].known = false;
    memset(r->tilts, 0, sizeof r->tilts);
    r->scores = (struct scores){0};
    r->units = r->amounts = r->look = 0;
}

static const struct bet *bet_on(struct values_replay *r, int treatment, int bucket)
{
    struct bet *b = &r->bets[(size_t)treatment * BUCKETS + (size_t)(BUCKET_LAST + bucket)];
    if (!b->known) {
        double q = evt_q((double)r->c->shares[treatment], (double)r->c->shares[0]);
        double score = score_of(&r->scores, bucket);
        *b = (struct bet){.known = true};
        tilt_add(&b->of_treatment, q, score, 1, 0);
        tilt_add(&b->of_control, q, score, 0, 1);
    }
    return b;
}

static void add_times(struct tilt *t, const struct tilt *more, int64_t n)
{
    for (size_t i = 0; i < TILT_GRID; i++) {
        t->up[i] += (long double)n * more->up[i];
        t->down[i] += (long double)n * more->down[i];
    }
    t->any = true;
}

static void take(struct values_replay *r, int arm, int bucket, int64_t n)
{
    for (int k = 1; k < r->c->arms; k++) {
        if (arm == 0)
            add_times(&r->tilts[k], &bet_on(r, k, bucket)->of_control, n);
        else if (arm == k)
            add_times(&r->tilts[k], &bet_on(r, k, bucket)->of_treatment, n);
    }
}

/* From all arms together, then what was waiting for it is counted. */
static void register_scores(struct values_replay *r)
{
    struct bucket_count pooled[BUCKETS];
    enum stat_missing missing;
    for (int b = 0; b < BUCKETS; b++) {
        pooled[b] = (struct bucket_count){b - BUCKET_LAST, 0};
        for (int k = 0; k < r->c->arms; k++)
            pooled[b].n += r->counts[(size_t)k * BUCKETS + (size_t)b];
    }
    if (!scores_register(pooled, BUCKETS, &r->scores, &missing)) {
        r->scores = (struct scores){0};
        return;
    }
    for (int k = 0; k < r->c->arms; k++)
        for (int b = 0; b < BUCKETS; b++) {
            int64_t n = r->counts[(size_t)k * BUCKETS + (size_t)b];
            if (n > 0)
                take(r, k, b - BUCKET_LAST, n);
        }
    r->look = r->units;
}

bool values_replay_add(struct values_replay *r, int arm, double y)
{
    int bucket = bucket_of(y);
    r->units++;
    r->amounts += bucket != 0;
    if (r->scores.scale > 0)
        take(r, arm, bucket, 1);
    else
        r->counts[(size_t)arm * BUCKETS + (size_t)(BUCKET_LAST + bucket)]++;
    if (!(r->scores.scale > 0) && r->amounts >= REHEARSE_AMOUNTS)
        register_scores(r);
    if (!(r->scores.scale > 0) || r->units < r->look)
        return false;
    r->look = r->units + r->units / 200 + 1;
    for (int k = 1; k < r->c->arms; k++)
        if (tilt_log_e(&r->tilts[k], r->c->rule.harm == EVT_UP ? TILT_UP : TILT_DOWN) >= r->threshold)
            return true;
    return false;
}
