/* Decisions by a request to the server (OFREP). */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "clients/c/evaluate.h"
#include "core/plan_build.h"

#define FAILURES_UNTIL_PAUSE 3 /* in a row, before the server is spared */

/* --- calls --- */

static struct http *take_call(struct cohort_client *c)
{
    pthread_mutex_lock(&c->calls_lock);
    struct http *h = c->n_idle > 0 ? c->idle[--c->n_idle] : NULL;
    pthread_mutex_unlock(&c->calls_lock);
    return h ? h : http_new();
}

static void give_call(struct cohort_client *c, struct http *h)
{
    pthread_mutex_lock(&c->calls_lock);
    bool kept = c->n_idle < CALLS_IDLE_MAX;
    if (kept)
        c->idle[c->n_idle++] = h;
    pthread_mutex_unlock(&c->calls_lock);
    if (!kept)
        http_free(h);
}

/* Of calls that were under way together one counts. */
static void note_failure(struct cohort_client *c, long retry_after_s)
{
    int64_t now = clock_monotonic_us();
    struct backoff *b = &c->away;
    if (now < atomic_load(&c->not_before_us) && retry_after_s <= 0)
        return;
    if (++b->failures < FAILURES_UNTIL_PAUSE && retry_after_s <= 0)
        return;
    struct backoff pause = *b;
    pause.failures = b->failures > FAILURES_UNTIL_PAUSE ? b->failures - FAILURES_UNTIL_PAUSE : 0;
    atomic_store(&c->not_before_us, now + backoff_next_us(&pause, retry_after_s, client_random()));
}

/* After failures the server is left alone for a while, and defaults are served at once: a program whose every
 * flag waits for the timeout stands still. */
static void note_result(struct cohort_client *c, const struct http_answer *a)
{
    pthread_mutex_lock(&c->calls_lock);
    if (a->status == 0 || a->status == 429 || a->status >= 500) {
        note_failure(c, a->retry_after_s);
    } else {
        c->away.failures = 0;
        atomic_store(&c->not_before_us, 0);
    }
    pthread_mutex_unlock(&c->calls_lock);
}

/* --- answers --- */

static const char *text_of(const json_t *o, const char *name, const char *absent)
{
    const char *text = json_string_value(json_object_get(o, name));
    return text ? text : absent;
}

static int64_t number_of(const json_t *o, const char *name, int64_t absent)
{
    const json_t *v = json_object_get(o, name);
    return json_is_integer(v) ? json_integer_value(v) : absent;
}

/* Where a text will stand in x->texts, which may still move. */
static size_t keep(struct cohort_context *x, const char *text)
{
    size_t at = x->texts.len;
    buffer_add(&x->texts, text, strlen(text) + 1);
    return at;
}

/* The details and the value; an absent value is the code's default. */
static const char *tell(struct cohort_context *x, const json_t *doc)
{
    static const char *const names[] = {"decisionId", "reason", "experiment", "token", "unitType"};
    const json_t *metadata = json_object_get(doc, "metadata"), *value = json_object_get(doc, "value");
    char *json = value && !json_is_null(value) ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    size_t at[5], variant, text = 0;
    buffer_clear(&x->texts);
    variant = keep(x, text_of(doc, "variant", ""));
    for (int i = 0; i < 5; i++)
        at[i] = keep(x, text_of(metadata, names[i],
                                i == 1   ? text_of(doc, "reason", "")
                                : i == 4 ? "user"
                                         : ""));
    if (json)
        text = keep(x, json);
    bool had_value = json != NULL;
    free(json);
    if (x->texts.failed || (value && !json_is_null(value) && !had_value))
        return evaluate_fail(x, "GENERAL", "out of memory");
    const char *texts = (const char *)x->texts.data;
    const char *event_token = text_of(metadata, "eventToken", "");
    snprintf(x->event_token, sizeof x->event_token, "%s", event_token);
    x->unit_type = texts + at[4];
    x->details = (struct cohort_details){
        .phase = (int)number_of(metadata, "phase", 0),
        .propensity = (int)number_of(metadata, "propensity", -1),
        .inclusion = (int)number_of(metadata, "inclusion", -1),
        .plan_version = number_of(metadata, "planVersion", 0),
        .variant = texts + variant,
        .decision_id = texts + at[0],
        .reason = texts + at[1],
        .experiment = texts + at[2],
        .token = texts + at[3],
    };
    return had_value ? texts + text : NULL;
}

/* OFREP's codes are OpenFeature's; a text that is not one of them is not handed on. */
static const char *known_code(const char *code)
{
    static const char *const codes[] = {"PARSE_ERROR", "TARGETING_KEY_MISSING", "INVALID_CONTEXT",
                                        "FLAG_NOT_FOUND", "GENERAL"};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(code, codes[i]) == 0)
            return codes[i];
    return NULL;
}

static const char *read_answer(struct cohort_client *c, struct cohort_context *x, const struct http_answer *a)
{
    json_t *doc = a->status > 0 ? json_loadb((const char *)a->body.data, a->body.len, 0, NULL) : NULL;
    const char *code = known_code(text_of(doc, "errorCode", "")), *json = NULL;
    bool ours = a->status == 200 && json_is_string(json_object_get(doc, "variant"));
    note_result(c, a);
    if (!((a->status == 400 || a->status == 404) && code))
        client_heard(c, a, ours, "flags can't be asked for");
    if (ours)
        json = tell(x, doc);
    else if (a->status == 0)
        evaluate_fail(x, "GENERAL", "%s: %s", c->url, a->why);
    else if (a->status == 401 || a->status == 403)
        evaluate_fail(x, "PROVIDER_FATAL", "the server answers %ld to this key", a->status);
    else if (code)
        evaluate_fail(x, code, "%s", text_of(doc, "errorDetails", "the server gives no details"));
    else
        evaluate_fail(x, "GENERAL", "%s answers %ld, and not as OFREP asks for", c->url, a->status);
    json_decref(doc);
    return json;
}

static const char *ask(struct cohort_client *c, struct cohort_context *x, struct http *h, const char *url,
                       const char *key)
{
    struct http_answer a = {.status = 0};
    const struct http_request r = {.url = url,
                                   .key = key,
                                   .body = (const char *)x->body.data,
                                   .len = x->body.len,
                                   .ca_file = c->ca_file,
                                   .timeout_ms = c->timeout_ms};
    http_call(h, &r, &a);
    const char *json = read_answer(c, x, &a);
    buffer_free(&a.body);
    return json;
}

const char *evaluate_there(struct cohort_client *c, struct cohort_context *x, const char *flag)
{
    char *url = NULL;
    const char *json = NULL;
    x->unit_type = NULL;
    if (!plan_key_valid(flag))
        return evaluate_fail(x, "FLAG_NOT_FOUND", "\"%.100s\" can't be the key of a flag", flag);
    if (clock_monotonic_us() < atomic_load(&c->not_before_us))
        return evaluate_fail(x, "GENERAL", "%s is away, and not asked again for a moment", c->url);
    char *key = client_key(c);
    struct http *h = take_call(c);
    if (asprintf(&url, "%s/ofrep/v1/evaluate/flags/%s%s", c->url, flag,
                 c->no_exposures ? "?enroll=false" : "") < 0)
        url = NULL;
    if (key && h && url && context_body(x))
        json = ask(c, x, h, url, key);
    else
        evaluate_fail(x, "GENERAL", "out of memory");
    if (h)
        give_call(c, h);
    free(url);
    free(key);
    return json;
}
