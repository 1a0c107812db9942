/* Live traffic and a harmless experiment, unit by unit, with all that makes counting hard: a ramp by slot,
 * returning people, decisions fetched ahead, people with two ids that get merged, erasure, late and repeated
 * events, a drifting base rate. A small model of how the database counts, looked at after every counted
 * event. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "looks.h"
#include "sim.h"

#define ALPHA 0.05
#define PHASES 3
#define VISITS 18000
#define PEOPLE VISITS /* at most a new one a visit */
#define EVENTS 16000
#define NONE (-1)

/* Wrong ways of counting, one at a time. */
enum wrong { RIGHT, BY_EXPOSURE_TIME, TWO_VARIANTS_LEFT_OUT, REPEATED_EVENTS };

struct setting {
    double share[PHASES]; /* of treatment */
    enum evt_harm harm;
    enum wrong wrong;
};

/* One randomised unit: an id of a person. Slot and draw are drawn when it first comes and never change. */
struct unit {
    double slot, draw;
    int phase;         /* that drew it; NONE: not decided yet */
    int counted_phase; /* that its events are put down to */
    int arm;
    double exposed; /* time; INFINITY: not exposed */
    bool had_event;
};

struct person {
    struct unit unit[2];                    /* the second id is used from time to time until it is merged */
    bool two, joined, merged, two_variants; /* joined: merged, as the visits are drawn */
    double risk;
    int hits[PHASES][2]; /* what of it is in the counts */
};

enum happening { EVENT, EXPOSURE, MERGE };

struct late {
    double time;
    int person, id;
    enum happening what;
};

struct world {
    const struct setting *set;
    struct rng *r;
    struct person people[PEOPLE];
    int known;
    struct late late[EVENTS];
    int n_late;
    struct evt_phase counts[PHASES];
};

static int by_time(const void *a, const void *b)
{
    double x = ((const struct late *)a)->time, y = ((const struct late *)b)->time;
    return (x > y) - (x < y);
}

static void later(struct world *w, double time, int person, int id, enum happening what)
{
    if (w->n_late < EVENTS)
        w->late[w->n_late++] = (struct late){time, person, id, what};
}

static int phase_now(double time)
{
    int k = (int)(time * PHASES / VISITS);
    return k < PHASES ? k : PHASES - 1;
}

/* Decides once: a unit's phase is a function of its traffic slot, once that is open. */
static bool decided(const struct world *w, struct unit *u, double time)
{
    int k = (int)(u->slot * PHASES);
    if (u->phase == NONE && k <= phase_now(time)) {
        u->phase = k;
        u->arm = u->draw < w->set->share[k];
    }
    return u->phase != NONE;
}

static struct unit new_unit(struct rng *r)
{
    return (struct unit){.slot = uniform(r), .draw = uniform(r), .phase = NONE, .exposed = INFINITY};
}

static int visitor(struct world *w)
{
    if (w->known > 0 && uniform(w->r) < 0.4) {
        int i = (int)(uniform(w->r) * w->known);
        for (int k = 0; k < 20 && !w->people[i].two && uniform(w->r) < 0.9; k++)
            i = (int)(uniform(w->r) * w->known);
        return i;
    }
    struct person *p = &w->people[w->known];
    memset(p, 0, sizeof *p);
    p->unit[0] = new_unit(w->r);
    p->unit[1] = new_unit(w->r);
    p->two = uniform(w->r) < 0.3;
    p->risk = p->two ? 4 + exponential(w->r) : exponential(w->r); /* who comes by two ways comes more */
    return w->known++;
}

/* A burst: the first event and, often, more of the same. */
static void burst(struct world *w, double time, int person, int id)
{
    double at = time + 800 * exponential(w->r);
    int n = 1 + (int)geometric(w->r, 1.0 / 3); /* three on average */
    for (int i = 0; i < n; i++, at += 50 * exponential(w->r))
        later(w, at, person, id, EVENT);
}

/* The whole run's visits: who comes, what they will do and when. Nothing in it asks for the variant. */
static void visits(struct world *w, bool rising)
{
    for (int t = 0; t < VISITS; t++) {
        int i = visitor(w), id = 0;
        struct person *p = &w->people[i];
        if (p->two) /* either device, logged in or not */
            id = uniform(w->r) < 0.5;
        if (!decided(w, &p->unit[id], t))
            continue;
        double show = uniform(w->r), base = 0.02 * (rising ? 1 + 3.0 * t / VISITS : 4 - 3.0 * t / VISITS);
        if (show < 0.7) /* seen at once; else fetched ahead: seen later, or never */
            later(w, t, i, id, EXPOSURE);
        else if (show < 0.85)
            later(w, t + 1500 * exponential(w->r), i, id, EXPOSURE);
        if (uniform(w->r) < base * p->risk)
            burst(w, t, i, id);
        if (p->two && !p->joined && uniform(w->r) < 0.5) {
            p->joined = true;
            later(w, t, i, id, MERGE);
        }
    }
    qsort(w->late, (size_t)w->n_late, sizeof *w->late, by_time);
}

/* The unit a person counts as: the one exposed first, once the two ids are known to be one person. */
static struct unit *counts_as(struct person *p, int id)
{
    return p->merged ? &p->unit[p->unit[1].exposed < p->unit[0].exposed] : &p->unit[id];
}

static void add(struct world *w, struct person *p, int phase, int arm, int n)
{
    *(arm ? &w->counts[phase].treatment : &w->counts[phase].control) += n;
    p->hits[phase][arm] += n;
}

/* The mutant: who was seen in two variants disappears from the counts, with what was counted. */
static void leave_out(struct world *w, struct person *p)
{
    p->two_variants = true;
    for (int k = 0; k < PHASES; k++)
        for (int arm = 0; arm < 2; arm++)
            add(w, p, k, arm, -p->hits[k][arm]);
}

static void look_for_two(struct world *w, struct person *p)
{
    bool both = p->merged && isfinite(p->unit[0].exposed) && isfinite(p->unit[1].exposed);
    if (w->set->wrong == TWO_VARIANTS_LEFT_OUT && both && !p->two_variants &&
        p->unit[0].arm != p->unit[1].arm)
        leave_out(w, p);
}

static void exposure(struct world *w, const struct late *e)
{
    struct unit *u = &w->people[e->person].unit[e->id];
    if (isinf(u->exposed)) {
        u->exposed = e->time;
        u->counted_phase = w->set->wrong == BY_EXPOSURE_TIME ? phase_now(e->time) : u->phase;
    }
    look_for_two(w, &w->people[e->person]);
}

/* Whether the event changed the counts. */
static bool event(struct world *w, const struct late *e)
{
    struct person *p = &w->people[e->person];
    struct unit *u = counts_as(p, e->id);
    bool had = p->merged ? p->unit[0].had_event || p->unit[1].had_event : u->had_event;
    if (isinf(u->exposed) || e->time < u->exposed || p->two_variants)
        return false;
    if (had && w->set->wrong != REPEATED_EVENTS)
        return false;
    u->had_event = true;
    add(w, p, u->counted_phase, u->arm, 1);
    return true;
}

/* Forgotten: what was counted stays as a residue; should the person come back, they are new. */
static void erase(struct world *w, int person)
{
    struct person *p = &w->people[person];
    for (int id = 0; id < 2; id++) {
        p->unit[id].exposed = INFINITY;
        p->unit[id].had_event = false;
    }
    memset(p->hits, 0, sizeof p->hits);
}

static double world_run(struct rng *r, const void *arg)
{
    static struct world w;
    w.set = arg;
    w.r = r;
    w.known = w.n_late = 0;
    for (int k = 0; k < PHASES; k++)
        w.counts[k] = (struct evt_phase){0, 0, w.set->share[k]};
    visits(&w, uniform(r) < 0.5);
    for (int i = 0; i < w.n_late; i++) {
        if (uniform(r) < 0.002)
            erase(&w, (int)(uniform(r) * w.known));
        struct person *p = &w.people[w.late[i].person];
        if (w.late[i].what == MERGE) {
            p->merged = true;
            look_for_two(&w, p);
        } else if (w.late[i].what == EXPOSURE)
            exposure(&w, &w.late[i]);
        else if (event(&w, &w.late[i]) && evt_stops(w.counts, PHASES, w.set->harm, -log(ALPHA)))
            return 1;
    }
    return 0;
}

void world_rows(struct sim *s)
{
    static const char *const names[] = {NULL, "exposure-time", "two-variants-left-out", "repeated-events"};
    enum wrong wrong = RIGHT;
    for (int i = BY_EXPOSURE_TIME; i <= REPEATED_EVENTS; i++)
        if (mutated(s, names[i]))
            wrong = (enum wrong)i;
    if (s->mutant && wrong == RIGHT)
        return;
    for (int i = 0; i < 4; i++) {
        struct setting set = {.share = {0.05, 0.2, 0.5}, .harm = i % 2 ? EVT_DOWN : EVT_UP, .wrong = wrong};
        for (int k = 0; k < PHASES && i >= 2; k++)
            set.share[k] = 1 - set.share[k];
        char row[160];
        snprintf(row, sizeof row,
                 "returning 40 %%, fetched ahead, ramp by slot %s %%, merges, erasure, harm %s: false stops",
                 i < 2 ? "5-20-50" : "95-80-50", i % 2 ? "down" : "up");
        if (!wanted(s, row))
            continue;
        double *x = results_of(s, row, s->runs, world_run, &set);
        row_false(s, row, x, s->runs, ALPHA);
        results_free(x, s->runs);
    }
}
