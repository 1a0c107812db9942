#include "web/api_health.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "codec/json_out.h"
#include "config.h"
#include "web/freshness.h"
#include "web/router.h"

/* A plan not confirmed by the database for this long means that the database is away. */
#define CONFIRMED_WITHIN_US 10000000
/* The monitor is heard every second, and within this when another node must take it over. */
#define HEARD_WITHIN_US 15000000

#define JSON "application/json"

void health_root(struct api_context *c)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    static const size_t path_max = 100;
    char line[100];
    struct json_out o;
    size_t n;
    const struct route *routes = router_routes(&n);
    char *text = arena_alloc(c->w->arena, 256 + n * path_max);
    if (!text) {
        http_reply(c->r, 503, NULL, NULL, 0);
        return;
    }
    json_out_init(&o, text, 256 + n * path_max);
    json_out_begin_object(&o);
    json_out_key(&o, "name");
    json_out_string(&o, "cohortd");
    json_out_key(&o, "version");
    json_out_string(&o, PACKAGE_VERSION);
    json_out_key(&o, "paths");
    json_out_begin_array(&o);
    for (size_t i = 0; i < n; i++) {
        snprintf(line, sizeof line, "%s %s", methods[routes[i].method], routes[i].pattern);
        json_out_string(&o, line);
    }
    json_out_end_array(&o);
    json_out_end_object(&o);
    http_reply(c->r, 200, JSON, text, o.len);
}

void health_live(struct api_context *c)
{
    static const char text[] = "{\"status\":\"ok\"}";
    http_reply(c->r, 200, JSON, text, sizeof text - 1);
}

static int64_t quarantined(const struct plan_set *plans)
{
    size_t n = 0;
    for (size_t i = 0; i < plan_set_count(plans); i++)
        n += plan_quarantine_count(plan_set_at(plans, i));
    return (int64_t)n;
}

/* What readiness looks at. */
struct state {
    int64_t plan_us, blind_us;
    enum api_queue queue;
};

/* Why it is not simply ready, in words. */
static void complain(struct json_out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void complain(struct json_out *o, const char *fmt, ...)
{
    char text[200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    json_out_string(o, text);
}

static bool degraded(const struct state *s)
{
    return s->plan_us > CONFIRMED_WITHIN_US || s->blind_us > HEARD_WITHIN_US || s->queue != QUEUE_OK;
}

static void complain_of_age(struct json_out *o, int64_t plan_us, int64_t blind_us)
{
    if (plan_us > CONFIRMED_WITHIN_US)
        complain(o,
                 "the database has not confirmed the definitions for %" PRId64
                 " s: edits and stops may not have reached this server",
                 plan_us / 1000000);
    if (blind_us == INT64_MAX)
        complain(o, "the monitor of guardrails has not been heard yet");
    else if (blind_us > HEARD_WITHIN_US)
        complain(o, "the monitor of guardrails has not been heard for %" PRId64 " s", blind_us / 1000000);
}

static void complain_of_queue(struct json_out *o, enum api_queue level)
{
    static const char *const words[] = {
        [QUEUE_HIGH] = "the spool is more than 80 % full: events of low-priority keys are refused",
        [QUEUE_FULL] = "the spool is full: events are refused",
        [QUEUE_FAILING] = "the spool can't be written: events are refused",
    };
    if (level != QUEUE_OK)
        json_out_string(o, words[level]);
}

static void write_age(struct json_out *o, const char *name, int64_t us)
{
    json_out_key(o, name);
    if (us == INT64_MAX)
        json_out_raw(o, "null");
    else
        json_out_int(o, us / 1000000);
}

static void write_state(struct json_out *o, const struct plan_set *plans, const struct state *s)
{
    static const char *const levels[] = {"ok", "high", "full", "failing"};
    json_out_key(o, "status");
    json_out_string(o, degraded(s) ? "degraded" : "ready");
    json_out_key(o, "reasons");
    json_out_begin_array(o);
    complain_of_age(o, s->plan_us, s->blind_us);
    complain_of_queue(o, s->queue);
    json_out_end_array(o);
    json_out_key(o, "plan_version");
    json_out_int(o, plan_set_version(plans));
    write_age(o, "plan_age_seconds", s->plan_us);
    write_age(o, "monitor_age_seconds", s->blind_us);
    json_out_key(o, "spool");
    json_out_string(o, levels[s->queue]);
    json_out_key(o, "quarantined_experiments");
    json_out_int(o, quarantined(plans));
}

static void not_ready(struct api_context *c, const char *text, size_t len)
{
    http_add_header(c->r, "Retry-After", "1");
    http_reply(c->r, 503, JSON, text, len);
}

void health_ready(struct api_context *c)
{
    static const char starting[] =
        "{\"status\":\"starting\",\"reasons\":[\"the definitions have not been read yet\"]}";
    static const char stopping[] =
        "{\"status\":\"stopping\",\"reasons\":[\"this server was told to stop: send requests to another\"]}";
    const struct api_services *services = &c->w->services;
    char text[1024];
    struct json_out o;
    if (counter_get(services->counters, stopping)) {
        not_ready(c, stopping, sizeof stopping - 1);
        return;
    }
    if (!c->w->plans) {
        not_ready(c, starting, sizeof starting - 1);
        return;
    }
    json_out_init(&o, text, sizeof text);
    json_out_begin_object(&o);
    write_state(&o, c->w->plans,
                &(struct state){freshness_plan_us(services->counters), freshness_blind_us(services->counters),
                                services->queue_level(services->arg)});
    json_out_end_object(&o);
    http_reply(c->r, 200, JSON, text, o.len);
}

/* How old this is can only be said when it is asked. */
static void set_ages(struct counters *counters, const struct plan_set *plans)
{
    int64_t plan = freshness_plan_us(counters), blind = freshness_blind_us(counters),
            up = clock_monotonic_us();
    counter_set(counters, plan_age_s, (plan == INT64_MAX ? up : plan) / 1000000);
    counter_set(counters, monitor_age_s, (blind == INT64_MAX ? up : blind) / 1000000);
    counter_set(counters, quarantined, plans ? quarantined(plans) : 0);
}

void health_metrics(struct api_context *c)
{
    set_ages(c->w->services.counters, c->w->plans);
    counters_write(c->w->services.counters, &c->w->out);
    http_reply(c->r, 200, "text/plain; version=0.0.4; charset=utf-8", c->w->out.data, c->w->out.len);
}
