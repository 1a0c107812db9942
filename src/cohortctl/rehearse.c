#include "cohortctl/rehearse.h"

#include <math.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/draw.h"

#define THREADS 16

/* An event that counts if its unit is drawn into an arm for which it is real. */
struct mark {
    double at;
    size_t unit;
    bool injected; /* happens in treatment only */
};

struct job {
    const struct rehearse_case *c;
    struct rehearse_run *runs;
    size_t salts;
    atomic_size_t next;
    atomic_bool failed;
    const struct mark *events; /* the real ones, in order */
    size_t n_events, room;
    int *needed[REHEARSE_ARMS]; /* by treatment: how many of n events the harmed arm must have */
};

struct dice {
    uint64_t state;
};

static double roll(struct dice *d) /* splitmix64 */
{
    uint64_t z = (d->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static void make_salts(const struct rehearse_case *c, size_t i, uint8_t out[2 * SALT_BYTES])
{
    uint8_t seed[randombytes_SEEDBYTES] = {0};
    uint64_t index = i;
    memcpy(seed, &c->seed, sizeof c->seed);
    memcpy(seed + sizeof c->seed, &index, sizeof index);
    randombytes_buf_deterministic(out, (size_t)2 * SALT_BYTES, seed);
}

/* The arm of a unit, or -1: it doesn't take part. */
static int arm_of(const struct rehearse_case *c, const uint8_t salts[2 * SALT_BYTES], const struct unit *u)
{
    struct draw d;
    if (c->included_ppm < SLOTS) {
        draw_unit(salts, u, &d);
        if (slot_of(d.w[DRAW_SELECT]) >= c->included_ppm)
            return -1;
    }
    draw_unit(salts + SALT_BYTES, u, &d);
    int64_t slot = slot_of(d.w[DRAW_VARIANT]);
    for (int k = 0; k < c->arms; k++)
        if ((slot -= c->shares[k]) < 0)
            return k;
    return -1;
}

static int by_time(const void *a, const void *b)
{
    const struct mark *x = a, *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return x->unit < y->unit ? -1 : x->unit > y->unit;
}

/* Units without an event that would have one in treatment: each unit's risk p becomes p × effect. Their delay
 * is that of a real event. */
static size_t inject(const struct job *j, struct dice *d, struct mark *out, size_t room)
{
    const struct rehearse_case *c = j->c;
    double last = c->n ? c->units[c->n - 1].first : 0, extra = (c->effect - 1) * (double)j->n_events;
    size_t n = 0, wanted = extra > 0 ? (size_t)llround(extra) : 0;
    last = j->n_events ? fmax(last, j->events[j->n_events - 1].at) : last;
    for (size_t tries = 0; n < wanted && n < room && tries < 20 * wanted; tries++) {
        size_t unit = (size_t)(roll(d) * (double)c->n);
        const struct rehearse_unit *u = &c->units[unit], *model;
        if (isfinite(u->at))
            continue;
        model = &c->units[j->events[(size_t)(roll(d) * (double)j->n_events)].unit];
        out[n++] = (struct mark){fmin(u->first + model->at - model->first, last), unit, true};
    }
    return n;
}

static void found(const struct job *j, double at, struct rehearse_run *run)
{
    const struct rehearse_case *c = j->c;
    size_t lo = 0, hi = c->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (c->units[mid].first <= at)
            lo = mid + 1;
        else
            hi = mid;
    }
    *run =
        (struct rehearse_run){true, at - c->units[0].first, (int64_t)lo * c->included_ppm / (int64_t)SLOTS};
}

/* After each event, each treatment against control. */
static void replay(const struct job *j, size_t i, struct mark *marks)
{
    const struct rehearse_case *c = j->c;
    struct dice d = {c->seed * 1000003u + i};
    uint8_t salts[2 * SALT_BYTES];
    int64_t counts[REHEARSE_ARMS] = {0};
    size_t n = j->n_events;
    bool up = c->rule.harm == EVT_UP;
    make_salts(c, i, salts);
    memcpy(marks, j->events, n * sizeof *marks);
    n += inject(j, &d, marks + n, j->room - n);
    qsort(marks, n, sizeof *marks, by_time);
    for (size_t m = 0; m < n; m++) {
        int arm = arm_of(c, salts, &c->units[marks[m].unit].unit);
        bool spared = arm > 0 && c->effect < 1 && roll(&d) >= c->effect;
        if (arm < 0 || (marks[m].injected && arm == 0) || spared)
            continue;
        counts[arm]++;
        for (int k = 1; k < c->arms; k++) {
            int64_t both = counts[0] + counts[k], harmed = up ? counts[k] : counts[0];
            if ((arm == k || arm == 0) && harmed >= j->needed[k][both]) {
                found(j, marks[m].at, &j->runs[i]);
                return;
            }
        }
    }
}

/* After each of the first thousand units, then each hundredth part. */
static void replay_units(const struct job *j, size_t i)
{
    const struct rehearse_case *c = j->c;
    uint8_t salts[2 * SALT_BYTES];
    int64_t counts[REHEARSE_ARMS] = {0};
    double weights[REHEARSE_ARMS];
    size_t taken = 0, look = 1;
    for (int k = 0; k < c->arms; k++)
        weights[k] = (double)c->shares[k];
    make_salts(c, i, salts);
    for (size_t u = 0; u < c->n; u++) {
        int arm = arm_of(c, salts, &c->units[u].unit);
        if (arm < 0)
            continue;
        counts[arm]++;
        if (++taken < look)
            continue;
        look = taken < 1000 ? taken + 1 : taken + taken / 100;
        if (srm_log_e(counts, weights, (size_t)c->arms) >= -log(SRM_ALPHA)) {
            found(j, c->units[u].first, &j->runs[i]);
            return;
        }
    }
}

/* Units as they mature; harm is put in by multiplying the values of treatment. */
static void replay_values(const struct job *j, size_t i, struct values_replay *v)
{
    const struct rehearse_case *c = j->c;
    uint8_t salts[2 * SALT_BYTES];
    make_salts(c, i, salts);
    values_replay_next(v);
    for (size_t u = 0; u < c->n; u++) {
        int arm = isfinite(c->units[u].at) ? arm_of(c, salts, &c->units[u].unit) : -1;
        if (arm >= 0 && values_replay_add(v, arm, c->units[u].y * (arm > 0 ? c->effect : 1))) {
            found(j, c->units[u].at, &j->runs[i]);
            return;
        }
    }
}

static void *work(void *arg)
{
    struct job *j = arg;
    struct values_replay *values = j->c->by_values && !j->c->srm ? values_replay_new(j->c) : NULL;
    struct mark *marks = calloc(j->room + 1, sizeof *marks);
    size_t i;
    bool ready = marks && (values || !j->c->by_values || j->c->srm);
    if (!ready)
        atomic_store(&j->failed, true);
    while (ready && (i = atomic_fetch_add(&j->next, 1)) < j->salts) {
        if (j->c->srm)
            replay_units(j, i);
        else if (values)
            replay_values(j, i, values);
        else
            replay(j, i, marks);
    }
    values_replay_free(values);
    free(marks);
    return NULL;
}

/* The least count of the harmed arm that reaches the threshold, for every number of events: the test itself,
 * asked once for each instead of in every replay. */
static int *line_of(const struct rehearse_case *c, int treatment, size_t room)
{
    int *needed = calloc(room + 1, sizeof *needed), least = 1;
    double q = evt_q((double)c->shares[treatment], (double)c->shares[0]);
    double threshold = guardrail_threshold(&c->rule);
    for (size_t n = 1; needed && n <= room; n++) {
        for (; least <= (int)n; least++) {
            bool up = c->rule.harm == EVT_UP;
            int64_t other = (int64_t)n - least;
            struct evt_phase p = {up ? least : other, up ? other : least, q};
            if (evt_log_e(&p, 1, c->rule.margin, c->rule.harm) >= threshold)
                break;
        }
        needed[n] = least;
    }
    if (needed)
        needed[0] = 1;
    return needed;
}

static void run_all(struct job *j)
{
    pthread_t threads[THREADS];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t n = 0;
    while (n < THREADS && (long)n + 1 < processors && pthread_create(&threads[n], NULL, work, j) == 0)
        n++;
    work(j);
    for (size_t i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

int rehearse(const struct rehearse_case *c, size_t salts, struct rehearse_run *runs, struct error *e)
{
    struct job j = {.c = c, .runs = runs, .salts = salts};
    struct mark *events = calloc(c->n + 1, sizeof *events);
    bool ok = events != NULL;
    memset(runs, 0, salts * sizeof *runs);
    for (size_t i = 0; ok && i < c->n; i++)
        if (isfinite(c->units[i].at))
            events[j.n_events++] = (struct mark){c->units[i].at, i, false};
    if (ok)
        qsort(events, j.n_events, sizeof *events, by_time);
    j.events = events;
    j.room = (size_t)((double)j.n_events * fmax(1, c->effect)) + 1;
    for (int k = 1; ok && !c->srm && !c->by_values && k < c->arms; k++)
        ok = (j.needed[k] = line_of(c, k, j.room)) != NULL;
    if (ok && c->n > 0)
        run_all(&j);
    for (int k = 1; k < c->arms; k++)
        free(j.needed[k]);
    free(events);
    return ok && !atomic_load(&j.failed) ? 0 : error_set(e, ERR_NOMEM, "", "out of memory");
}
