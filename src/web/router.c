#include "web/router.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "web/api_actions.h"
#include "web/api_definitions.h"
#include "web/api_events.h"
#include "web/api_health.h"
#include "web/api_ofrep.h"
#include "web/api_openapi.h"
#include "web/api_plan.h"
#include "web/api_preview.h"
#include "web/api_stream.h"
#include "web/auth.h"
#include "web/cors.h"
#include "web/freshness.h"
#include "web/problem.h"
#include "web/query.h"
#include "web/rate_limits.h"
#include "web/refetch.h"

#define DECISION_BODY ((size_t)64 * 1024)
#define SMALL_BODY ((size_t)16 * 1024)
#define DEFINITION_BODY ((size_t)1024 * 1024)
#define NAME_MAX_BYTES 256

/* What is asked again and again to know whether the server is well. */
#define PROBE(path, fn)                                                                                      \
    {                                                                                                        \
        HTTP_GET, path, fn, MAY_ANYONE, ERRORS_PROBLEM, false, SMALL_BODY, false, NULL, NULL, true           \
    }

/* What is decided and reported. */
#define OPEN(path, fn)                                                                                       \
    {                                                                                                        \
        HTTP_GET, path, fn, MAY_ANYONE, ERRORS_PROBLEM, false, SMALL_BODY, false, NULL, NULL, false          \
    }
#define OFREP(path, fn)                                                                                      \
    {                                                                                                        \
        HTTP_POST, path, fn, MAY_DECIDE, ERRORS_OFREP, true, DECISION_BODY, false, NULL, NULL, false         \
    }
#define EVENTS(path, fn)                                                                                     \
    {                                                                                                        \
        HTTP_POST, path, fn, MAY_DECIDE, ERRORS_PROBLEM, true, 0, true, NULL, NULL, false                    \
    }

/* Definitions: an operation of store/call_ops.c on a thing. */
#define DEFINE(method, path, fn, may, op, thing)                                                             \
    {                                                                                                        \
        method, path, fn, may, ERRORS_PROBLEM, false, DEFINITION_BODY, false, op, thing, false               \
    }
#define READ(path, op, thing) DEFINE(HTTP_GET, path, definitions_get, MAY_READ, op, thing)
#define READ_ADMIN(path, op, thing) DEFINE(HTTP_GET, path, definitions_get, MAY_ADMIN, op, thing)
#define LIST(path, may, thing) DEFINE(HTTP_GET, path, definitions_list, may, "list", thing)
#define GET_PUT_DELETE(path, read, edit, thing)                                                              \
    DEFINE(HTTP_GET, path, definitions_get, read, "get", thing),                                             \
        DEFINE(HTTP_PUT, path, definitions_put, edit, "put", thing),                                         \
        DEFINE(HTTP_DELETE, path, definitions_delete, edit, "delete", thing)
#define PATCH(path, may, thing) DEFINE(HTTP_PATCH, path, definitions_patch, may, "patch", thing)
#define CREATE(path, may, thing) DEFINE(HTTP_POST, path, definitions_create, may, "create", thing)
#define PART(path, thing)                                                                                    \
    DEFINE(HTTP_GET, path, definitions_get_part, MAY_READ, "get_part", thing),                               \
        DEFINE(HTTP_PUT, path, definitions_put_part, MAY_EDIT, "put_part", thing)
#define ACTION(path, may, op) DEFINE(HTTP_POST, path, actions_do, may, op, "experiment")
#define HOLDOUT_ACTION(op) DEFINE(HTTP_POST, "/v1/holdouts/{key}/" op, actions_do, MAY_EDIT, op, "holdout")
#define EXPERIMENT_ACTION(op) ACTION("/v1/experiments/{key}/" op, MAY_EDIT, op)

static const struct route routes[] = {
    OFREP("/ofrep/v1/evaluate/flags", ofrep_bulk),
    OFREP("/ofrep/v1/evaluate/flags/{key...}", ofrep_single),
    {HTTP_GET, "/ofrep/v1/stream", stream_get, MAY_ANYONE, ERRORS_OFREP, true, SMALL_BODY, false, NULL, NULL,
     false},
    EVENTS("/v1/outcomes", events_outcomes),
    EVENTS("/v1/exposures", events_exposures),

    {HTTP_POST, "/v1/preview", preview_post, MAY_READ, ERRORS_PROBLEM, false, DECISION_BODY, false, NULL,
     NULL, false},

    {HTTP_GET, "/v1/plan-document", plan_document_get, MAY_HAVE_PLAN, ERRORS_PROBLEM, false, SMALL_BODY,
     false, NULL, NULL, false},

    DEFINE(HTTP_POST, "/v1/plan", definitions_create, MAY_READ, "plan", "metric"),

    LIST("/v1/experiments", MAY_READ, "experiment"),
    GET_PUT_DELETE("/v1/experiments/{key}", MAY_READ, MAY_EDIT, "experiment"),
    PATCH("/v1/experiments/{key}", MAY_EDIT, "experiment"),
    PART("/v1/experiments/{key}/variants", "experiment"),
    PART("/v1/experiments/{key}/guardrails", "experiment"),
    READ("/v1/experiments/{key}/results", "results", "experiment"),
    READ("/v1/experiments/{key}/results/series", "series", "experiment"),
    READ("/v1/experiments/{key}/models", "models", "experiment"),
    DEFINE(HTTP_GET, "/v1/experiments/{key}/challengers", definitions_get, MAY_READ, "get_challengers",
           "experiment"),
    DEFINE(HTTP_PUT, "/v1/experiments/{key}/challengers", definitions_put_part, MAY_EDIT, "put_challengers",
           "experiment"),
    EXPERIMENT_ACTION("promote_challenger"),
    EXPERIMENT_ACTION("use_model"),
    EXPERIMENT_ACTION("start"),
    EXPERIMENT_ACTION("stop"),
    EXPERIMENT_ACTION("pause"),
    EXPERIMENT_ACTION("resume"),
    EXPERIMENT_ACTION("ramp"),
    EXPERIMENT_ACTION("grow"),
    EXPERIMENT_ACTION("drop_arm"),
    EXPERIMENT_ACTION("ship"),
    EXPERIMENT_ACTION("restart"),
    EXPERIMENT_ACTION("archive"),
    EXPERIMENT_ACTION("clone"),
    EXPERIMENT_ACTION("validate"),
    ACTION("/v1/experiments/{key}/promote", MAY_ADMIN, "promote"),

    LIST("/v1/holdouts", MAY_READ, "holdout"),
    GET_PUT_DELETE("/v1/holdouts/{key}", MAY_READ, MAY_EDIT, "holdout"),
    READ("/v1/holdouts/{key}/results", "results", "holdout"),
    READ("/v1/holdouts/{key}/results/series", "series", "holdout"),
    HOLDOUT_ACTION("start"),
    HOLDOUT_ACTION("stop"),
    HOLDOUT_ACTION("archive"),
    LIST("/v1/layers", MAY_READ, "layer"),
    GET_PUT_DELETE("/v1/layers/{key}", MAY_READ, MAY_EDIT, "layer"),
    PATCH("/v1/layers/{key}", MAY_EDIT, "layer"),
    READ("/v1/layers/{key}/map", "map", "layer"),
    LIST("/v1/segments", MAY_READ, "segment"),
    GET_PUT_DELETE("/v1/segments/{key}", MAY_READ, MAY_EDIT, "segment"),
    PATCH("/v1/segments/{key}", MAY_EDIT, "segment"),
    LIST("/v1/metrics", MAY_READ, "metric"),
    GET_PUT_DELETE("/v1/metrics/{key}", MAY_READ, MAY_EDIT, "metric"),
    PATCH("/v1/metrics/{key}", MAY_EDIT, "metric"),
    LIST("/v1/flags", MAY_READ, "flag"),
    GET_PUT_DELETE("/v1/flags/{key}", MAY_READ, MAY_EDIT, "flag"),
    PATCH("/v1/flags/{key}", MAY_EDIT, "flag"),
    LIST("/v1/overrides", MAY_READ, "override"),
    GET_PUT_DELETE("/v1/overrides/{key}", MAY_READ, MAY_EDIT, "override"),
    CREATE("/v1/overrides", MAY_EDIT, "override"),
    LIST("/v1/environments", MAY_ADMIN, "environment"),
    GET_PUT_DELETE("/v1/environments/{key}", MAY_ADMIN, MAY_ADMIN, "environment"),
    LIST("/v1/teams", MAY_ADMIN, "team"),
    GET_PUT_DELETE("/v1/teams/{key}", MAY_ADMIN, MAY_ADMIN, "team"),
    LIST("/v1/keys", MAY_ADMIN, "key"),
    CREATE("/v1/keys", MAY_ADMIN, "key"),
    DEFINE(HTTP_GET, "/v1/keys/{key}", definitions_get, MAY_ADMIN, "get", "key"),
    PATCH("/v1/keys/{key}", MAY_ADMIN, "key"),
    DEFINE(HTTP_DELETE, "/v1/keys/{key}", definitions_delete, MAY_ADMIN, "delete", "key"),
    DEFINE(HTTP_POST, "/v1/keys/{key}/rotate", actions_do, MAY_ADMIN, "rotate", "key"),
    DEFINE(HTTP_GET, "/v1/audit", definitions_list, MAY_ADMIN, "list", "audit"),
    READ_ADMIN("/v1/audit/head", "audit_head", "audit"),
    LIST("/v1/webhooks", MAY_ADMIN, "webhook"),
    GET_PUT_DELETE("/v1/webhooks/{key}", MAY_ADMIN, MAY_ADMIN, "webhook"),
    READ_ADMIN("/v1/webhooks/{key}/deliveries", "deliveries", "webhook"),
    DEFINE(HTTP_POST, "/v1/webhooks/{key}/test", actions_do, MAY_ADMIN, "test", "webhook"),
    LIST("/v1/dead-letters", MAY_ADMIN, "dead_letter"),
    DEFINE(HTTP_POST, "/v1/dead-letters/replay", definitions_create, MAY_ADMIN, "replay", "dead_letter"),
    DEFINE(HTTP_POST, "/v1/dead-letters/drop", definitions_create, MAY_ADMIN, "drop", "dead_letter"),

    OPEN("/", health_root),
    PROBE("/healthz", health_live),
    PROBE("/readyz", health_ready),
    PROBE("/metrics", health_metrics),
    OPEN("/v1/openapi.json", openapi_get),
};

const struct route *router_routes(size_t *n)
{
    *n = sizeof routes / sizeof *routes;
    return routes;
}

/* Does the path fit the pattern? The {key} part comes out raw. */
static bool matches(const char *pattern, const char *path, size_t len, const char **name, size_t *name_len)
{
    const char *brace = strchr(pattern, '{');
    *name = "";
    *name_len = 0;
    if (!brace)
        return strlen(pattern) == len && memcmp(pattern, path, len) == 0;
    size_t head = (size_t)(brace - pattern);
    if (len <= head || memcmp(pattern, path, head) != 0)
        return false;
    const char *tail = strchr(brace, '}') + 1;
    size_t tail_len = strlen(tail);
    if (len < head + tail_len + 1 || memcmp(path + len - tail_len, tail, tail_len) != 0)
        return false;
    *name = path + head;
    *name_len = len - head - tail_len;
    return strncmp(brace, "{key...}", 8) == 0 || !memchr(*name, '/', *name_len);
}

static const struct route *find(enum http_method m, const char *path, size_t len, const char **name,
                                size_t *name_len, bool *path_known)
{
    const struct route *found = NULL;
    *path_known = false;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const char *part;
        size_t part_len;
        if (!matches(routes[i].pattern, path, len, &part, &part_len))
            continue;
        *path_known = true;
        *name = part;
        *name_len = part_len;
        if (routes[i].method == m || (m == HTTP_HEAD && routes[i].method == HTTP_GET))
            found = &routes[i];
        if (found || m == HTTP_OPTIONS)
            return &routes[i];
    }
    return found;
}

static void allowed_methods(const char *path, size_t len, char *out, size_t cap)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    size_t n = 0;
    const char *part;
    size_t part_len;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!matches(routes[i].pattern, path, len, &part, &part_len))
            continue;
        n += (size_t)snprintf(out + n, cap - n, "%s%s%s", n ? ", " : "", names[routes[i].method],
                              routes[i].method == HTTP_GET ? ", HEAD" : "");
    }
    snprintf(out + n, cap - n, ", OPTIONS");
}

struct refusal_words {
    int status;
    const char *title, *code;
};

static const struct refusal_words *words_of(int status)
{
    static const struct refusal_words words[] = {
        {401, "Who are you?", "unauthorized"},
        {403, "Not allowed", "forbidden"},
        {429, "Too many requests", "rate_limited"},
        {503, "Not now", "starting"},
    };
    size_t i = 0;
    while (words[i].status != status && i + 1 < sizeof words / sizeof *words)
        i++;
    return &words[i];
}

static void refuse(const struct api_context *c, const struct route *route, int status, const char *why)
{
    const struct refusal_words *words = words_of(status);
    if (status == 401)
        http_add_header(c->r, "WWW-Authenticate", "Bearer realm=\"cohortd\"");
    if (route && route->errors == ERRORS_OFREP)
        ofrep_error(c, status, "GENERAL", why);
    else
        problem_reply(c->r, &(struct problem){
                                .status = status, .title = words->title, .detail = why, .code = words->code});
}

/* route NULL: there is none. */
static void refuse_rate(const struct api_context *c, const struct route *route, enum rate_kind kind,
                        unsigned wait)
{
    static const char *const whys[] = {
        [RATE_KEY] = "This API key sends more requests than it may; Retry-After says when to come again.",
        [RATE_ADDRESS] = "Your address sends more requests than it may; Retry-After says when to come again.",
        [RATE_FAILED] =
            "Your address sends too many requests without a good API key; Retry-After says when to come "
            "again.",
    };
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%u", wait);
    http_add_header(c->r, "Retry-After", seconds);
    refuse(c, route, 429, whys[kind]);
}

static void no_route(struct http_request *r, bool path_known)
{
    const char *path = http_path(r);
    if (path_known) {
        char allow[80], detail[200];
        allowed_methods(path, strlen(path), allow, sizeof allow);
        snprintf(detail, sizeof detail, "This path does not take %.20s; it takes %s.", http_method_name(r),
                 allow);
        http_add_header(r, "Allow", allow);
        problem_reply(r, &(struct problem){.status = 405,
                                           .title = "Method not allowed",
                                           .detail = detail,
                                           .code = "method_not_allowed"});
        return;
    }
    problem_reply(r, &(struct problem){.status = 404,
                                       .title = "Not found",
                                       .detail = "There is nothing at this path.",
                                       .hint = "GET / lists the paths there are.",
                                       .code = "not_found"});
}

/* What is answered from the plan says how old that is; definitions come from the database itself. */
static void add_plan_age(const struct api_context *c)
{
    struct api_worker *w = c->w;
    int64_t seconds = freshness_plan_us(w->services.counters) / 1000000;
    if (seconds != w->plan_age_s || !w->plan_age[0]) {
        snprintf(w->plan_age, sizeof w->plan_age, "%" PRId64, seconds);
        w->plan_age_s = seconds;
    }
    http_add_header(c->r, "Cohort-Plan-Age", w->plan_age);
}

/* Nobody vouches for these: their address counts. False after an answer was given. */
static bool admit_stranger(const struct api_context *c, const struct route *route)
{
    unsigned wait = rate_check_address(c->w->options.limits, RATE_ADDRESS, c->r);
    if (wait > 0)
        refuse_rate(c, route, RATE_ADDRESS, wait);
    return wait == 0;
}

/* A server's key says who asks better than its address, which many servers may share. A browser's key is no
 * secret: there the address counts too. */
static bool admit_key(const struct api_context *c)
{
    if (c->key->role == ROLE_CLIENT && !admit_stranger(c, c->route))
        return false;
    unsigned wait = rate_check_key(c->w->options.limits, c->r, c->key);
    if (wait > 0)
        refuse_rate(c, c->route, RATE_KEY, wait);
    return wait == 0;
}

/* Who has no good key has two limits. A good one is let in whatever others at its address do: keys are too
 * long to be found by trying, and one server with a revoked key must not lock out its neighbours. */
bool router_may_fail(const struct api_context *c)
{
    unsigned wait = rate_check_address(c->w->options.limits, RATE_FAILED, c->r);
    if (wait > 0)
        refuse_rate(c, c->route, RATE_FAILED, wait);
    return wait == 0;
}

/* Whoever comes again comes in one to three seconds, so that not all come at once. OFREP's clients know no
 * other status that tells them to stay away. */
static void refuse_overloaded(const struct api_context *c)
{
    static const char why[] = "This server has more to do than it can; Retry-After says when to come again.";
    char seconds[2] = {(char)('1' + clock_monotonic_us() % 3), '\0'};
    if (c->w->services.counters)
        counter_add(c->w->services.counters, overloaded, 1);
    http_add_header(c->r, "Retry-After", seconds);
    if (c->route->errors == ERRORS_OFREP)
        ofrep_error(c, 429, "GENERAL", why);
    else
        problem_reply(
            c->r, &(struct problem){.status = 503, .title = "Too busy", .detail = why, .code = "overloaded"});
}

/* Whose key it is. 0, or the status with which the request is refused, and why. */
static int identify(struct api_context *c, const char **why)
{
    struct auth_presented presented;
    if (!c->w->plans) {
        *why = "This server has not read its definitions yet; try again in a second.";
        return 503;
    }
    auth_presented(c->r, c->route->key_in_body, &presented);
    return auth_check(&presented, &c->w->keys, c->w->plans, c->route->may, &c->key, &c->plan, why);
}

/* False after an answer was given. */
static bool admit(struct api_context *c)
{
    const char *why = NULL;
    if (c->route->may == MAY_ANYONE)
        return c->route->unlimited || admit_stranger(c, c->route);
    if (http_overloaded(c->r, c->route->errors == ERRORS_OFREP ? HTTP_WORK_SHORT : HTTP_WORK_LONG) &&
        !refetch_expected(c)) {
        refuse_overloaded(c);
        return false;
    }
    int status = identify(c, &why);
    bool within =
        status == 503 || (c->key ? admit_key(c) : router_may_fail(c) && admit_stranger(c, c->route));
    if (within && status != 0)
        refuse(c, c->route, status, why);
    return within && status == 0;
}

static void dispatch(struct api_context *c)
{
    if (c->route->cors)
        cors_add(c->r, c->w->options.cors_origins);
    if (!admit(c))
        return;
    if (c->plan && !c->route->op)
        add_plan_age(c);
    c->route->handler(c);
}

static void preflight(struct api_context *c)
{
    const char *path = http_path(c->r);
    char allow[80];
    allowed_methods(path, strlen(path), allow, sizeof allow);
    http_add_header(c->r, "Allow", allow);
    cors_preflight(c->r, c->route->cors ? c->w->options.cors_origins : "", allow);
}

/* Finds the route of the request and the name in its path; false when either is missing. */
static bool look_up(struct api_context *c, char name[NAME_MAX_BYTES + 1], bool *path_known)
{
    const char *raw = "", *path = http_path(c->r);
    size_t raw_len = 0;
    c->route = find(http_method(c->r), path, strlen(path), &raw, &raw_len, path_known);
    c->name = "";
    if (!c->route)
        return false;
    http_set_route(c->r, c->route->pattern);
    /* Clients differ in whether they percent-encode a key: both forms name the same one. */
    if (!query_decode(raw, raw_len, name, NAME_MAX_BYTES, &c->name_len))
        return false;
    c->name = name;
    return true;
}

void api_handle(struct http_request *r, void *worker)
{
    struct api_context c = {.w = worker, .r = r};
    char name[NAME_MAX_BYTES + 1];
    bool path_known;
    arena_reset(c.w->arena);
    buffer_clear(&c.w->out);
    if (look_up(&c, name, &path_known) && http_method(r) != HTTP_OPTIONS) {
        dispatch(&c);
        return;
    }
    if (!admit_stranger(&c, c.route))
        return;
    if (c.route && http_method(r) == HTTP_OPTIONS)
        preflight(&c);
    else
        no_route(r, path_known && !c.route);
}

/* A browser's key may come with the body. Rates are looked at when it is there. */
bool api_expect(struct http_request *r, void *worker)
{
    struct api_context c = {.w = worker, .r = r};
    char name[NAME_MAX_BYTES + 1];
    const char *why;
    bool path_known;
    if (look_up(&c, name, &path_known) && http_method(r) != HTTP_OPTIONS &&
        (c.route->may == MAY_ANYONE || c.route->key_in_body || identify(&c, &why) == 0))
        return true;
    api_handle(r, worker);
    return false;
}

size_t api_body_limit(enum http_method m, const char *path, size_t path_len, void *worker)
{
    struct api_worker *w = worker;
    const char *name;
    size_t name_len;
    bool known;
    const struct route *route = find(m, path, path_len, &name, &name_len, &known);
    if (!route)
        return SMALL_BODY;
    return route->max_body ? route->max_body : w->options.max_body;
}
