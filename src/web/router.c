#include "web/router.h"

#include <stdio.h>
#include <string.h>

#include "web/api_definitions.h"
#include "web/api_events.h"
#include "web/api_health.h"
#include "web/api_ofrep.h"
#include "web/auth.h"
#include "web/cors.h"
#include "web/problem.h"

#define DECISION_BODY (64 * 1024)
#define SMALL_BODY (16 * 1024)
#define DEFINITION_BODY (1024 * 1024)
#define NAME_MAX_BYTES 256

static const struct route routes[] = {
    {HTTP_POST, "/ofrep/v1/evaluate/flags", ofrep_bulk, MAY_DECIDE, ERRORS_OFREP, true, DECISION_BODY},
    {HTTP_POST, "/ofrep/v1/evaluate/flags/{key...}", ofrep_single, MAY_DECIDE, ERRORS_OFREP, true,
     DECISION_BODY},
    {HTTP_POST, "/v1/outcomes", events_outcomes, MAY_DECIDE, ERRORS_PROBLEM, true, 0},
    {HTTP_POST, "/v1/exposures", events_exposures, MAY_DECIDE, ERRORS_PROBLEM, true, 0},
    {HTTP_GET, "/v1/experiments", definitions_list, MAY_READ, ERRORS_PROBLEM, false, SMALL_BODY},
    {HTTP_GET, "/v1/experiments/{key}", definitions_get, MAY_READ, ERRORS_PROBLEM, false, SMALL_BODY},
    {HTTP_PUT, "/v1/experiments/{key}", definitions_put, MAY_EDIT, ERRORS_PROBLEM, false, DEFINITION_BODY},
    {HTTP_POST, "/v1/experiments/{key}/start", definitions_start, MAY_EDIT, ERRORS_PROBLEM, false,
     SMALL_BODY},
    {HTTP_POST, "/v1/experiments/{key}/stop", definitions_stop, MAY_EDIT, ERRORS_PROBLEM, false, SMALL_BODY},
    {HTTP_POST, "/v1/experiments/{key}/archive", definitions_archive, MAY_EDIT, ERRORS_PROBLEM, false,
     SMALL_BODY},
    {HTTP_GET, "/v1/experiments/{key}/results", definitions_results, MAY_READ, ERRORS_PROBLEM, false,
     SMALL_BODY},
    {HTTP_GET, "/", health_root, MAY_ANYONE, ERRORS_PROBLEM, false, SMALL_BODY},
    {HTTP_GET, "/healthz", health_live, MAY_ANYONE, ERRORS_PROBLEM, false, SMALL_BODY},
    {HTTP_GET, "/readyz", health_ready, MAY_ANYONE, ERRORS_PROBLEM, false, SMALL_BODY},
    {HTTP_GET, "/metrics", health_metrics, MAY_ANYONE, ERRORS_PROBLEM, false, SMALL_BODY},
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

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Clients differ in whether they percent-encode a key: both forms name the same one. */
static bool decode(const char *raw, size_t n, char out[NAME_MAX_BYTES + 1], size_t *out_len)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++, k++) {
        if (k == NAME_MAX_BYTES)
            return false;
        out[k] = raw[i];
        if (raw[i] == '%' && i + 2 < n && hex(raw[i + 1]) >= 0 && hex(raw[i + 2]) >= 0) {
            out[k] = (char)(hex(raw[i + 1]) * 16 + hex(raw[i + 2]));
            i += 2;
        }
        if (out[k] == '\0')
            return false;
    }
    out[k] = '\0';
    *out_len = k;
    return utf8_valid(out, k);
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

static void refuse(const struct api_context *c, const struct route *route, int status, const char *why)
{
    if (status == 401)
        http_add_header(c->r, "WWW-Authenticate", "Bearer realm=\"cohortd\"");
    if (status == 503)
        http_add_header(c->r, "Retry-After", "1");
    if (route->errors == ERRORS_OFREP) {
        ofrep_error(c, status, "GENERAL", why);
        return;
    }
    problem_reply(c->r, &(struct problem){
                            .status = status,
                            .title = status == 401   ? "Who are you?"
                                     : status == 403 ? "Not allowed"
                                                     : "Not now",
                            .detail = why,
                            .code = status == 401   ? "unauthorized"
                                    : status == 403 ? "forbidden"
                                                    : "starting",
                        });
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

static void dispatch(struct api_context *c, const struct route *route)
{
    const char *why = NULL;
    int status = 0;
    if (route->cors)
        cors_add(c->r, c->w->options.cors_origins);
    if (!c->w->plan && route->may != MAY_ANYONE) {
        status = 503;
        why = "This server has not read its definitions yet; try again in a second.";
    } else {
        status = auth_check(c->r, c->w->plan, route->may, &c->key, &why);
    }
    if (status != 0)
        refuse(c, route, status, why);
    else
        route->handler(c);
}

void api_handle(struct http_request *r, void *worker)
{
    struct api_context c = {.w = worker, .r = r};
    char name[NAME_MAX_BYTES + 1];
    const char *raw = "", *path = http_path(r);
    size_t raw_len = 0;
    bool path_known;
    arena_reset(c.w->arena);
    buffer_clear(&c.w->out);
    const struct route *route = find(http_method(r), path, strlen(path), &raw, &raw_len, &path_known);
    if (route && http_method(r) == HTTP_OPTIONS) {
        char allow[80];
        allowed_methods(path, strlen(path), allow, sizeof allow);
        http_add_header(r, "Allow", allow);
        cors_preflight(r, route->cors ? c.w->options.cors_origins : "", allow);
        return;
    }
    if (!route || !decode(raw, raw_len, name, &c.name_len)) {
        no_route(r, path_known && !route);
        return;
    }
    c.name = name;
    dispatch(&c, route);
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
