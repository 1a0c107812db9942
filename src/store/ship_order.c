#include "store/ship_order.h"

#include <stdlib.h>
#include <string.h>

enum { FEW = 40 }; /* rows that are sorted faster by hand */

void ship_order_free(struct ship_order *o)
{
    free(o->came);
    free(o->sorted);
    free(o->runs);
    *o = (struct ship_order){0};
}

int ship_order_reserve(struct ship_order *o, size_t n)
{
    if (n <= o->cap)
        return ERR_OK;
    ship_order_free(o);
    o->came = malloc(n * sizeof *o->came);
    o->sorted = malloc(n * sizeof *o->sorted);
    o->runs = malloc(n * sizeof *o->runs);
    if (!o->came || !o->sorted || !o->runs) {
        ship_order_free(o);
        return ERR_NOMEM;
    }
    o->cap = n;
    return ERR_OK;
}

static uint64_t first_of(const uint8_t *bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | bytes[i];
    return v;
}

static const struct unit *unit_of(const struct record *r)
{
    static const struct unit none;
    switch (r->kind) {
    case RECORD_EXPOSURE:
        return &r->u.exposure.unit;
    case RECORD_OUTCOME:
        return &r->u.outcome.unit;
    case RECORD_DECISION:
        return &r->u.decision.unit;
    case RECORD_DEAD_LETTER:
        break;
    }
    return &none;
}

static struct ship_row row_of(const struct record *r)
{
    switch (r->kind) {
    case RECORD_EXPOSURE:
        return (struct ship_row){(uint32_t)r->u.exposure.experiment_id ^ 0x80000000u, r};
    case RECORD_OUTCOME:
        return (struct ship_row){first_of(r->u.outcome.event_id), r};
    case RECORD_DECISION:
        return (struct ship_row){first_of(r->u.decision.decision_id), r};
    case RECORD_DEAD_LETTER:
        break;
    }
    return (struct ship_row){0, r};
}

static int by_outcome(const struct record_outcome *x, const struct record_outcome *y)
{
    int order = memcmp(x->event_id, y->event_id, 16);
    return order ? order : (x->ts_us > y->ts_us) - (x->ts_us < y->ts_us);
}

/* Of one kind and one unit. */
static int by_rest(const void *a, const void *b)
{
    const struct ship_row *p = a, *q = b;
    if (p->first != q->first)
        return p->first < q->first ? -1 : 1;
    if (p->record->kind == RECORD_OUTCOME)
        return by_outcome(&p->record->u.outcome, &q->record->u.outcome);
    if (p->record->kind == RECORD_DECISION)
        return memcmp(p->record->u.decision.decision_id, q->record->u.decision.decision_id, 16);
    return 0;
}

static bool same_unit(const struct record *a, const struct record *b)
{
    return memcmp(unit_of(a)->bytes, unit_of(b)->bytes, 16) == 0;
}

static int by_unit(const void *a, const void *b)
{
    const struct ship_run *p = a, *q = b;
    if (p->first != q->first)
        return p->first < q->first ? -1 : 1;
    int order = memcmp(unit_of(p->rows->record)->bytes, unit_of(q->rows->record)->bytes, 16);
    return order ? order : (p->rows > q->rows) - (p->rows < q->rows);
}

/* Returns how many. */
static size_t find_runs(struct ship_order *o, const struct ship_batch *b, size_t n, enum record_kind kind)
{
    size_t rows = 0, runs = 0;
    for (size_t i = 0; i < n; i++) {
        const struct record *r = &b->entries[i].record;
        if (r->kind != kind)
            continue;
        o->came[rows] = row_of(r);
        if (runs == 0 || !same_unit(r, o->came[rows - 1].record))
            o->runs[runs++] = (struct ship_run){first_of(unit_of(r)->bytes), &o->came[rows], 0};
        o->runs[runs - 1].n++;
        rows++;
    }
    return runs;
}

static void sort_rows(struct ship_row *rows, size_t n)
{
    if (n > FEW) {
        qsort(rows, n, sizeof *rows, by_rest);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        struct ship_row row = rows[i];
        size_t at = i;
        for (; at > 0 && by_rest(&row, &rows[at - 1]) < 0; at--)
            rows[at] = rows[at - 1];
        rows[at] = row;
    }
}

size_t ship_order(struct ship_order *o, const struct ship_batch *b, size_t n, enum record_kind kind)
{
    size_t runs = find_runs(o, b, n, kind), rows = 0, begin = 0;
    if (runs > 1)
        qsort(o->runs, runs, sizeof *o->runs, by_unit);
    for (size_t i = 0; i < runs; i++) {
        const struct ship_run *run = &o->runs[i];
        memcpy(o->sorted + rows, run->rows, run->n * sizeof *run->rows);
        rows += run->n;
        if (i + 1 < runs && same_unit(run->rows->record, o->runs[i + 1].rows->record))
            continue;
        if (kind != RECORD_DEAD_LETTER)
            sort_rows(o->sorted + begin, rows - begin);
        begin = rows;
    }
    return rows;
}
