#include "web/kept_attributes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_out.h"

/* --- segments of an exposure --- */

static void write_text(struct json_out *o, const char *s, size_t len)
{
    if (len > SEGMENT_VALUE_MAX) {
        len = SEGMENT_VALUE_MAX;
        while (len > 0 && ((unsigned char)s[len] & 0xC0) == 0x80)
            len--;
    }
    json_out_string_n(o, s, len);
}

/* 5 and 5.0 are one segment. */
static void write_number(struct json_out *o, double v)
{
    char text[32];
    if (!isfinite(v)) {
        json_out_null(o);
        return;
    }
    if (v == floor(v) && fabs(v) < 9007199254740992.0)
        snprintf(text, sizeof text, "%lld", (long long)v);
    else
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, v);
            if (strtod(text, NULL) == v)
                break;
        }
    json_out_string(o, text);
}

static void write_value(struct json_out *o, const struct attr *a)
{
    if (a && a->type == ATTR_STRING)
        write_text(o, a->u.string.s, a->u.string.len);
    else if (a && a->type == ATTR_NUMBER)
        write_number(o, a->u.number);
    else if (a && a->type == ATTR_BOOL)
        json_out_string(o, a->u.boolean ? "true" : "false");
    else
        json_out_null(o);
}

static struct record_text end_segments(struct json_out *o)
{
    json_out_end_object(o);
    return o->overflow ? (struct record_text){"", 0} : (struct record_text){o->buf, o->len};
}

struct record_text segments_of_context(const struct plan_experiment *x, const struct attr *attributes,
                                       char text[SEGMENTS_BYTES])
{
    const char *const *names;
    size_t n = plan_experiment_segments(x, &names);
    struct json_out o;
    if (n == 0)
        return (struct record_text){"", 0};
    json_out_init(&o, text, SEGMENTS_BYTES);
    json_out_begin_object(&o);
    for (size_t i = 0; i < n; i++) {
        json_out_key(&o, names[i]);
        write_value(&o, attributes ? attr_get(attributes, names[i], strlen(names[i])) : NULL);
    }
    return end_segments(&o);
}

static struct attr scalar_of(const json_t *v)
{
    if (json_is_string(v))
        return (struct attr){.type = ATTR_STRING, .u.string = {json_string_value(v), json_string_length(v)}};
    if (json_is_number(v))
        return (struct attr){.type = ATTR_NUMBER, .u.number = json_number_value(v)};
    if (json_is_boolean(v))
        return (struct attr){.type = ATTR_BOOL, .u.boolean = json_is_true(v)};
    return (struct attr){.type = ATTR_NULL};
}

struct record_text segments_of_event(const struct plan_experiment *x, const json_t *attributes,
                                     char text[SEGMENTS_BYTES])
{
    const char *const *names;
    size_t n = plan_experiment_segments(x, &names);
    struct json_out o;
    if (n == 0)
        return (struct record_text){"", 0};
    json_out_init(&o, text, SEGMENTS_BYTES);
    json_out_begin_object(&o);
    for (size_t i = 0; i < n; i++) {
        struct attr a = scalar_of(json_object_get(attributes, names[i]));
        json_out_key(&o, names[i]);
        write_value(&o, &a);
    }
    return end_segments(&o);
}

/* --- attributes of an outcome --- */

int event_attributes_check(const json_t *attributes, struct event_refusal *why)
{
    if (attributes && !json_is_object(attributes))
        return event_refuse(why, "bad_field", "\"attributes\" must be an object, like {\"plan\": \"pro\"}.");
    if (json_object_size(attributes) > EVENT_ATTRIBUTES_MAX)
        return event_refuse(why, "bad_field", "\"attributes\" has %zu members; an event has at most %d.",
                            json_object_size(attributes), EVENT_ATTRIBUTES_MAX);
    return ERR_OK;
}

/* What a condition can't be judged by must not vanish silently: a guardrail may count by it. */
static int check_kept(const char *name, const json_t *v, struct event_refusal *why)
{
    if (json_is_array(v) || json_is_object(v))
        return event_refuse(
            why, "bad_field",
            "\"attributes.%s\" must be a string, a number or a boolean: a metric counts by it.",
            event_quotable(name, strlen(name)));
    if (json_is_string(v) && json_string_length(v) > EVENT_TEXT_MAX)
        return event_refuse(why, "bad_field", "\"attributes.%s\" is longer than %d bytes.",
                            event_quotable(name, strlen(name)), EVENT_TEXT_MAX);
    return ERR_OK;
}

static int check_size(const json_t *kept, struct event_refusal *why)
{
    size_t size = json_dumpb(kept, NULL, 0, JSON_COMPACT);
    if (size == 0) /* not even of "{}" */
        return ERR_NOMEM;
    if (size <= EVENT_KEPT_MAX)
        return ERR_OK;
    return event_refuse(why, "bad_field", "The attributes that metrics count by are %zu bytes; at most %d.",
                        size, EVENT_KEPT_MAX);
}

int event_attributes_keep(const struct plan *p, const char *event, size_t len, const json_t *attributes,
                          json_t **out, struct event_refusal *why)
{
    const char *const *names;
    json_t *kept = NULL;
    *out = NULL;
    int rc = event_attributes_check(attributes, why);
    size_t n = rc == ERR_OK && attributes ? plan_event_attributes(p, event, len, &names) : 0;
    for (size_t i = 0; i < n && rc == ERR_OK; i++) {
        json_t *v = json_object_get(attributes, names[i]);
        if (!v || json_is_null(v))
            continue;
        rc = check_kept(names[i], v, why);
        if (rc == ERR_OK && !kept && !(kept = json_object()))
            rc = ERR_NOMEM;
        if (rc == ERR_OK && json_object_set(kept, names[i], v) != 0)
            rc = ERR_NOMEM;
    }
    if (rc == ERR_OK && kept)
        rc = check_size(kept, why);
    if (rc == ERR_OK)
        *out = kept;
    else
        json_decref(kept);
    return rc;
}
