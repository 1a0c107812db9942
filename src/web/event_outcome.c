#include "web/event_outcome.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_dump.h"
#include "web/kept_attributes.h"

static int read_value(const json_t *v, struct record_outcome *out, struct event_refusal *why)
{
    const json_t *value = json_object_get(v, "value");
    if (!value)
        return ERR_OK;
    if (!json_is_number(value))
        return event_refuse(why, "bad_field", "\"value\" must be a number.");
    double d = json_number_value(value);
    if (!(fabs(d) <= OUTCOME_VALUE_MAX))
        return event_refuse(why, "bad_field", "\"value\" must be between -9.2e12 and 9.2e12.");
    out->has_value = true;
    out->value_micro = json_is_integer(value) ? json_integer_value(value) * 1000000 : llrint(d * 1e6);
    return ERR_OK;
}

int outcome_attributes(const json_t *attributes, const struct event_rules *rules, struct record_text name,
                       char **out, struct event_refusal *why)
{
    json_t *kept;
    *out = NULL;
    int rc = event_attributes_keep(rules->plan, name.s, name.len, attributes, &kept, why);
    if (rc != ERR_OK || !kept)
        return rc;
    *out = json_dump_text(kept, JSON_COMPACT);
    json_decref(kept);
    return *out ? ERR_OK : ERR_NOMEM;
}

int outcome_append(const struct event_item *item, const struct event_rules *rules, struct record_outcome *o,
                   struct buffer *out, unsigned *n_records)
{
    struct record rec = {.kind = RECORD_OUTCOME, .u.outcome = *o};
    int rc = ERR_OK;
    memcpy(rec.u.outcome.event_id, item->id, 16);
    memcpy(rec.u.outcome.decision_id, item->decision, 16);
    rec.u.outcome.has_decision = item->has_decision;
    rec.u.outcome.ts_us = item->ts_us;
    rec.u.outcome.trusted = rules->trusted;
    for (size_t i = 0; i < item->n_units && rc == ERR_OK; i++, (*n_records)++) {
        rec.u.outcome.unit = item->units[i].unit;
        rc = event_append(out, &rec);
    }
    return rc;
}

int outcome_accept(const json_t *v, const struct event_rules *rules, struct buffer *out, unsigned *n_records,
                   struct event_refusal *why)
{
    static const char *const fields[] = {"id",       "name",       "units",       "ts", "value",
                                         "decision", "attributes", "event_token", NULL};
    struct event_item item;
    struct record_outcome o = {0};
    const json_t *name = json_object_get(v, "name");
    int rc = event_item_read(v, rules, fields, &item, why);
    if (rc != ERR_OK)
        return rc;
    if (!json_is_string(name))
        return event_refuse(why, name ? "bad_field" : "missing_field",
                            "\"name\" must be the event's name, a string.");
    o.name = (struct record_text){json_string_value(name), json_string_length(name)};
    if (!plan_event_declared(rules->plan, o.name.s, o.name.len))
        return event_refuse(
            why, "unknown_event",
            "No metric counts an event named \"%s\"; is it a typo? Define a metric for it first.",
            event_quotable(o.name.s, o.name.len));
    if ((rc = read_value(v, &o, why)) != ERR_OK)
        return rc;
    char *attributes = NULL;
    rc = outcome_attributes(json_object_get(v, "attributes"), rules, o.name, &attributes, why);
    if (attributes)
        o.attributes = (struct record_text){attributes, strlen(attributes)};
    if (rc == ERR_OK)
        rc = outcome_append(&item, rules, &o, out, n_records);
    free(attributes);
    return rc;
}
