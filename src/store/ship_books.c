#include "store/ship_books.h"

#include <string.h>

static void set_mark(struct ship_books *b, const struct ship_mark *m)
{
    pthread_mutex_lock(&b->lock);
    b->mark = *m;
    b->known = m->has_before != 0;
    pthread_mutex_unlock(&b->lock);
    if (b->known && b->source->remember)
        b->source->remember(b->source->arg, m);
}

void ship_books_init(struct ship_books *b, const struct group_source *source)
{
    struct ship_mark m;
    struct source_counts now;
    uint8_t id[16];
    memset(b, 0, sizeof *b);
    pthread_mutex_init(&b->lock, NULL);
    b->source = source;
    source->id(source->arg, id);
    source->counts(source->arg, &now);
    if (source->recall && source->recall(source->arg, &m) && memcmp(m.spool, id, 16) == 0 && m.has_before &&
        m.accepted + m.before <= (int64_t)now.accepted && m.watermark <= source->last(source->arg)) {
        b->mark = m;
        b->known = true;
    }
}

void ship_books_destroy(struct ship_books *b)
{
    pthread_mutex_destroy(&b->lock);
}

void ship_books_set(struct ship_books *b, const struct ship_mark *m)
{
    struct ship_mark mark = *m;
    struct source_counts now;
    b->source->counts(b->source->arg, &now); /* before `last`: a group may come in between */
    if (!mark.has_before && mark.watermark == 0) {
        mark.before = (int64_t)now.deleted;
        mark.has_before = true;
    } else if (!mark.has_before && mark.watermark == b->source->last(b->source->arg)) {
        mark.before = (int64_t)now.accepted - mark.accepted;
        mark.has_before = true;
    }
    set_mark(b, &mark);
}

void ship_books_add(struct ship_books *b, const struct ship_batch *batch, const struct ship_result *r)
{
    struct ship_mark m = b->mark;
    m.watermark = batch->last;
    m.accepted = r->total_accepted;
    m.stored = r->total_stored;
    m.duplicates = r->total_duplicates;
    m.dead_letters = r->total_dead;
    m.conflicts = r->total_conflicts;
    m.before = (int64_t)batch->accepted - r->total_accepted;
    m.has_before = true;
    set_mark(b, &m);
}

/* Readers see the old id with its numbers, or the new one without any. */
int ship_books_renew(struct ship_books *b, uint8_t id[16], struct error *e)
{
    pthread_mutex_lock(&b->lock);
    int code = b->source->renew(b->source->arg, e);
    if (code == ERR_OK) {
        b->source->id(b->source->arg, id);
        b->mark = (struct ship_mark){0};
        b->known = false;
    }
    pthread_mutex_unlock(&b->lock);
    return code;
}

int64_t ship_books_missing(const struct ship_books *b, const struct source_groups *g)
{
    if (!b->known)
        return 0;
    int64_t missing = (int64_t)(g->accepted - g->n_records) - (b->mark.accepted + b->mark.before);
    return missing < 0 && b->mark.watermark == 0 ? 0 : missing; /* with no watermark there is no history */
}

bool ship_books_read(struct ship_books *b, struct ledger *out)
{
    struct source_counts now;
    pthread_mutex_lock(&b->lock);
    b->source->counts(b->source->arg, &now);
    const struct ship_mark *m = &b->mark;
    *out = (struct ledger){.accepted = (int64_t)now.accepted - m->before,
                           .stored = m->stored,
                           .duplicates = m->duplicates,
                           .dead_letters = m->dead_letters,
                           .spooled = (int64_t)now.accepted - m->before - m->accepted,
                           .conflicts = m->conflicts,
                           .failed = (int64_t)now.failed,
                           .damaged = (int64_t)now.damaged};
    bool known = b->known;
    pthread_mutex_unlock(&b->lock);
    return known;
}
