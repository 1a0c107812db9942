#include "web/api_events.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "codec/json_dump.h"
#include "core/token.h"
#include "web/api_worker.h"
#include "web/auth.h"
#include "web/event_batch.h"
#include "web/event_item.h"
#include "web/event_outcome.h"
#include "web/event_quick.h"
#include "web/kept_attributes.h"
#include "web/problem.h"

#define RETRY_SECONDS "1" /* what answers ask of clients */

static const char queue_full[] = "The local queue is full; the database has been away for too long.";
static const char no_memory[] = "Out of memory.";

/* One event to records; n_records counts them. */
typedef int accept_fn(const json_t *v, const struct event_rules *rules, struct buffer *out,
                      unsigned *n_records, struct event_refusal *why);

static const char *quotable(const json_t *v)
{
    return event_quotable(json_string_value(v), json_string_length(v));
}

static int refuse_draw(const struct plan_experiment *x, enum plan_report_check check, int32_t number,
                       struct event_refusal *why)
{
    const char *key = plan_experiment_key(x);
    switch (check) {
    case REPORT_UNKNOWN_PHASE:
        return event_refuse(why, "unknown_phase",
                            "Phase %d of \"%s\" is not known here (any more): report with the decision's "
                            "\"token\", from its metadata.",
                            number, key);
    case REPORT_NEEDS_DECISION:
        return event_refuse(why, "missing_field",
                            "\"%s\" draws each decision anew: \"decision\" must be the decision's id.", key);
    case REPORT_NEEDS_TOKEN:
        return event_refuse(why, "missing_field",
                            "\"%s\" draws from a model's probabilities, which depend on what was known: "
                            "\"token\" must be the decision's, from its metadata.",
                            key);
    case REPORT_NOT_IN_TRAFFIC:
    case REPORT_DRAWN:
        break;
    }
    return event_refuse(why, "contradicts_draw", "No phase of \"%s\" owns this unit's traffic slot.", key);
}

/* What the report's token proves; false without one that holds. */
static bool proved_by_token(const json_t *v, const struct plan_experiment *x, const struct event_rules *rules,
                            const struct record_exposure *e, struct plan_assignment *out)
{
    struct token t;
    const json_t *text = json_object_get(v, "token");
    return json_is_string(text) &&
           token_check(rules->plan, json_string_value(text), json_string_length(text), &t) &&
           token_expected(x, &e->unit, &t, e->has_decision ? e->decision_id : NULL, rules->now_us, out);
}

static int contradicts(const struct plan_experiment *x, const struct plan_assignment *a,
                       struct event_refusal *why)
{
    if (!a->phase)
        return event_refuse(why, "contradicts_draw", "The token is of variant \"%s\" of \"%s\".",
                            plan_variant_key(a->variant), plan_experiment_key(x));
    return event_refuse(why, "contradicts_draw", "This unit draws variant \"%s\" in phase %d of \"%s\".",
                        plan_variant_key(a->variant), plan_phase_number(a->phase), plan_experiment_key(x));
}

/* What was reported must be what the contract draws, or a token of ours proves: a report can't invent an
 * assignment. */
static int check_draw(const json_t *v, const struct plan_experiment *x, const struct event_rules *rules,
                      struct record_exposure *out, struct event_refusal *why)
{
    struct plan_assignment drawn;
    const json_t *number = json_object_get(v, "phase"), *variant = json_object_get(v, "variant");
    if (!json_is_integer(number))
        return event_refuse(why, number ? "bad_field" : "missing_field",
                            "\"phase\" must be the phase's number: it is in the decision's metadata.");
    if (!json_is_string(variant) ||
        !plan_variant_find(x, json_string_value(variant), json_string_length(variant)))
        return event_refuse(why, variant ? "bad_field" : "missing_field",
                            "\"variant\" must be one of the experiment's variants, not \"%s\".",
                            quotable(variant));
    json_int_t named = json_integer_value(number);
    const struct plan_report report = {.phase = named > 0 && named <= INT32_MAX ? (int32_t)named : 0,
                                       .decision = out->has_decision ? out->decision_id : NULL,
                                       .ts_us = out->ts_us};
    if (!proved_by_token(v, x, rules, out, &drawn)) {
        enum plan_report_check check = plan_reported(x, &out->unit, &report, &drawn);
        if (check != REPORT_DRAWN)
            return refuse_draw(x, check, report.phase, why);
    }
    if ((drawn.phase && plan_phase_number(drawn.phase) != named) ||
        strcmp(plan_variant_key(drawn.variant), json_string_value(variant)) != 0)
        return contradicts(x, &drawn, why);
    out->variant_id = plan_variant_id(drawn.variant);
    out->phase_id = drawn.phase_id;
    out->propensity_ppm = drawn.propensity_ppm;
    out->inclusion_ppm = drawn.inclusion_ppm;
    return ERR_OK;
}

static int accept_exposure(const json_t *v, const struct event_rules *rules, struct buffer *out,
                           unsigned *n_records, struct event_refusal *why)
{
    static const char *const fields[] = {"id",       "experiment", "variant",     "phase", "units", "ts",
                                         "decision", "attributes", "event_token", "token", NULL};
    struct event_item item;
    struct record rec = {.kind = RECORD_EXPOSURE};
    struct record_exposure *x = &rec.u.exposure;
    const json_t *key = json_object_get(v, "experiment");
    int rc = event_item_read(v, rules, fields, &item, why);
    if (rc != ERR_OK)
        return rc;
    const struct plan_experiment *experiment =
        json_is_string(key)
            ? plan_experiment_find(rules->plan, json_string_value(key), json_string_length(key))
            : NULL;
    if (!experiment)
        return event_refuse(why, key ? "unknown_experiment" : "missing_field",
                            "\"experiment\" must be the key of an experiment, not \"%s\".", quotable(key));
    const char *type = plan_experiment_unit_type(experiment);
    size_t i = 0;
    while (i < item.n_units && strcmp(item.units[i].type, type) != 0)
        i++;
    if (i == item.n_units)
        return event_refuse(why, "bad_unit", "\"units\" must name a %s: the experiment is on that unit type.",
                            type);
    x->unit = item.units[i].unit;
    x->experiment_id = plan_experiment_id(experiment);
    x->ts_us = item.ts_us;
    memcpy(x->decision_id, item.decision, 16);
    x->has_decision = item.has_decision;
    if ((rc = check_draw(v, experiment, rules, x, why)) != ERR_OK ||
        (rc = event_attributes_check(json_object_get(v, "attributes"), why)) != ERR_OK)
        return rc;
    char segments[SEGMENTS_BYTES];
    x->segments = segments_of_event(experiment, json_object_get(v, "attributes"), segments);
    memcpy(x->event_id, item.id, 16);
    x->trusted = rules->trusted;
    x->origin = ORIGIN_REPORTED;
    (*n_records)++;
    return event_append(out, &rec);
}

/* A batch between its push and its answer. */
struct batch {
    struct http_request *request;
    struct counters *counters;
    struct buffer answer; /* JSON */
    unsigned accepted, rejected;
    bool exposures;
};

static void batch_free(struct batch *b)
{
    buffer_free(&b->answer);
    free(b);
}

static void answer_not_kept(struct http_request *r, const char *detail)
{
    http_add_header(r, "Retry-After", RETRY_SECONDS);
    problem_reply(r, &(struct problem){
                         .status = 503,
                         .title = "Events can't be kept now",
                         .detail = detail,
                         .hint = "None of this batch was accepted. Send it again, with the same ids.",
                         .code = "events_unavailable",
                     });
}

static void on_durable(void *arg, int code, const struct error *e)
{
    struct batch *b = arg;
    if (code == ERR_OK) {
        if (b->exposures)
            counter_add(b->counters, exposures, b->accepted);
        else
            counter_add(b->counters, outcomes, b->accepted);
        counter_add(b->counters, rejected, b->rejected);
        http_reply(b->request, 202, "application/json", b->answer.data, b->answer.len);
    } else {
        answer_not_kept(b->request, e && e->text[0] ? e->text : "The local queue could not keep them.");
    }
    batch_free(b);
}

static void answer_give_way(struct http_request *r)
{
    http_add_header(r, "Retry-After", RETRY_SECONDS);
    problem_reply(r, &(struct problem){
                         .status = 429,
                         .title = "Events of this key give way for now",
                         .detail = "The local queue is more than 80 % full and takes events of low-priority "
                                   "keys again when the database has taken some.",
                         .hint = "None of this batch was accepted. Send it again, with the same ids.",
                         .code = "low_priority",
                     });
}

/* False after an answer was given. */
static bool queue_takes(struct api_context *c)
{
    enum api_queue level = c->w->services.queue_level(c->w->services.arg);
    if (level == QUEUE_OK || (level == QUEUE_HIGH && !c->key->low))
        return true;
    if (level == QUEUE_HIGH) {
        answer_give_way(c->r);
        return false;
    }
    answer_not_kept(c->r, level == QUEUE_FULL ? queue_full : "The local queue can't be written.");
    return false;
}

/* The array of events, borrowed from doc; NULL after an answer was given. */
static const json_t *events_of(struct api_context *c, const json_t *doc)
{
    const json_t *list = json_is_array(doc) ? doc : json_object_get(doc, "events");
    const char *why = NULL;
    size_t members = json_object_get(doc, "key") ? 2 : 1;
    if (!json_is_array(list) || (json_is_object(doc) && json_object_size(doc) != members))
        why = "The body must be {\"events\": […]} or an array of events, and nothing else.";
    else if (json_array_size(list) == 0)
        why = "\"events\" is empty; a batch has 1 to 1000 events.";
    else if (json_array_size(list) > EVENTS_MAX)
        why = "\"events\" has too many; a batch has 1 to 1000 events.";
    if (!why)
        return list;
    problem_reply(c->r, &(struct problem){.status = 400,
                                          .title = "Not a batch of events",
                                          .detail = why,
                                          .pointer = "events",
                                          .code = "bad_batch"});
    return NULL;
}

/* 0, or ERR_NOMEM. */
static int add_result(struct batch *b, json_t *results, const json_t *v, const struct event_refusal *why)
{
    json_t *entry = json_object();
    json_t *id = json_object_get(v, "id");
    int rc = json_object_set_new(entry, "index", json_integer(b->accepted + b->rejected));
    if (json_is_string(id))
        rc |= json_object_set(entry, "id", id);
    rc |= json_object_set_new(entry, "status", json_string(why ? "rejected" : "accepted"));
    if (why) {
        rc |= json_object_set_new(entry, "code", json_string(why->code));
        rc |= json_object_set_new(entry, "reason", json_string(why->text));
        b->rejected++;
    } else {
        b->accepted++;
    }
    return json_array_append_new(results, entry) == 0 && rc == 0 ? ERR_OK : ERR_NOMEM;
}

/* unread: NULL, or an event whose text was no JSON. */
static int accept_one(accept_fn *accept, const json_t *v, const struct event_unread *unread,
                      const struct event_rules *rules, struct buffer *out, unsigned *n,
                      struct event_refusal *why)
{
    if (!unread || !unread->text)
        return accept(v, rules, out, n, why);
    return event_refuse(why, "bad_json", "The event is not JSON: %s (%s of the event).", unread->error.text,
                        unread->error.place);
}

static struct event_rules rules_of(const struct api_context *c)
{
    return (struct event_rules){c->plan, &c->w->options, clock_wall_us(), auth_trusted(c->key),
                                c->w->options.client_tokens && c->key->role == ROLE_CLIENT};
}

static int accept_all(struct api_context *c, const json_t *list, const struct event_unread *unread,
                      accept_fn *accept, struct batch *b, json_t *results, unsigned *n_records)
{
    struct buffer *out = &c->w->out;
    struct event_rules rules = rules_of(c);
    const char *kind = b->exposures ? "exposure" : "outcome";
    size_t i;
    json_t *v;
    json_array_foreach((json_t *)list, i, v)
    {
        struct event_refusal why;
        size_t before = out->len;
        unsigned n = 0;
        const struct event_unread *u = unread ? &unread[i] : NULL;
        int rc = accept_one(accept, v, u, &rules, out, &n, &why);
        const bool refused = rc == ERR_INVALID;
        if (refused) {
            out->len = before;
            n = 1;
            rc = u && u->text ? event_bury_text(out, u->text, u->len, kind, &rules, &why)
                              : event_bury(out, v, kind, &rules, &why);
        }
        if (rc != ERR_OK || (rc = add_result(b, results, v, refused ? &why : NULL)) != ERR_OK)
            return rc;
        *n_records += n;
    }
    return ERR_OK;
}

/* Writes the records to w->out, and the batch's answer. */
static int read_batch(struct api_context *c, const json_t *list, const struct event_unread *unread,
                      accept_fn *accept, struct batch *b, unsigned *n_records)
{
    json_t *results = json_array();
    int rc = results ? accept_all(c, list, unread, accept, b, results, n_records) : ERR_NOMEM;
    json_t *answer = rc == ERR_OK ? json_pack("{sOsIsI}", "results", results, "accepted",
                                              (json_int_t)b->accepted, "rejected", (json_int_t)b->rejected)
                                  : NULL;
    char *text = answer ? json_dump_text(answer, JSON_COMPACT) : NULL;
    if (text)
        buffer_add_str(&b->answer, text);
    else if (rc == ERR_OK)
        rc = ERR_NOMEM;
    free(text);
    json_decref(answer);
    json_decref(results);
    return rc;
}

static struct batch *batch_new(struct api_context *c, accept_fn *accept)
{
    struct batch *b = calloc(1, sizeof *b);
    if (b)
        *b = (struct batch){
            .request = c->r, .counters = c->w->services.counters, .exposures = accept == accept_exposure};
    return b;
}

/* Answers now, or when the batch is durable. b: NULL when memory is short. */
static void push(struct api_context *c, struct batch *b, int rc, unsigned n)
{
    if (rc == ERR_OK && (!b || b->answer.failed))
        rc = ERR_NOMEM;
    if (rc == ERR_OK)
        rc = c->w->services.push(c->w->services.arg, c->w->out.data, c->w->out.len, n, on_durable, b);
    if (rc == ERR_OK)
        return;
    answer_not_kept(c->r, rc == ERR_LIMIT   ? queue_full
                          : rc == ERR_STATE ? "This server is shutting down."
                                            : no_memory);
    if (b)
        batch_free(b);
}

static void take_batch(struct api_context *c, const json_t *list, const struct event_unread *unread,
                       accept_fn *accept)
{
    struct batch *b = batch_new(c, accept);
    unsigned n = 0;
    int rc = b ? read_batch(c, list, unread, accept, b, &n) : ERR_NOMEM;
    push(c, b, rc, n);
}

/* False: not a plain batch, nothing was done. */
static bool take_quick(struct api_context *c, const char *body, size_t len)
{
    struct event_rules rules = rules_of(c);
    struct batch *b = batch_new(c, outcome_accept);
    unsigned n = 0;
    if (!b || !event_quick_outcomes(body, len, &rules, &c->w->out, &b->answer, &b->accepted, &n)) {
        if (b)
            batch_free(b);
        return false;
    }
    push(c, b, ERR_OK, n);
    return true;
}

static void take(struct api_context *c, accept_fn *accept)
{
    struct event_unread *unread;
    struct error e;
    json_t *doc = NULL;
    size_t len;
    const char *body = http_body(c->r, &len);
    if (!queue_takes(c) || (accept == outcome_accept && take_quick(c, body, len)))
        return;
    int rc = event_batch_parse(body, len, c->w->options.max_body, &doc, &unread, &e);
    if (rc == ERR_NOMEM) {
        answer_not_kept(c->r, no_memory);
        return;
    }
    if (rc != ERR_OK) {
        problem_reply(c->r, &(struct problem){.status = 400,
                                              .title = "The body is not JSON",
                                              .detail = e.text,
                                              .pointer = e.place[0] ? e.place : NULL,
                                              .code = "bad_json"});
        return;
    }
    const json_t *list = events_of(c, doc);
    if (list)
        take_batch(c, list, unread, accept);
    free(unread);
    json_decref(doc);
}

void events_outcomes(struct api_context *c)
{
    take(c, outcome_accept);
}

void events_exposures(struct api_context *c)
{
    take(c, accept_exposure);
}
