#include "web/api_health.h"

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
    char text[2048];
    struct json_out o;
    size_t n;
    const struct route *routes = router_routes(&n);
    json_out_init(&o, text, sizeof text);
    json_out_begin_object(&o);
    json_out_key(&o, "name");
    json_out_string(&o, "cohortd");
    json_out_key(&o, "version");
    json_out_string(&o, PACKAGE_VERSION);
    json_out_key(&o, "paths");
    json_out_begin_array(&o);
    for (size_t i = 0; i < n; i++) {
        buffer_clear(&c->w->out);
        buffer_printf(&c->w->out, "%s %s", methods[routes[i].method], routes[i].pattern);
        json_out_string_n(&o, (const char *)c->w->out.data, c->w->out.len);
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

void health_ready(struct api_context *c)
{
    const struct plan *p = c->w->plan;
    int64_t confirmed = counter_get(c->w->services.counters, plan_confirmed_us);
    int64_t age = clock_wall_us() - confirmed;
    char text[512];
    struct json_out o;
    json_out_init(&o, text, sizeof text);
    json_out_begin_object(&o);
    json_out_key(&o, "status");
    json_out_string(&o, !p ? "starting" : age > CONFIRMED_WITHIN_US ? "degraded" : "ready");
    if (p) {
        json_out_key(&o, "plan_version");
        json_out_int(&o, plan_version(p));
        json_out_key(&o, "plan_age_seconds");
        json_out_int(&o, age < 0 ? 0 : age / 1000000);
        json_out_key(&o, "quarantined_experiments");
        json_out_int(&o, (int64_t)plan_quarantine_count(p));
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
