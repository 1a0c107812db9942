/* Outcomes and exposures, from the program to the queue. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "clients/c/evaluate.h"
#include "codec/json_in.h"

#define HOUR_US (INT64_C(3600) * 1000000)
#define VALUE_MAX 9.2e12

static void add_text(struct buffer *out, const char *name, const char *value)
{
    const struct attr text = {.type = ATTR_STRING, .u.string = {value, strlen(value)}};
    buffer_printf(out, "%s\"%s\":", out->len ? "," : "", name);
    context_value(&text, out);
}

/* Asked of client keys by servers that take only events of units that were asked about. */
static void add_event_token(const struct cohort_context *x, struct buffer *out)
{
    if (x->event_token[0])
        add_text(out, "event_token", x->event_token);
}

static int push(struct cohort_client *c, char kind, const char *id, int64_t ts_us, struct buffer *members)
{
    char made[37];
    if (!id) {
        uint8_t bytes[16];
        uuid7(ts_us, bytes);
        uuid_format(bytes, made);
        id = made;
    }
    buffer_add(members, "", 1);
    int code =
        members->failed ? COHORT_NOMEM : queue_push(c->queue, kind, id, ts_us, (const char *)members->data);
    buffer_free(members);
    return code;
}

/* --- outcomes --- */

static const struct json_limits attribute_limits = {8192, 3, 200};

/* A JSON object, in one line; NULL when it is none. */
static char *one_line(const char *json)
{
    struct error e;
    json_t *v = NULL;
    char *text = NULL;
    if (json_in_parse(json, strlen(json), &attribute_limits, &v, &e) == 0 && json_is_object(v))
        text = json_dumps(v, JSON_COMPACT);
    json_decref(v);
    return text;
}

static bool is_uuid(const char *text)
{
    uint8_t bytes[16];
    return uuid_parse(text, strlen(text), bytes) == 0;
}

static int add_rest(const struct cohort_outcome *o, struct buffer *out)
{
    if (o->value) {
        buffer_add_str(out, ",\"value\":");
        context_value(&(struct attr){.type = ATTR_NUMBER, .u.number = *o->value}, out);
    }
    if (o->decision)
        add_text(out, "decision", o->decision);
    if (!o->attributes)
        return COHORT_OK;
    char *json = one_line(o->attributes);
    if (!json)
        return COHORT_INVALID;
    buffer_add_str(out, ",\"attributes\":");
    buffer_add_str(out, json);
    free(json);
    return COHORT_OK;
}

int cohort_track_outcome(struct cohort_client *c, const struct cohort_context *x,
                         const struct cohort_outcome *given)
{
    struct cohort_outcome o = {.name = NULL};
    struct buffer members = {0};
    if (!x || !given || given->size < sizeof given->size)
        return COHORT_INVALID;
    memcpy(&o, given, given->size < sizeof o ? given->size : sizeof o);
    if (!o.name || !o.name[0] || !utf8_valid(o.name, strlen(o.name)) ||
        (o.value && !(fabs(*o.value) <= VALUE_MAX)) || (o.decision && !is_uuid(o.decision)) ||
        (o.id && !is_uuid(o.id)))
        return COHORT_INVALID;
    add_text(&members, "name", o.name);
    buffer_add_str(&members, ",");
    context_units(x, NULL, &members);
    add_event_token(x, &members);
    int code = add_rest(&o, &members);
    if (code != COHORT_OK) {
        buffer_free(&members);
        return code;
    }
    return push(c, EVENT_OUTCOME, o.id, o.ts_us ? o.ts_us : client_now_us(c), &members);
}

int cohort_track(struct cohort_client *c, const struct cohort_context *x, const char *name)
{
    return cohort_track_outcome(
        c, x, &(struct cohort_outcome){.size = sizeof(struct cohort_outcome), .name = name});
}

int cohort_track_value(struct cohort_client *c, const struct cohort_context *x, const char *name,
                       double value)
{
    return cohort_track_outcome(
        c, x, &(struct cohort_outcome){.size = sizeof(struct cohort_outcome), .name = name, .value = &value});
}

/* --- exposures --- */

/* The attributes that the experiment's exposures keep. */
static void add_segments(const struct cohort_context *x, const struct plan_experiment *experiment,
                         struct buffer *out)
{
    const char *const *names;
    size_t n = experiment ? plan_experiment_segments(experiment, &names) : 0, written = 0;
    for (size_t i = 0; i < n; i++) {
        const struct attr *value = attr_get(&x->attributes, names[i], strlen(names[i]));
        const struct attr name = {.type = ATTR_STRING, .u.string = {names[i], strlen(names[i])}};
        if (!value || value->type == ATTR_ARRAY || value->type == ATTR_OBJECT)
            continue;
        buffer_add_str(out, written++ ? "," : ",\"attributes\":{");
        context_value(&name, out);
        buffer_add_str(out, ":");
        context_value(value, out);
    }
    if (written > 0)
        buffer_add_str(out, "}");
}

struct exposure {
    const struct plan_experiment *experiment; /* NULL: not known here */
    const char *key, *variant, *unit_type;    /* unit_type NULL: all of the context */
    const char *decision_id, *token;          /* "" none */
    int phase;
};

static int push_exposure(struct cohort_client *c, const struct cohort_context *x, const struct exposure *e)
{
    struct buffer members = {0};
    add_text(&members, "experiment", e->key);
    add_text(&members, "variant", e->variant);
    buffer_printf(&members, ",\"phase\":%d,", e->phase);
    context_units(x, e->unit_type, &members);
    add_event_token(x, &members);
    if (e->decision_id[0])
        add_text(&members, "decision", e->decision_id);
    if (e->token[0])
        add_text(&members, "token", e->token);
    add_segments(x, e->experiment, &members);
    return push(c, EVENT_EXPOSURE, NULL, client_now_us(c), &members);
}

/* Units are hashes already; the ids are spread over the word. An hour later it is reported again. */
static uint64_t hash_of(const struct unit *u, int32_t experiment, int32_t phase, int32_t variant,
                        int64_t now_us)
{
    uint64_t h, low;
    memcpy(&h, u->bytes, 8);
    memcpy(&low, u->bytes + 8, 8);
    h ^= low * 0x9E3779B97F4A7C15u;
    h += (uint64_t)experiment * 0xBF58476D1CE4E5B9u + (uint64_t)phase * 0x94D049BB133111EBu;
    h ^= ((uint64_t)variant << 32 | (uint64_t)(now_us / HOUR_US)) * 0xD6E8FEB86659FD93u;
    h ^= h >> 32;
    return h ? h : 1;
}

/* The server takes a unit's first exposure anyway: that it is told of one a few times more costs, but changes
 * nothing. */
static bool is_news(struct cohort_client *c, uint64_t hash)
{
    atomic_ullong *place = &c->seen[hash % SEEN_SIZE];
    if (atomic_load_explicit(place, memory_order_relaxed) == hash)
        return false;
    atomic_store_explicit(place, hash, memory_order_relaxed);
    return true;
}

static void report_one(struct cohort_client *c, const struct cohort_context *x,
                       const struct plan_experiment *experiment, const struct plan_phase *phase,
                       const struct plan_variant *variant, const struct unit *unit, const char *decision_id,
                       const char *token)
{
    uint64_t hash = hash_of(unit, plan_experiment_id(experiment), plan_phase_id(phase),
                            plan_variant_id(variant), client_now_us(c));
    if (!is_news(c, hash))
        return;
    const struct exposure e = {.experiment = experiment,
                               .key = plan_experiment_key(experiment),
                               .variant = plan_variant_key(variant),
                               .unit_type = plan_experiment_unit_type(experiment),
                               .decision_id = decision_id,
                               .token = token,
                               .phase = plan_phase_number(phase)};
    if (push_exposure(c, x, &e) != COHORT_OK)
        atomic_store(&c->seen[hash % SEEN_SIZE], 0); /* the next decision tries again */
}

void report_decided(struct cohort_client *c, const struct cohort_context *x, const struct decision *d)
{
    if (d->variant && d->phase && d->experiment && plan_experiment_exposes(d->experiment))
        report_one(c, x, d->experiment, d->phase, d->variant, &d->unit, x->details.decision_id,
                   x->details.token);
    for (size_t i = 0; i < d->n_holdouts; i++)
        report_one(c, x, d->holdouts[i].experiment, d->holdouts[i].phase, d->holdouts[i].variant,
                   &d->holdouts[i].unit, "", "");
}

int cohort_expose(struct cohort_client *c, const struct cohort_context *x)
{
    const struct cohort_details *d = x ? &x->details : NULL;
    if (!d || d->error || !d->experiment[0] || d->phase == 0)
        return COHORT_INVALID;
    const struct plan_experiment *experiment =
        c->local && x->plan ? plan_experiment_find(x->plan, d->experiment, strlen(d->experiment)) : NULL;
    const struct exposure e = {.experiment = experiment,
                               .key = d->experiment,
                               .variant = d->variant,
                               .unit_type = x->unit_type,
                               .decision_id = d->decision_id,
                               .token = d->token,
                               .phase = d->phase};
    return push_exposure(c, x, &e);
}
