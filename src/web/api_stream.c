#include "web/api_stream.h"

#include <string.h>

#include "base/clock.h"
#include "core/stream_token.h"
#include "web/api_ofrep.h"
#include "web/query.h"
#include "web/router.h"
#include "web/streams.h"

/* Parameters of the URL that a bulk answer gave. Empty: not there. */
struct asked {
    char token[STREAM_TOKEN_TEXT + 1];
    char since[STREAM_MARK_TEXT + 1];
};

static void keep(char *to, size_t cap, const char *value)
{
    size_t n = strlen(value);
    if (n < cap)
        memcpy(to, value, n + 1);
}

static void read_query(const struct http_request *r, struct asked *out)
{
    const char *query = http_query(r);
    struct query_param p;
    *out = (struct asked){{0}, {0}};
    while (query_next(&query, &p) == 1) {
        if (strcmp(p.name, "token") == 0)
            keep(out->token, sizeof out->token, p.value);
        else if (strcmp(p.name, "since") == 0)
            keep(out->since, sizeof out->since, p.value);
    }
}

static void refuse(const struct api_context *c, int status, const char *why)
{
    if (status == 401)
        http_add_header(c->r, "WWW-Authenticate", "Bearer realm=\"cohortd\"");
    http_add_header(c->r, "Cache-Control", "no-store");
    ofrep_error(c, status, "GENERAL", why);
}

static const char *const refusals[] = {
    [STREAM_TOKEN_FORGED] = "A stream is opened with the URL of a bulk answer's eventStreams: its token is "
                            "missing, or was not made by this server. API keys are not taken here.",
    [STREAM_TOKEN_EXPIRED] = "The token of this URL has expired: ask for all flags again, the answer's "
                             "eventStreams have a new one.",
    [STREAM_TOKEN_REVOKED] = "The API key that this URL was made for was revoked.",
};

void stream_get(struct api_context *c)
{
    struct streams *s = c->w->streams;
    struct asked asked;
    struct stream_token token;
    const char *last = http_header(c->r, "last-event-id");
    if (!c->w->plans) {
        refuse(c, 503, "This server has not read its definitions yet; try again in a second.");
        return;
    }
    read_query(c->r, &asked);
    enum stream_token_state state =
        stream_token_check(c->w->plans, asked.token, strlen(asked.token), clock_wall_us(), &token, &c->plan);
    if (state != STREAM_TOKEN_GOOD) {
        if (router_may_fail(c))
            refuse(c, 401, refusals[state]);
        return;
    }
    if (streams_full(s, c->w->options.max_streams)) {
        counter_add(c->w->services.counters, streams_refused, 1);
        refuse(c, 503, "This server has as many streams as it may have, or is about to stop: poll instead.");
        return;
    }
    streams_open(s, c->r, c->plan, token.key_id, last ? last : asked.since);
}
