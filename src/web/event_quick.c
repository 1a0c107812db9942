#include "web/event_quick.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_in.h"
#include "codec/json_scan.h"
#include "web/event_batch.h"
#include "web/event_outcome.h"

/* Below the limits of event_batch_parse wherever the object stands. */
enum { ATTRIBUTES_DEPTH = 28, ATTRIBUTES_VALUES = 60, INTEGER_DIGITS = 12 };

/* An event's fields as they were sent, borrowed from the body; a text without bytes is not there. */
struct fields {
    struct record_text id, name, ts, decision, attributes;
    struct json_number value;
    struct {
        struct record_text type, raw;
    } units[EVENT_UNITS_MAX];
    size_t n_units;
};

/* A text that means what it shows, and is not empty. */
static bool take_text(struct json_cursor *c, struct record_text *out)
{
    struct json_string t;
    if (!json_take_string(c, &t) || t.escapes || t.raw.len == 0)
        return false;
    *out = t.raw;
    return true;
}

/* To behind the object's brace; what is in it is looked at later. */
static bool take_object(struct json_cursor *c, struct record_text *out)
{
    unsigned depth = 0;
    if (!json_skip_blanks(c) || *c->at != '{')
        return false;
    const char *from = c->at;
    bool in_text = false;
    do {
        char b = *c->at++;
        if (in_text && b == '\\' && c->at < c->end)
            c->at++;
        else if (b == '"')
            in_text = !in_text;
        else if (!in_text && (b == '{' || b == '['))
            depth++;
        else if (!in_text && (b == '}' || b == ']'))
            depth--;
    } while (depth > 0 && c->at < c->end);
    *out = (struct record_text){from, (size_t)(c->at - from)};
    return depth == 0;
}

static bool same(struct record_text a, struct record_text b)
{
    return a.len == b.len && memcmp(a.s, b.s, a.len) == 0;
}

static bool take_units(struct json_cursor *c, struct fields *f)
{
    if (f->n_units > 0 || !json_take(c, '{'))
        return false;
    do {
        size_t n = f->n_units;
        if (n == EVENT_UNITS_MAX || !take_text(c, &f->units[n].type) || !json_take(c, ':') ||
            !take_text(c, &f->units[n].raw))
            return false;
        for (size_t i = 0; i < n; i++)
            if (same(f->units[i].type, f->units[n].type))
                return false;
        f->n_units++;
    } while (json_take(c, ','));
    return json_take(c, '}');
}

static bool is_named(struct record_text t, const char *name)
{
    return t.len == strlen(name) && memcmp(t.s, name, t.len) == 0;
}

static bool take_field(struct json_cursor *c, struct fields *f)
{
    struct record_text name;
    if (!take_text(c, &name) || !json_take(c, ':'))
        return false;
    if (is_named(name, "units"))
        return take_units(c, f);
    if (is_named(name, "value"))
        return f->value.raw.len == 0 && json_take_number(c, &f->value);
    if (is_named(name, "attributes"))
        return f->attributes.len == 0 && take_object(c, &f->attributes);
    struct record_text *to = is_named(name, "id")         ? &f->id
                             : is_named(name, "name")     ? &f->name
                             : is_named(name, "ts")       ? &f->ts
                             : is_named(name, "decision") ? &f->decision
                                                          : NULL;
    return to && to->len == 0 && take_text(c, to);
}

static bool take_event(struct json_cursor *c, struct fields *f)
{
    *f = (struct fields){0};
    if (!json_take(c, '{'))
        return false;
    do {
        if (!take_field(c, f))
            return false;
    } while (json_take(c, ','));
    return json_take(c, '}');
}

/* --- what the fields say --- */

static bool read_value(const struct json_number *n, struct record_outcome *o)
{
    double d;
    if (n->raw.len == 0)
        return true;
    o->has_value = true;
    if (!n->real && n->raw.len <= INTEGER_DIGITS) {
        o->value_micro = (n->negative ? -(int64_t)n->digits : (int64_t)n->digits) * 1000000;
        return true;
    }
    if (!n->real || !json_number_read(n, &d) || !(fabs(d) <= OUTCOME_VALUE_MAX))
        return false;
    o->value_micro = llrint(d * 1e6);
    return true;
}

static bool read_item(const struct fields *f, const struct event_rules *rules, struct event_item *item)
{
    struct error e;
    item->has_decision = f->decision.len > 0;
    if (uuid_parse(f->id.s, f->id.len, item->id) != ERR_OK ||
        time_parse(f->ts.s, f->ts.len, &item->ts_us) != ERR_OK || event_time_fit(item->ts_us, rules) != 0 ||
        (item->has_decision && uuid_parse(f->decision.s, f->decision.len, item->decision) != ERR_OK))
        return false;
    for (item->n_units = 0; item->n_units < f->n_units; item->n_units++) {
        struct record_text type = f->units[item->n_units].type, raw = f->units[item->n_units].raw;
        if (unit_type_check(type.s, type.len, &e) != ERR_OK || unit_raw_check(raw.s, raw.len, &e) != ERR_OK)
            return false;
        unit_from_raw(plan_unit_key(rules->plan), type.s, type.len, raw.s, raw.len,
                      &item->units[item->n_units].unit);
    }
    return item->n_units > 0;
}

static bool read_attributes(const struct fields *f, const struct event_rules *rules, char **out)
{
    const struct json_limits limits = {f->attributes.len, ATTRIBUTES_DEPTH, ATTRIBUTES_VALUES};
    struct event_refusal ignored;
    struct error e;
    json_t *sent = NULL;
    *out = NULL;
    if (f->attributes.len == 0)
        return true;
    if (json_in_parse(f->attributes.s, f->attributes.len, &limits, &sent, &e) != ERR_OK)
        return false;
    int rc = outcome_attributes(sent, rules, f->name, out, &ignored);
    json_decref(sent);
    return rc == ERR_OK;
}

static bool accept(const struct fields *f, const struct event_rules *rules, struct buffer *records,
                   unsigned *n_records)
{
    struct event_item item;
    struct record_outcome o = {.name = f->name};
    char *attributes;
    if (!read_item(f, rules, &item) || !plan_event_declared(rules->plan, f->name.s, f->name.len) ||
        !read_value(&f->value, &o) || !read_attributes(f, rules, &attributes))
        return false;
    if (attributes)
        o.attributes = (struct record_text){attributes, strlen(attributes)};
    int rc = outcome_append(&item, rules, &o, records, n_records);
    free(attributes);
    return rc == ERR_OK;
}

/* --- the answer --- */

static void add_result(struct buffer *answer, unsigned index, struct record_text id)
{
    static const char open[] = ",{\"index\":", middle[] = ",\"id\":\"",
                      close[] = "\",\"status\":\"accepted\"}";
    char digits[12];
    size_t n = sizeof digits;
    unsigned rest = index;
    do
        digits[--n] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    buffer_add(answer, open + (index == 0), sizeof open - 1 - (index == 0));
    buffer_add(answer, digits + n, sizeof digits - n);
    buffer_add(answer, middle, sizeof middle - 1);
    buffer_add(answer, id.s, id.len);
    buffer_add(answer, close, sizeof close - 1);
}

static bool read_events(struct json_cursor *c, const struct event_rules *rules, struct buffer *records,
                        struct buffer *answer, unsigned *n_events, unsigned *n_records)
{
    bool wrapped = json_take(c, '{');
    struct record_text name;
    struct fields f;
    if (wrapped && (!take_text(c, &name) || !is_named(name, "events") || !json_take(c, ':')))
        return false;
    if (!json_take(c, '['))
        return false;
    do {
        if (*n_events == EVENTS_MAX || !take_event(c, &f) || !accept(&f, rules, records, n_records))
            return false;
        add_result(answer, (*n_events)++, f.id);
    } while (json_take(c, ','));
    return json_take(c, ']') && (!wrapped || json_take(c, '}')) && !json_skip_blanks(c);
}

bool event_quick_outcomes(const char *body, size_t len, const struct event_rules *rules,
                          struct buffer *records, struct buffer *answer, unsigned *n_events,
                          unsigned *n_records)
{
    struct json_cursor c = {body, body + len};
    size_t records_len = records->len, answer_len = answer->len;
    *n_events = *n_records = 0;
    buffer_add_str(answer, "{\"results\":[");
    bool ok = !rules->need_token && len <= rules->options->max_body &&
              read_events(&c, rules, records, answer, n_events, n_records);
    buffer_printf(answer, "],\"accepted\":%u,\"rejected\":0}", *n_events);
    if (ok && !records->failed && !answer->failed)
        return true;
    records->len = records_len;
    answer->len = answer_len;
    return false;
}
