#include "codec/record_list.h"

#include "codec/record_bytes.h"
#include "core/error.h"

/* A list: the record's header, then a decision behind the other, up to its end. A decision: u16 which of the
 * following are there, in this order; then its id, without the first six bytes where those are as before.
 * What is not there is as in the decision before it; the first one of a list follows one of zeros and empty
 * texts. Numbers are differences to the one before, signed, the sign in the lowest bit, seven bits a byte,
 * the low ones first, the high bit set on all but the last; a text's length is so too, but for the
 * difference. */
enum {
    NEW_ID_TIME = 1, /* the id's first six bytes, which in a UUID of version 7 are the time */
    NEW_UNIT = 2,
    NEW_TIME = 4,
    NEW_FLAG = 8,
    NEW_EXPERIMENT = 16,
    NEW_VARIANT = 32,
    NEW_PHASE = 64,
    NEW_COUNTERFACTUAL = 128,
    NEW_REASON = 256,
    NEW_PROPENSITY = 512,
    NEW_INCLUSION = 1024,
    NEW_REQUEST = 2048, /* u8 mode, and the plan's version */
    NEW_INPUTS = 4096,
    NEW_HOLDOUT = 8192,
    NEW_MODEL = 16384, /* and what was eligible */
    NEW_ALL = 32767
};
enum { ID_TIME = 6, LIST_MOST = 65536 };

static const struct record_decision zeros = {.reason = {"", 0}, .inputs = {"", 0}, .eligible = {"", 0}};

static inline void put_varint(struct writer *w, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        put_uint(w, (v & 0x7F) | 0x80, 1);
    put_uint(w, v, 1);
}

static inline void put_change(struct writer *w, int64_t v, int64_t before)
{
    uint64_t change = (uint64_t)v - (uint64_t)before;
    put_varint(w, change << 1 ^ (change >> 63 ? UINT64_MAX : 0));
}

/* Returns where its bytes are. */
static size_t put_text(struct writer *w, struct record_text t)
{
    put_varint(w, t.len);
    size_t at = w->at;
    put_bytes(w, t.s, t.len);
    return at;
}

static inline bool same_text(struct record_text a, struct record_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, a.len) == 0);
}

static unsigned changes(const struct record_decision *d, const struct record_decision *b)
{
    return (memcmp(d->decision_id, b->decision_id, ID_TIME) != 0 ? NEW_ID_TIME : 0u) |
           (memcmp(d->unit.bytes, b->unit.bytes, 16) != 0 ? NEW_UNIT : 0u) |
           (d->ts_us != b->ts_us ? NEW_TIME : 0u) | (d->flag_id != b->flag_id ? NEW_FLAG : 0u) |
           (d->experiment_id != b->experiment_id ? NEW_EXPERIMENT : 0u) |
           (d->variant_id != b->variant_id ? NEW_VARIANT : 0u) |
           (d->phase_id != b->phase_id ? NEW_PHASE : 0u) |
           (d->counterfactual_id != b->counterfactual_id ? NEW_COUNTERFACTUAL : 0u) |
           (!same_text(d->reason, b->reason) ? NEW_REASON : 0u) |
           (d->propensity_ppm != b->propensity_ppm ? NEW_PROPENSITY : 0u) |
           (d->inclusion_ppm != b->inclusion_ppm ? NEW_INCLUSION : 0u) |
           (d->mode != b->mode || d->plan_version != b->plan_version ? NEW_REQUEST : 0u) |
           (!same_text(d->inputs, b->inputs) ? NEW_INPUTS : 0u) |
           (d->holdout_id != b->holdout_id ? NEW_HOLDOUT : 0u) |
           (d->model_id != b->model_id || !same_text(d->eligible, b->eligible) ? NEW_MODEL : 0u);
}

static inline void put_new(struct writer *w, unsigned is_new, int64_t v, int64_t before)
{
    if (is_new)
        put_change(w, v, before);
}

static inline void put_new_text(struct writer *w, unsigned is_new, struct record_text t, size_t *at)
{
    if (is_new)
        *at = put_text(w, t);
}

/* Where its texts went is left in the list, as places from the writer's beginning. */
static void put_decision(struct writer *w, const struct record_decision *d, const struct record_decision *b,
                         struct record_list *l)
{
    unsigned new = changes(d, b);
    put_uint(w, new, 2);
    size_t known = new &NEW_ID_TIME ? 0 : ID_TIME;
    put_bytes(w, d->decision_id + known, 16 - known);
    if (new &NEW_UNIT)
        put_bytes(w, d->unit.bytes, 16);
    put_new(w, new &NEW_TIME, d->ts_us, b->ts_us);
    put_new(w, new &NEW_FLAG, d->flag_id, b->flag_id);
    put_new(w, new &NEW_EXPERIMENT, d->experiment_id, b->experiment_id);
    put_new(w, new &NEW_VARIANT, d->variant_id, b->variant_id);
    put_new(w, new &NEW_PHASE, d->phase_id, b->phase_id);
    put_new(w, new &NEW_COUNTERFACTUAL, d->counterfactual_id, b->counterfactual_id);
    put_new_text(w, new &NEW_REASON, d->reason, &l->reason);
    put_new(w, new &NEW_PROPENSITY, d->propensity_ppm, b->propensity_ppm);
    put_new(w, new &NEW_INCLUSION, d->inclusion_ppm, b->inclusion_ppm);
    if (new &NEW_REQUEST)
        put_uint(w, d->mode, 1);
    put_new(w, new &NEW_REQUEST, d->plan_version, b->plan_version);
    put_new_text(w, new &NEW_INPUTS, d->inputs, &l->inputs);
    put_new(w, new &NEW_HOLDOUT, d->holdout_id, b->holdout_id);
    put_new(w, new &NEW_MODEL, d->model_id, b->model_id);
    put_new_text(w, new &NEW_MODEL, d->eligible, &l->eligible);
}

/* A header, ids, numbers and the lengths of texts take less than 140 bytes. */
size_t record_list_most(const struct record_decision *d)
{
    return 160 + d->reason.len + d->inputs.len + d->eligible.len;
}

size_t record_list_of_one(const struct record_decision *d, uint8_t *to)
{
    struct writer w = {to, 0};
    struct record_list ignored;
    put_header(&w, 0, RECORD_KIND_LIST, 1, 0);
    put_decision(&w, d, &zeros, &ignored);
    return w.at;
}

/* What the last decision says, its texts where they lie now. */
static void find_texts(struct record_list *l, const uint8_t *bytes)
{
    const char *s = (const char *)bytes;
    l->last.reason.s = l->last.reason.len > 0 ? s + l->reason : "";
    l->last.inputs.s = l->last.inputs.len > 0 ? s + l->inputs : "";
    l->last.eligible.s = l->last.eligible.len > 0 ? s + l->eligible : "";
}

size_t record_list_add(struct record_list *l, const struct record_decision *d, uint8_t *bytes, size_t len,
                       size_t cap)
{
    size_t most = record_list_most(d);
    if (most > cap - len || most > RECORD_MAX - LIST_MOST)
        return 0;
    struct writer w = {bytes, len};
    if (l->end != len || len == 0 || len - l->begin > LIST_MOST) {
        *l = (struct record_list){.begin = len, .last = zeros};
        put_header(&w, 0, RECORD_KIND_LIST, 1, 0);
    }
    find_texts(l, bytes);
    put_decision(&w, d, &l->last, l);
    l->last = *d;
    l->end = w.at;
    w.at = l->begin;
    put_uint(&w, l->end - l->begin, 4);
    return l->end;
}

static uint64_t get_varint(struct reader *r)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint8_t byte = *get_bytes(r, 1);
        v |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return v;
    }
    r->failed = true;
    return 0;
}

static int64_t get_change(struct reader *r, int64_t before)
{
    uint64_t v = get_varint(r), change = v >> 1 ^ (v & 1 ? UINT64_MAX : 0);
    return (int64_t)((uint64_t)before + change);
}

/* Over what is there. */
static inline void get_new(struct reader *r, unsigned is_new, int64_t *v)
{
    if (is_new)
        *v = get_change(r, *v);
}

static inline void get_new_32(struct reader *r, unsigned is_new, int32_t *v)
{
    if (!is_new)
        return;
    int64_t now = get_change(r, *v);
    if (now < INT32_MIN || now > INT32_MAX)
        r->failed = true;
    *v = (int32_t)now;
}

static void get_new_text(struct reader *r, unsigned is_new, struct record_text *t)
{
    if (!is_new)
        return;
    size_t n = get_varint(r);
    const uint8_t *p = get_bytes(r, n);
    *t = r->failed ? (struct record_text){"", 0} : (struct record_text){(const char *)p, n};
}

int record_list_next(const uint8_t **p, const uint8_t *end, struct record_decision *d)
{
    struct reader r = {*p, end, false};
    unsigned new = (unsigned)get_uint(&r, 2);
    size_t known = new &NEW_ID_TIME ? 0 : ID_TIME;
    get_id(&r, d->decision_id + known, 16 - known);
    if (new &NEW_UNIT)
        get_id(&r, d->unit.bytes, 16);
    get_new(&r, new &NEW_TIME, &d->ts_us);
    get_new_32(&r, new &NEW_FLAG, &d->flag_id);
    get_new_32(&r, new &NEW_EXPERIMENT, &d->experiment_id);
    get_new_32(&r, new &NEW_VARIANT, &d->variant_id);
    get_new_32(&r, new &NEW_PHASE, &d->phase_id);
    get_new_32(&r, new &NEW_COUNTERFACTUAL, &d->counterfactual_id);
    get_new_text(&r, new &NEW_REASON, &d->reason);
    get_new_32(&r, new &NEW_PROPENSITY, &d->propensity_ppm);
    get_new_32(&r, new &NEW_INCLUSION, &d->inclusion_ppm);
    if (new &NEW_REQUEST)
        d->mode = (enum decision_mode)get_enum(&r, MODE_READ);
    get_new(&r, new &NEW_REQUEST, &d->plan_version);
    get_new_text(&r, new &NEW_INPUTS, &d->inputs);
    get_new_32(&r, new &NEW_HOLDOUT, &d->holdout_id);
    get_new_32(&r, new &NEW_MODEL, &d->model_id);
    get_new_text(&r, new &NEW_MODEL, &d->eligible);
    if (r.failed || new & ~(unsigned)NEW_ALL)
        return ERR_DAMAGED;
    *p = r.p;
    return ERR_OK;
}
