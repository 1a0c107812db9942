#include "cohortd/guard.h"

#include <stdlib.h>

#include "web/http_address.h"
#include "web/http_shared.h"
#include "web/rate_limits.h"

struct guard {
    struct http_shared *http;
    struct rate_limits *limits;
};

static void set_rate(struct guard *g, enum rate_kind kind, int64_t rate, int64_t burst)
{
    rate_limits_set(g->limits, kind, (struct rate_option){(unsigned)rate, (unsigned)burst});
}

static int set_trust(struct guard *g, const char *list, struct error *e)
{
    struct http_trust *trust;
    int code = http_trust_new(&trust, list, e);
    return code == ERR_OK ? http_shared_set_trust(g->http, trust, e) : code;
}

int guard_set(struct guard *g, const struct config *c, unsigned max_connections, struct error *e)
{
    enum http_log log = HTTP_LOG_ERRORS;
    int code = set_trust(g, c->trusted_proxies, e);
    if (code != ERR_OK)
        return code;
    http_log_parse(c->log_requests, &log);
    http_shared_set_log(g->http, log);
    http_shared_set_caps(g->http, max_connections, (unsigned)c->max_connections_per_address);
    set_rate(g, RATE_KEY, c->rate_per_key, c->burst_per_key);
    set_rate(g, RATE_ADDRESS, c->rate_per_address, c->burst_per_address);
    set_rate(g, RATE_FAILED, c->rate_failed_auth, c->burst_failed_auth);
    return ERR_OK;
}

int guard_new(struct guard **out, const struct config *c, unsigned max_connections, struct counters *counters,
              struct error *e)
{
    struct guard *g = calloc(1, sizeof *g);
    *out = g;
    if (g) {
        g->http = http_shared_new(max_connections, (unsigned)c->max_connections_per_address);
        g->limits = rate_limits_new(counters);
    }
    if (!g || !g->http || !g->limits)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    return guard_set(g, c, max_connections, e);
}

void guard_free(struct guard *g)
{
    if (!g)
        return;
    http_shared_free(g->http);
    rate_limits_free(g->limits);
    free(g);
}

struct http_shared *guard_http(struct guard *g)
{
    return g->http;
}

struct rate_limits *guard_limits(struct guard *g)
{
    return g->limits;
}
