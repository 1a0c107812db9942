#include "web/event_item.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/json_dump.h"
#include "codec/json_in.h"
#include "core/event_token.h"
#include "web/kept_attributes.h"

int event_refuse(struct event_refusal *why, const char *code, const char *fmt, ...)
{
    va_list ap;
    why->code = code;
    va_start(ap, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, ap);
    va_end(ap);
    return ERR_INVALID;
}

static bool looks_like_key(const char *s, size_t len)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";
    return s && len > 0 && len <= 100 && strspn(s, allowed) == len;
}

const char *event_quotable(const char *s, size_t len)
{
    return looks_like_key(s, len) ? s : "(not a key)";
}

static int check_fields(const json_t *v, const char *const *fields, struct event_refusal *why)
{
    const char *name;
    json_t *ignored;
    json_object_foreach((json_t *)v, name, ignored)
    {
        size_t i = 0;
        while (fields[i] && strcmp(fields[i], name) != 0)
            i++;
        if (fields[i])
            continue;
        char known[200] = "";
        for (i = 0; fields[i]; i++)
            snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", fields[i]);
        return event_refuse(why, "unknown_field", "Unknown field \"%s\"; an event here has %s.",
                            event_quotable(name, strlen(name)), known);
    }
    return ERR_OK;
}

static int read_uuid(const json_t *v, const char *field, uint8_t out[16], struct event_refusal *why)
{
    if (json_is_string(v) && uuid_parse(json_string_value(v), json_string_length(v), out) == ERR_OK)
        return ERR_OK;
    return event_refuse(why, v ? "bad_field" : "missing_field", "\"%s\" must be a UUID%s.", field,
                        strcmp(field, "id") == 0 ? ", made once by the client and the same on a retry" : "");
}

int event_time_fit(int64_t ts_us, const struct event_rules *rules)
{
    return ts_us > rules->now_us + rules->options->event_max_future_us ? 1
           : ts_us < rules->now_us - rules->options->event_max_age_us  ? -1
                                                                       : 0;
}

static int read_time(const json_t *v, const struct event_rules *rules, int64_t *out,
                     struct event_refusal *why)
{
    if (!json_is_string(v) || time_parse(json_string_value(v), json_string_length(v), out) != ERR_OK)
        return event_refuse(
            why, v ? "bad_field" : "missing_field",
            "\"ts\" must be a time like \"2026-11-02T10:20:30.123Z\" (RFC 3339): when it happened.");
    int fit = event_time_fit(*out, rules);
    if (fit > 0)
        return event_refuse(
            why, "from_the_future",
            "\"ts\" is more than %lld s ahead of this server's clock; is the sender's clock right?",
            (long long)(rules->options->event_max_future_us / 1000000));
    if (fit < 0)
        return event_refuse(why, "too_old",
                            "\"ts\" is older than the %lld s that events may be late (option event_max_age).",
                            (long long)(rules->options->event_max_age_us / 1000000));
    return ERR_OK;
}

static int read_units(const json_t *v, const struct event_rules *rules, struct event_item *out,
                      struct event_refusal *why)
{
    const char *type;
    json_t *raw;
    struct error e;
    if (!json_is_object(v) || json_object_size(v) == 0)
        return event_refuse(why, v ? "bad_field" : "missing_field",
                            "\"units\" must be an object of unit types and ids, like {\"user\": \"c-17\"}.");
    if (json_object_size(v) > EVENT_UNITS_MAX)
        return event_refuse(why, "bad_field", "\"units\" names %zu units; an event has at most %d.",
                            json_object_size(v), EVENT_UNITS_MAX);
    json_object_foreach((json_t *)v, type, raw)
    {
        if (unit_type_check(type, strlen(type), &e) != ERR_OK)
            return event_refuse(why, "bad_unit", "\"units\": %s", e.text);
        if (!json_is_string(raw))
            return event_refuse(why, "bad_unit", "\"units.%s\" must be a string.", type);
        if (unit_raw_check(json_string_value(raw), json_string_length(raw), &e) != ERR_OK)
            return event_refuse(why, "bad_unit", "\"units.%s\": %s", type, e.text);
        out->units[out->n_units].type = type;
        unit_from_raw(plan_unit_key(rules->plan), type, strlen(type), json_string_value(raw),
                      json_string_length(raw), &out->units[out->n_units++].unit);
    }
    return ERR_OK;
}

/* A browser reports of those it asked about. */
static int check_token(const json_t *v, const struct event_rules *rules, const struct event_item *item,
                       struct event_refusal *why)
{
    struct event_token t;
    if (!rules->need_token)
        return ERR_OK;
    if (!json_is_string(v))
        return event_refuse(why, v ? "bad_field" : "token_missing",
                            "\"event_token\" must be the eventToken of an answer's metadata: this server "
                            "takes events of client keys only for units they asked about.");
    switch (event_token_check(rules->plan, json_string_value(v), json_string_length(v), rules->now_us, &t)) {
    case EVENT_TOKEN_FORGED:
        return event_refuse(why, "token_forged",
                            "\"event_token\" was not made by this environment; send the eventToken of an "
                            "answer's metadata unchanged.");
    case EVENT_TOKEN_EXPIRED:
        return event_refuse(why, "token_expired",
                            "\"event_token\" has expired; ask for a decision again and take its eventToken.");
    case EVENT_TOKEN_GOOD:
        break;
    }
    for (size_t i = 0; i < item->n_units; i++)
        if (!event_token_has(&t, &item->units[i].unit))
            return event_refuse(why, "token_other_unit",
                                "\"event_token\" is not for this %s: it has the units of the context that "
                                "was asked about.",
                                item->units[i].type);
    return ERR_OK;
}

int event_item_read(const json_t *v, const struct event_rules *rules, const char *const *fields,
                    struct event_item *out, struct event_refusal *why)
{
    *out = (struct event_item){0};
    if (!json_is_object(v))
        return event_refuse(why, "bad_field", "An event must be a JSON object.");
    int rc = read_uuid(json_object_get(v, "id"), "id", out->id, why);
    if (rc != ERR_OK)
        return rc;
    out->id_text = json_string_value(json_object_get(v, "id"));
    if ((rc = check_fields(v, fields, why)) != ERR_OK ||
        (rc = read_units(json_object_get(v, "units"), rules, out, why)) != ERR_OK ||
        (rc = check_token(json_object_get(v, "event_token"), rules, out, why)) != ERR_OK ||
        (rc = read_time(json_object_get(v, "ts"), rules, &out->ts_us, why)) != ERR_OK)
        return rc;
    const json_t *decision = json_object_get(v, "decision");
    if (decision && (rc = read_uuid(decision, "decision", out->decision, why)) != ERR_OK)
        return rc;
    out->has_decision = decision != NULL;
    return ERR_OK;
}

int event_append(struct buffer *out, const struct record *rec)
{
    size_t need = record_most(rec);
    uint8_t *to = buffer_reserve(out, need);
    if (!to)
        return ERR_NOMEM;
    out->len += record_write(rec, to, need);
    return ERR_OK;
}

static bool is_key(const json_t *v)
{
    return looks_like_key(json_string_value(v), json_string_length(v));
}

/* These return 0, or what is not 0 when memory is short. */
static int keep(json_t *out, const json_t *v, const char *field, bool ok)
{
    return ok ? json_object_set(out, field, json_object_get(v, field)) : 0;
}

/* So that a replay counts by them too. What metrics or experiments name only later is not there. */
static int keep_attributes(json_t *out, const json_t *v, const struct event_rules *rules)
{
    struct event_refusal ignored;
    char text[SEGMENTS_BYTES];
    json_t *kept = NULL, *sent = json_object_get(v, "attributes");
    const json_t *name = json_object_get(v, "name"), *key = json_object_get(v, "experiment");
    int rc = ERR_OK;
    if (!json_is_object(sent))
        return 0;
    if (is_key(name))
        rc = event_attributes_keep(rules->plan, json_string_value(name), json_string_length(name), sent,
                                   &kept, &ignored);
    if (rc == ERR_NOMEM || (rc == ERR_OK && kept && json_object_set_new(out, "attributes", kept) != 0))
        return ERR_NOMEM;
    const struct plan_experiment *x =
        is_key(key) ? plan_experiment_find(rules->plan, json_string_value(key), json_string_length(key))
                    : NULL;
    struct record_text segments = x ? segments_of_event(x, sent, text) : (struct record_text){"", 0};
    return segments.len > 0
               ? json_object_set_new(out, "segments", json_loadb(segments.s, segments.len, 0, NULL))
               : 0;
}

static int keep_units(json_t *out, const json_t *v, const struct event_rules *rules)
{
    struct event_refusal ignored;
    struct event_item item = {0};
    if (read_units(json_object_get(v, "units"), rules, &item, &ignored) != ERR_OK)
        return 0;
    json_t *units = json_object();
    int rc = 0;
    for (size_t i = 0; i < item.n_units; i++) {
        char text[37];
        uuid_format(item.units[i].unit.bytes, text);
        rc |= json_object_set_new(units, item.units[i].type, json_string(text));
    }
    return rc | json_object_set_new(out, "units", units);
}

/* Only what can't be somebody's raw id: fields of the right shape, and units as their hashes. NULL: out of
 * memory. */
static char *body_to_keep(const json_t *v, const struct event_rules *rules)
{
    struct event_refusal ignored;
    uint8_t id[16];
    int64_t ts;
    json_t *out = json_object();
    const json_t *ts_json = json_object_get(v, "ts");
    int rc = keep(out, v, "id", read_uuid(json_object_get(v, "id"), "id", id, &ignored) == ERR_OK);
    rc |= keep(out, v, "decision",
               read_uuid(json_object_get(v, "decision"), "decision", id, &ignored) == ERR_OK);
    rc |= keep(out, v, "ts",
               json_is_string(ts_json) &&
                   time_parse(json_string_value(ts_json), json_string_length(ts_json), &ts) == 0);
    rc |= keep(out, v, "value", json_is_number(json_object_get(v, "value")));
    rc |= keep(out, v, "phase", json_is_integer(json_object_get(v, "phase")));
    rc |= keep(out, v, "name", is_key(json_object_get(v, "name")));
    rc |= keep(out, v, "experiment", is_key(json_object_get(v, "experiment")));
    rc |= keep(out, v, "variant", is_key(json_object_get(v, "variant")));
    rc |= keep_units(out, v, rules);
    rc |= keep_attributes(out, v, rules);
    /* A replay believes it as much as its sender was believed. */
    rc |= json_object_set_new(out, "trusted", json_boolean(rules->trusted));
    char *text = rc == 0 ? json_dump_text(out, JSON_COMPACT) : NULL;
    json_decref(out);
    return text;
}

static int append_letter(struct buffer *out, struct record *rec, const char *sent, size_t len,
                         const char *kind, const struct event_rules *rules, const struct event_refusal *why)
{
    struct record_dead_letter *d = &rec->u.dead_letter;
    rec->kind = RECORD_DEAD_LETTER;
    d->received_us = rules->now_us;
    d->kind = (struct record_text){kind, strlen(kind)};
    d->reason = (struct record_text){why->code, strlen(why->code)};
    d->detail = (struct record_text){why->text, strlen(why->text)};
    d->body_length = (int32_t)len;
    d->environment =
        (struct record_text){plan_environment(rules->plan), strlen(plan_environment(rules->plan))};
    crypto_hash_sha256(d->body_hash, (const unsigned char *)sent, len);
    return event_append(out, rec);
}

int event_bury_text(struct buffer *out, const char *text, size_t len, const char *kind,
                    const struct event_rules *rules, const struct event_refusal *why)
{
    struct record rec = {.u.dead_letter.body = {"{}", 2}};
    return append_letter(out, &rec, text, len, kind, rules, why);
}

int event_bury(struct buffer *out, const json_t *v, const char *kind, const struct event_rules *rules,
               const struct event_refusal *why)
{
    const json_t *id = json_object_get(v, "id");
    char *sent = json_dump_text(v, JSON_COMPACT);
    char *kept = body_to_keep(v, rules);
    struct record rec = {0};
    struct record_dead_letter *d = &rec.u.dead_letter;
    int rc = ERR_NOMEM;
    if (sent && kept) {
        d->has_event_id = json_is_string(id) &&
                          uuid_parse(json_string_value(id), json_string_length(id), d->event_id) == ERR_OK;
        d->body = (struct record_text){kept, strlen(kept)};
        rc = append_letter(out, &rec, sent, strlen(sent), kind, rules, why);
    }
    free(sent);
    free(kept);
    return rc;
}
