/* Time phases: which of them draws for a unit, and when it may change (docs/assignment.md). */
#include <stdlib.h>

#include "core/plan_private.h"

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, NULL, "out of memory");
}

static bool is_bandit(const struct plan_experiment *x)
{
    return x->kind == KIND_BANDIT || x->kind == KIND_CONTEXTUAL;
}

/* --- compiling --- */

/* A time phase's own slots, of owner 0. */
static int own_slots(struct arena *a, const struct phase_def *def, const struct slot_range *from, size_t n,
                     const char *what, struct slots *out, struct error *e)
{
    struct slot_range *ranges = calloc(n + 1, sizeof *ranges);
    if (!ranges)
        return no_memory(e);
    for (size_t i = 0; i < n; i++)
        ranges[i] = (struct slot_range){from[i].lo, from[i].hi, 0};
    int rc = slots_build(a, ranges, n, out, e);
    free(ranges);
    if (rc == ERR_INVALID) {
        struct error why = *e;
        error_set(e, ERR_INVALID, NULL, "phase %d, %s: %.500s", def->number, what, why.text);
    }
    return rc;
}

static int compile_time_phase(struct arena *a, const struct phase_def *def, const struct plan_experiment *x,
                              struct plan_phase *ph, struct error *e)
{
    if (!is_bandit(x))
        return error_set(e, ERR_INVALID, NULL, "phase %d begins at a time, which only a bandit's do",
                         def->number);
    int rc = own_slots(a, def, def->traffic, def->n_traffic, "traffic", &ph->own, e);
    if (rc == 0)
        rc = own_slots(a, def, def->closed, def->n_closed, "closed traffic", &ph->own_closed, e);
    if (rc == 0 && slots_meet(&ph->own, &x->traffic))
        rc =
            error_set(e, ERR_INVALID, NULL, "phase %d owns slots of the slice that is reserved", def->number);
    for (size_t i = 0; i < ph->own_closed.n && rc == 0; i++)
        if (!slots_contain(&ph->own, &ph->own_closed.ranges[i]))
            rc = error_set(e, ERR_INVALID, NULL, "phase %d closes slots [%u,%u) that it does not own",
                           def->number, ph->own_closed.ranges[i].lo, ph->own_closed.ranges[i].hi);
    return rc;
}

static int by_number(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;
    return (x->phase->number > y->phase->number) - (x->phase->number < y->phase->number);
}

/* Of two phases the one with the higher number draws once it has begun, whatever the other's time says: so
 * one that does not begin before its follower never draws. */
static int compile_timeline(struct arena *a, struct plan_experiment *x, struct error *e)
{
    size_t n = 0;
    x->timeline = arena_alloc(a, x->n_phases * sizeof *x->timeline);
    if (!x->timeline)
        return no_memory(e);
    for (size_t i = 0; i < x->n_phases; i++)
        if (x->phases[i].timed)
            x->timeline[n++] = (struct moment){x->phases[i].from_us, &x->phases[i]};
    if (n > 1)
        qsort(x->timeline, n, sizeof *x->timeline, by_number);
    for (size_t i = 0; i < n; i++) {
        while (x->n_timeline > 0 && x->timeline[x->n_timeline - 1].from_us >= x->timeline[i].from_us)
            x->n_timeline--;
        x->timeline[x->n_timeline++] = x->timeline[i];
    }
    return 0;
}

int plan_compile_bandit(struct arena *a, const struct experiment_def *def, struct plan_experiment *x,
                        struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < def->n_phases && rc == 0; i++)
        if (def->phases[i].timed)
            rc = compile_time_phase(a, &def->phases[i], x, &x->phases[i], e);
    if (rc || !is_bandit(x))
        return rc;
    if (!def->bandit)
        return error_set(e, ERR_INVALID, NULL, "it is a bandit without a \"bandit\" in its definition");
    if (def->bandit->stick_us < 0)
        return error_set(e, ERR_INVALID, NULL, "stick_us is %lld, not 0 or more microseconds",
                         (long long)def->bandit->stick_us);
    x->assign = def->bandit->assign;
    x->stick_us = x->assign == ASSIGN_UNIT ? def->bandit->stick_us : 0;
    if (x->kind == KIND_CONTEXTUAL && x->assign != ASSIGN_DECISION)
        return error_set(e, ERR_INVALID, NULL,
                         "a contextual bandit draws each decision: \"assign\" must be "
                         "\"decision\"");
    rc = compile_timeline(a, x, e);
    if (rc == 0 && x->status == STATUS_RUNNING && x->n_timeline == 0)
        rc = error_set(e, ERR_INVALID, NULL, "it is running without a time phase");
    return rc;
}

/* --- which phase --- */

/* The last entry that has begun; 0 before all of them. */
static size_t moment_at(const struct plan_experiment *x, int64_t at_us)
{
    size_t lo = 0, hi = x->n_timeline;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (x->timeline[mid].from_us <= at_us)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo > 0 ? lo - 1 : 0;
}

const struct plan_phase *plan_phase_at(const struct plan_experiment *x, int64_t at_us)
{
    return x->n_timeline > 0 ? x->timeline[moment_at(x, at_us)].phase : NULL;
}

/* (word x us) >> 32 where the product may have more than 64 bits. */
static int64_t part_of(uint32_t word, int64_t us)
{
    uint64_t high = (uint64_t)us >> 32, low = (uint64_t)us & UINT32_MAX;
    return (int64_t)(word * high + (word * low >> 32));
}

int64_t plan_epoch(const struct plan_experiment *x, uint32_t w3, int64_t now_us)
{
    if (x->stick_us == 0)
        return now_us;
    int64_t within = (now_us - part_of(w3, x->stick_us)) % x->stick_us;
    return now_us - (within < 0 ? within + x->stick_us : within);
}

const struct plan_phase *plan_time_phase(const struct plan_experiment *x, const struct draw *d,
                                         int64_t now_us, int64_t *epoch_us, bool *closed)
{
    uint32_t slot = slot_of(d->w[DRAW_SELECT]);
    const struct plan_phase *now = plan_phase_at(x, now_us);
    *epoch_us = plan_epoch(x, d->w[DRAW_EPOCH], now_us);
    *closed = false;
    if (!now || slots_owner(&now->own, slot) == SLOTS_NOBODY)
        return NULL;
    *closed = slots_owner(&now->own_closed, slot) != SLOTS_NOBODY;
    /* The slot may have been opened since the epoch began: then by the first phase that has it. */
    size_t i = moment_at(x, *epoch_us);
    while (x->timeline[i].phase != now && slots_owner(&x->timeline[i].phase->own, slot) == SLOTS_NOBODY)
        i++;
    return x->timeline[i].phase;
}

uint32_t plan_open_ppm(const struct plan_experiment *x, int64_t now_us)
{
    const struct plan_phase *now = plan_phase_at(x, now_us);
    return x->open_ppm + (now ? now->own.total - now->own_closed.total : 0);
}
