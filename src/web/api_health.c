#include "web/api_health.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "codec/json_out.h"
#include "config.h"
#include "web/router.h"

/* A plan not confirmed by the database for this long means that the database is away. */
#define CONFIRMED_WITHIN_US 10000000

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

void health_ready(struct api_context *c)
{
    const struct plan_set *p = c->w->plans;
    int64_t confirmed = counter_get(c->w->services.counters, plan_confirmed_us);
    int64_t age = clock_monotonic_us() - confirmed;
    char text[512];
    struct json_out o;
    json_out_init(&o, text, sizeof text);
    json_out_begin_object(&o);
    json_out_key(&o, "status");
    json_out_string(&o, !p ? "starting" : age > CONFIRMED_WITHIN_US ? "degraded" : "ready");
    if (p) {
        json_out_key(&o, "plan_version");
        json_out_int(&o, plan_set_version(p));
        json_out_key(&o, "plan_age_seconds");
        json_out_int(&o, age < 0 ? 0 : age / 1000000);
        json_out_key(&o, "quarantined_experiments");
        json_out_int(&o, quarantined(p));
    }
    json_out_end_object(&o);
    if (!p)
        http_add_header(c->r, "Retry-After", "1");
    http_reply(c->r, p ? 200 : 503, JSON, text, o.len);
}

void health_metrics(struct api_context *c)
{
    counters_write(c->w->services.counters, &c->w->out);
    http_reply(c->r, 200, "text/plain; version=0.0.4; charset=utf-8", c->w->out.data, c->w->out.len);
}
