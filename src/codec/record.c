#include "codec/record.h"

#include <string.h>

#include "codec/record_bytes.h"
#include "codec/record_list.h"

/* A record: its header, then the kind's fields; a text is u32 length and its bytes. A new version only adds
 * fields at the end, with a default for older ones: so one reader reads all. Decisions are written as lists
 * (record_list.c); as records of their own they are only read, from spools of before. */
enum { FIXED_MOST = 256 };
enum { FLAG_TRUSTED = 1, FLAG_DECISION = 2, FLAG_VALUE = 4, FLAG_EVENT_ID = 8 };

/* The newest of each kind: version 2 of a decision added its holdout and version 3 its model and what was
 * eligible, version 2 of an exposure its segments, version 2 of a dead letter its environment. */
static unsigned newest_version(unsigned kind)
{
    return kind == RECORD_DECISION ? 3 : kind == RECORD_OUTCOME ? 1 : 2;
}

/* The oldest that can say it. */
static unsigned version_of(const struct record *r)
{
    if (r->kind == RECORD_EXPOSURE && r->u.exposure.segments.len == 0)
        return 1;
    if (r->kind == RECORD_DEAD_LETTER && r->u.dead_letter.environment.len == 0)
        return 1;
    return newest_version(r->kind);
}

static void put_i32(struct writer *w, int32_t v)
{
    put_uint(w, (uint32_t)v, 4);
}

static void put_i64(struct writer *w, int64_t v)
{
    put_uint(w, (uint64_t)v, 8);
}

static void put_text(struct writer *w, struct record_text t)
{
    put_uint(w, t.len, 4);
    put_bytes(w, t.s, t.len);
}

static void put_exposure(struct writer *w, const struct record_exposure *x)
{
    put_bytes(w, x->unit.bytes, 16);
    put_i32(w, x->experiment_id);
    put_i32(w, x->variant_id);
    put_i32(w, x->phase_id);
    put_i32(w, x->propensity_ppm);
    put_i32(w, x->inclusion_ppm);
    put_i64(w, x->ts_us);
    put_bytes(w, x->event_id, 16);
    put_uint(w, x->origin, 1);
    if (x->has_decision)
        put_bytes(w, x->decision_id, 16);
    if (x->segments.len > 0)
        put_text(w, x->segments);
}

static void put_outcome(struct writer *w, const struct record_outcome *o)
{
    put_bytes(w, o->unit.bytes, 16);
    put_bytes(w, o->event_id, 16);
    put_i64(w, o->ts_us);
    put_text(w, o->name);
    put_text(w, o->attributes);
    if (o->has_value)
        put_i64(w, o->value_micro);
    if (o->has_decision)
        put_bytes(w, o->decision_id, 16);
}

static void put_dead_letter(struct writer *w, const struct record_dead_letter *l)
{
    put_i64(w, l->received_us);
    put_text(w, l->kind);
    put_text(w, l->reason);
    put_text(w, l->detail);
    put_text(w, l->body);
    put_bytes(w, l->body_hash, 32);
    put_i32(w, l->body_length);
    if (l->has_event_id)
        put_bytes(w, l->event_id, 16);
    if (l->environment.len > 0)
        put_text(w, l->environment);
}

static unsigned flags_of(const struct record *r)
{
    switch (r->kind) {
    case RECORD_EXPOSURE:
        return (r->u.exposure.trusted ? FLAG_TRUSTED : 0u) |
               (r->u.exposure.has_decision ? FLAG_DECISION : 0u);
    case RECORD_OUTCOME:
        return (r->u.outcome.trusted ? FLAG_TRUSTED : 0u) | (r->u.outcome.has_decision ? FLAG_DECISION : 0u) |
               (r->u.outcome.has_value ? FLAG_VALUE : 0u);
    case RECORD_DEAD_LETTER:
        return r->u.dead_letter.has_event_id ? FLAG_EVENT_ID : 0u;
    case RECORD_DECISION:
        break;
    }
    return 0;
}

size_t record_most(const struct record *r)
{
    switch (r->kind) {
    case RECORD_EXPOSURE:
        return FIXED_MOST + r->u.exposure.segments.len;
    case RECORD_OUTCOME:
        return FIXED_MOST + r->u.outcome.name.len + r->u.outcome.attributes.len;
    case RECORD_DECISION:
        return record_list_most(&r->u.decision);
    case RECORD_DEAD_LETTER:
        break;
    }
    return FIXED_MOST + r->u.dead_letter.kind.len + r->u.dead_letter.reason.len +
           r->u.dead_letter.detail.len + r->u.dead_letter.body.len + r->u.dead_letter.environment.len;
}

static void put_record(struct writer *w, const struct record *r)
{
    if (r->kind == RECORD_DECISION) {
        w->at += record_list_of_one(&r->u.decision, w->to ? w->to + w->at : NULL);
        return;
    }
    put_header(w, 0, r->kind, version_of(r), flags_of(r));
    switch (r->kind) {
    case RECORD_EXPOSURE:
        put_exposure(w, &r->u.exposure);
        break;
    case RECORD_OUTCOME:
        put_outcome(w, &r->u.outcome);
        break;
    case RECORD_DECISION:
        break;
    case RECORD_DEAD_LETTER:
        put_dead_letter(w, &r->u.dead_letter);
        break;
    }
}

size_t record_size(const struct record *r)
{
    struct writer w = {NULL, 0};
    put_record(&w, r);
    return w.at;
}

size_t record_write(const struct record *r, uint8_t *out, size_t cap)
{
    size_t size = record_most(r) <= cap ? 0 : record_size(r);
    if (size > cap || size > RECORD_MAX)
        return 0;
    struct writer w = {out, 0};
    put_record(&w, r);
    size = w.at;
    if (size > RECORD_MAX)
        return 0;
    w.at = 0;
    put_uint(&w, size, 4);
    return size;
}

static int32_t get_i32(struct reader *r)
{
    return (int32_t)(uint32_t)get_uint(r, 4);
}

static int64_t get_i64(struct reader *r)
{
    return (int64_t)get_uint(r, 8);
}

static struct record_text get_text(struct reader *r)
{
    size_t n = (size_t)get_uint(r, 4);
    const uint8_t *p = get_bytes(r, n);
    return r->failed ? (struct record_text){"", 0} : (struct record_text){(const char *)p, n};
}

static void get_exposure(struct reader *r, unsigned version, unsigned flags, struct record_exposure *x)
{
    get_id(r, x->unit.bytes, 16);
    x->experiment_id = get_i32(r);
    x->variant_id = get_i32(r);
    x->phase_id = get_i32(r);
    x->propensity_ppm = get_i32(r);
    x->inclusion_ppm = get_i32(r);
    x->ts_us = get_i64(r);
    get_id(r, x->event_id, 16);
    x->origin = (enum exposure_origin)get_enum(r, ORIGIN_IMPORTED);
    x->trusted = (flags & FLAG_TRUSTED) != 0;
    x->has_decision = (flags & FLAG_DECISION) != 0;
    if (x->has_decision)
        get_id(r, x->decision_id, 16);
    x->segments = version >= 2 ? get_text(r) : (struct record_text){"", 0};
}

static void get_outcome(struct reader *r, unsigned flags, struct record_outcome *o)
{
    get_id(r, o->unit.bytes, 16);
    get_id(r, o->event_id, 16);
    o->ts_us = get_i64(r);
    o->name = get_text(r);
    o->attributes = get_text(r);
    o->trusted = (flags & FLAG_TRUSTED) != 0;
    o->has_value = (flags & FLAG_VALUE) != 0;
    if (o->has_value)
        o->value_micro = get_i64(r);
    o->has_decision = (flags & FLAG_DECISION) != 0;
    if (o->has_decision)
        get_id(r, o->decision_id, 16);
}

static void get_decision(struct reader *r, unsigned version, struct record_decision *d)
{
    get_id(r, d->unit.bytes, 16);
    get_id(r, d->decision_id, 16);
    d->ts_us = get_i64(r);
    d->flag_id = get_i32(r);
    d->experiment_id = get_i32(r);
    d->variant_id = get_i32(r);
    d->phase_id = get_i32(r);
    d->counterfactual_id = get_i32(r);
    d->reason = get_text(r);
    d->propensity_ppm = get_i32(r);
    d->inclusion_ppm = get_i32(r);
    d->mode = (enum decision_mode)get_enum(r, MODE_READ);
    d->plan_version = get_i64(r);
    d->inputs = get_text(r);
    d->holdout_id = version >= 2 ? get_i32(r) : 0;
    d->model_id = version >= 3 ? get_i32(r) : 0;
    d->eligible = version >= 3 ? get_text(r) : (struct record_text){"", 0};
}

static void get_dead_letter(struct reader *r, unsigned version, unsigned flags, struct record_dead_letter *l)
{
    l->received_us = get_i64(r);
    l->kind = get_text(r);
    l->reason = get_text(r);
    l->detail = get_text(r);
    l->body = get_text(r);
    get_id(r, l->body_hash, 32);
    l->body_length = get_i32(r);
    l->has_event_id = (flags & FLAG_EVENT_ID) != 0;
    if (l->has_event_id)
        get_id(r, l->event_id, 16);
    l->environment = version >= 2 ? get_text(r) : (struct record_text){"", 0};
}

static unsigned flags_allowed(unsigned kind)
{
    switch (kind) {
    case RECORD_EXPOSURE:
        return FLAG_TRUSTED | FLAG_DECISION;
    case RECORD_OUTCOME:
        return FLAG_TRUSTED | FLAG_DECISION | FLAG_VALUE;
    case RECORD_DEAD_LETTER:
        return FLAG_EVENT_ID;
    default:
        return 0;
    }
}

static void get_fields(struct reader *r, unsigned version, unsigned flags, struct record *out)
{
    switch (out->kind) {
    case RECORD_EXPOSURE:
        get_exposure(r, version, flags, &out->u.exposure);
        break;
    case RECORD_OUTCOME:
        get_outcome(r, flags, &out->u.outcome);
        break;
    case RECORD_DECISION:
        get_decision(r, version, &out->u.decision);
        break;
    case RECORD_DEAD_LETTER:
        get_dead_letter(r, version, flags, &out->u.dead_letter);
        break;
    }
}

void record_reader_init(struct record_reader *r, const uint8_t *bytes, size_t len)
{
    static const uint8_t none[1];
    r->record = bytes ? bytes : none;
    r->end = r->record + len;
    r->next = NULL;
}

static int next_of_list(struct record_reader *r, struct record *out)
{
    if (record_list_next(&r->next, r->list_end, &r->last) != ERR_OK) {
        r->next = r->list_end; /* where nothing can be read */
        return ERR_DAMAGED;
    }
    out->kind = RECORD_DECISION;
    out->u.decision = r->last;
    if (r->next == r->list_end) {
        r->record = r->list_end;
        r->next = NULL;
    }
    return 1;
}

static int begin_list(struct record_reader *r, struct reader *from, struct record *out)
{
    memset(&r->last, 0, sizeof r->last);
    r->last.reason = r->last.inputs = r->last.eligible = (struct record_text){"", 0};
    r->next = from->p;
    r->list_end = from->end;
    return next_of_list(r, out);
}

static bool is_known(unsigned kind, unsigned version, unsigned flags)
{
    if (kind == RECORD_KIND_LIST)
        return version == 1 && flags == 0;
    return kind >= RECORD_EXPOSURE && kind <= RECORD_DEAD_LETTER && version >= 1 &&
           version <= newest_version(kind) && !(flags & ~flags_allowed(kind));
}

int record_next(struct record_reader *reader, struct record *out)
{
    if (reader->next)
        return next_of_list(reader, out);
    if (reader->record == reader->end)
        return 0;
    struct reader r = {reader->record, reader->end, false};
    size_t size = (size_t)get_uint(&r, 4), left = record_unread(reader);
    unsigned kind = (unsigned)get_uint(&r, 1), version = (unsigned)get_uint(&r, 1);
    unsigned flags = (unsigned)get_uint(&r, 2);
    if (r.failed || size < RECORD_HEADER || size > RECORD_MAX || size > left ||
        !is_known(kind, version, flags))
        return ERR_DAMAGED;
    r.end = reader->record + size;
    if (kind == RECORD_KIND_LIST)
        return begin_list(reader, &r, out);
    memset(out, 0, sizeof *out);
    out->kind = (enum record_kind)kind;
    get_fields(&r, version, flags, out);
    if (r.failed || r.p != r.end)
        return ERR_DAMAGED;
    reader->record = r.end;
    return 1;
}

size_t record_unread(const struct record_reader *r)
{
    return (size_t)(r->end - r->record);
}
