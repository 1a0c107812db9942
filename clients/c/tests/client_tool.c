/* A client on a leash, for tests in Python: each line of standard input is a JSON object that says what to
 * do, each line of standard output the answer to it. What on_trouble hears is gathered in the answers. */
#include <jansson.h>
#include <locale.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohort_client.h"

static struct cohort_client *client;
static struct cohort_context *who;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static json_t *heard;

static void on_trouble(void *arg, const struct cohort_trouble *t)
{
    (void)arg;
    pthread_mutex_lock(&lock);
    json_array_append_new(heard, json_pack("{s:i, s:s, s:s?, s:s?}", "kind", (int)t->kind, "text", t->text,
                                           "id", t->event_id, "code", t->code));
    pthread_mutex_unlock(&lock);
}

static const char *text(const json_t *o, const char *name)
{
    return json_string_value(json_object_get(o, name));
}

static unsigned number(const json_t *o, const char *name)
{
    return (unsigned)json_integer_value(json_object_get(o, name));
}

static json_t *do_open(const json_t *in)
{
    struct cohort_error e = {0, ""};
    struct cohort_options o = cohort_options(text(in, "url"), text(in, "key"));
    o.local = json_is_true(json_object_get(in, "local"));
    o.no_exposures = json_is_true(json_object_get(in, "no_exposures"));
    o.timeout_ms = number(in, "timeout_ms");
    o.poll_ms = number(in, "poll_ms");
    o.queue_max = number(in, "queue_max");
    o.batch_max = number(in, "batch_max");
    o.flush_ms = number(in, "flush_ms");
    o.backoff_min_ms = number(in, "backoff_min_ms");
    o.backoff_max_ms = number(in, "backoff_max_ms");
    o.queue_file = text(in, "queue_file");
    o.ca_file = text(in, "ca_file");
    o.on_trouble = on_trouble;
    int code = cohort_open(&client, &o, &e);
    return json_pack("{s:i, s:s}", "code", code, "text", e.text);
}

static int set_attribute(const char *name, const json_t *v)
{
    if (json_is_string(v))
        return cohort_context_string(who, name, json_string_value(v));
    if (json_is_number(v))
        return cohort_context_number(who, name, json_number_value(v));
    if (json_is_boolean(v))
        return cohort_context_bool(who, name, json_is_true(v));
    char *json = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    int code = cohort_context_json(who, name, json);
    free(json);
    return code;
}

static json_t *do_context(const json_t *in)
{
    const char *name;
    json_t *v;
    int code = 0;
    cohort_context_free(who);
    who = cohort_context_new(text(in, "user"));
    json_object_foreach(json_object_get(in, "attributes"), name, v) code |= set_attribute(name, v);
    json_object_foreach(json_object_get(in, "units"), name, v) code |=
        cohort_context_unit(who, name, json_string_value(v));
    return json_pack("{s:i, s:b}", "code", code, "made", who != NULL);
}

static json_t *value_of(const json_t *in, const char *flag)
{
    const char *type = text(in, "type"), *absent = text(in, "absent");
    if (strcmp(type, "boolean") == 0)
        return json_boolean(cohort_bool(client, who, flag, json_is_true(json_object_get(in, "absent"))));
    if (strcmp(type, "integer") == 0)
        return json_integer(
            cohort_integer(client, who, flag, json_integer_value(json_object_get(in, "absent"))));
    if (strcmp(type, "number") == 0)
        return json_real(cohort_number(client, who, flag, json_number_value(json_object_get(in, "absent"))));
    if (strcmp(type, "json") == 0)
        return json_string(cohort_json(client, who, flag, absent));
    return json_string(strcmp(type, "string") == 0 ? cohort_string(client, who, flag, absent)
                                                   : cohort_object(client, who, flag, absent));
}

static json_t *do_value(const json_t *in)
{
    json_t *value = value_of(in, text(in, "flag"));
    const struct cohort_details *d = cohort_details(who);
    return json_pack("{s:o, s:b, s:i, s:i, s:i, s:I, s:s, s:s, s:s, s:s, s:s, s:s?, s:s?}", "value", value,
                     "is_absent", d->absent, "phase", d->phase, "propensity", d->propensity, "inclusion",
                     d->inclusion, "plan_version", (json_int_t)d->plan_version, "variant", d->variant,
                     "reason", d->reason, "experiment", d->experiment, "decision_id", d->decision_id, "token",
                     d->token, "error", d->error, "error_text", d->error_text);
}

static json_t *do_track(const json_t *in)
{
    const json_t *v = json_object_get(in, "value");
    double value = json_number_value(v);
    char *attributes = json_dumps(json_object_get(in, "attributes"), JSON_COMPACT | JSON_ENCODE_ANY);
    const struct cohort_outcome o = {.size = sizeof o,
                                     .name = text(in, "name"),
                                     .value = v ? &value : NULL,
                                     .attributes = attributes,
                                     .decision = text(in, "decision"),
                                     .id = text(in, "id"),
                                     .ts_us = json_integer_value(json_object_get(in, "ts_us"))};
    int code = cohort_track_outcome(client, who, &o);
    free(attributes);
    return json_pack("{s:i}", "code", code);
}

static json_t *do_stats(void)
{
    struct cohort_stats s = {.size = sizeof s};
    cohort_stats(client, &s);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "kept", (json_int_t)s.kept,
                     "accepted", (json_int_t)s.accepted, "refused", (json_int_t)s.refused, "dropped",
                     (json_int_t)s.dropped, "waiting", (json_int_t)s.waiting, "requests",
                     (json_int_t)s.requests, "failures", (json_int_t)s.failures, "evaluations",
                     (json_int_t)s.evaluations, "defaults", (json_int_t)s.defaults, "plan_version",
                     (json_int_t)s.plan_version, "plan_age_ms", (json_int_t)s.plan_age_ms);
}

static json_t *do_close(unsigned ms)
{
    size_t left = cohort_close(client, ms);
    client = NULL;
    return json_pack("{s:I}", "left", (json_int_t)left);
}

static json_t *perform(const json_t *in, const char *what)
{
    if (strcmp(what, "open") == 0)
        return do_open(in);
    if (strcmp(what, "context") == 0)
        return do_context(in);
    if (strcmp(what, "value") == 0)
        return do_value(in);
    if (strcmp(what, "track") == 0)
        return do_track(in);
    if (strcmp(what, "expose") == 0)
        return json_pack("{s:i}", "code", cohort_expose(client, who));
    if (strcmp(what, "flush") == 0)
        return json_pack("{s:i}", "code", cohort_flush(client, number(in, "ms")));
    if (strcmp(what, "ready") == 0)
        return json_pack("{s:i}", "code", cohort_wait_ready(client, number(in, "ms")));
    if (strcmp(what, "refresh") == 0)
        cohort_refresh(client);
    if (strcmp(what, "key") == 0)
        return json_pack("{s:i}", "code", cohort_set_key(client, text(in, "key")));
    if (strcmp(what, "stats") == 0)
        return do_stats();
    if (strcmp(what, "close") == 0)
        return do_close(number(in, "ms"));
    return json_object();
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    setlocale(LC_ALL, "");
    heard = json_array();
    while (getline(&line, &cap, stdin) > 0) {
        json_t *in = json_loads(line, 0, NULL);
        json_t *out = perform(in, text(in, "do"));
        pthread_mutex_lock(&lock);
        json_object_set_new(out, "heard", heard);
        heard = json_array();
        pthread_mutex_unlock(&lock);
        char *answer = json_dumps(out, JSON_COMPACT);
        puts(answer);
        fflush(stdout);
        free(answer);
        json_decref(out);
        json_decref(in);
    }
    cohort_context_free(who);
    cohort_close(client, 0);
    json_decref(heard);
    free(line);
    return 0;
}
