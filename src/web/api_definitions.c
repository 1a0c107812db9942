#include "web/api_definitions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "codec/json_in.h"
#include "web/auth.h"
#include "web/etag.h"
#include "web/problem.h"
#include "web/query.h"
#include "web/router.h"

#define PAGE_DEFAULT 100
#define PAGE_MAX 1000

static const struct json_limits definition_limits = {(size_t)4 * 1024 * 1024, 32, 50000};

static void answer_problem(struct http_request *req, const struct call_result *r)
{
    if (r->status == 503)
        http_add_header(req, "Retry-After", "5");
    if (r->status == 401)
        http_add_header(req, "WWW-Authenticate", "Bearer realm=\"cohortd\"");
    problem_reply(req, &(struct problem){
                           .status = r->status,
                           .title = r->title,
                           .detail = r->detail,
                           .hint = r->hint,
                           .constraint = r->constraint,
                           .pointer = r->pointer,
                           .code = r->code,
                       });
}

static void on_result(void *arg, const struct call_result *r)
{
    struct http_request *req = arg;
    char etag[80] = "";
    if (r->etag && *r->etag) {
        snprintf(etag, sizeof etag, "\"%.70s\"", r->etag);
        if (r->status != 204)
            http_add_header(req, "ETag", etag);
    }
    if (r->status >= 300)
        answer_problem(req, r);
    else if (r->status == 204)
        http_reply(req, 204, NULL, NULL, 0);
    else if (http_method(req) == HTTP_GET && *etag && etag_matches(http_header(req, "if-none-match"), etag))
        http_reply(req, 304, NULL, NULL, 0);
    else
        http_reply(req, r->status, "application/json", r->body, strlen(r->body));
}

void definitions_call(struct api_context *c, struct call_request *q)
{
    q->op = c->route->op;
    q->thing = c->route->thing;
    q->key = c->name;
    q->api_key = c->key->id;
    if (http_method(c->r) != HTTP_GET && http_method(c->r) != HTTP_HEAD && *c->name) {
        q->if_match = http_header(c->r, "if-match");
        q->if_none = http_header(c->r, "if-none-match");
    }
    if (c->w->services.call(c->w->services.arg, q, on_result, c->r) == ERR_OK)
        return;
    on_result(c->r,
              &(struct call_result){.status = 503,
                                    .title = "Too busy",
                                    .detail = "Too many definition requests are waiting for the database.",
                                    .hint = "Send it again in a few seconds.",
                                    .code = "busy"});
}

static void bad_body(struct api_context *c, int status, const char *detail, const char *pointer)
{
    problem_reply(c->r, &(struct problem){
                            .status = status,
                            .title = "The body can't be read",
                            .detail = detail,
                            .pointer = pointer,
                            .code = status == 415   ? "bad_type"
                                    : status == 503 ? "overloaded"
                                                    : "bad_json",
                        });
}

/* Any JSON value; NULL after an answer was given. */
static json_t *parse_body(struct api_context *c)
{
    struct error e;
    json_t *doc = NULL;
    size_t len;
    const char *body = http_body(c->r, &len);
    int rc = json_in_parse(body, len, &definition_limits, &doc, &e);
    if (rc == ERR_OK)
        return doc;
    bad_body(c, rc == ERR_NOMEM ? 503 : 400, e.text, e.place[0] ? e.place : NULL);
    return NULL;
}

json_t *definitions_body(struct api_context *c)
{
    json_t *doc = parse_body(c);
    if (!doc || json_is_object(doc))
        return doc;
    json_decref(doc);
    bad_body(c, 400, "The body must be a JSON object.", NULL);
    return NULL;
}

/* The text as sent goes on: PostgreSQL's jsonb keeps 5.0 apart from 5, which a re-encoding might not. */
static void send_text(struct api_context *c, const char *before, const char *after)
{
    size_t len;
    const char *body = http_body(c->r, &len);
    struct buffer *out = &c->w->out;
    buffer_add(out, before, strlen(before));
    buffer_add(out, body, len);
    buffer_add(out, after, strlen(after) + 1);
    if (out->failed) {
        bad_body(c, 503, "Out of memory.", NULL);
        return;
    }
    definitions_call(c, &(struct call_request){.body = (const char *)out->data});
}

static void send_object(struct api_context *c)
{
    json_t *doc = definitions_body(c);
    if (!doc)
        return;
    json_decref(doc);
    send_text(c, "", "");
}

void definitions_put(struct api_context *c)
{
    send_object(c);
}

void definitions_create(struct api_context *c)
{
    send_object(c);
}

void definitions_patch(struct api_context *c)
{
    const char *type = http_header(c->r, "content-type");
    size_t n = type ? strcspn(type, "; ") : 0;
    if (type && !(n == 28 && strncasecmp(type, "application/merge-patch+json", n) == 0) &&
        !(n == 16 && strncasecmp(type, "application/json", n) == 0)) {
        http_add_header(c->r, "Accept-Patch", "application/merge-patch+json");
        bad_body(c, 415, "A patch here is a JSON merge patch: Content-Type: application/merge-patch+json.",
                 NULL);
        return;
    }
    send_object(c);
}

/* A parameter that nobody reads would be a wish passed over in silence. */
void definitions_get(struct api_context *c)
{
    if (*http_query(c->r) == '\0') {
        definitions_call(c, &(struct call_request){0});
        return;
    }
    problem_reply(c->r, &(struct problem){
                            .status = 400,
                            .title = "This path takes no parameters",
                            .detail = "What stands behind the question mark is not known here.",
                            .hint = "Leave it out. Lists, as /v1/experiments, take limit and after.",
                            .code = "bad_query",
                        });
}

void definitions_delete(struct api_context *c)
{
    definitions_call(c, &(struct call_request){0});
}

/* "variants" of /v1/experiments/{key}/variants. */
static const char *part_of(const struct api_context *c)
{
    return strrchr(c->route->pattern, '/') + 1;
}

void definitions_get_part(struct api_context *c)
{
    char body[64];
    snprintf(body, sizeof body, "{\"%s\":null}", part_of(c));
    definitions_call(c, &(struct call_request){.body = body});
}

void definitions_put_part(struct api_context *c)
{
    char before[64];
    json_t *doc = parse_body(c);
    if (!doc)
        return;
    bool is_array = json_is_array(doc);
    json_decref(doc);
    if (!is_array) {
        bad_body(c, 400, "The body must be a JSON array: all of them.", NULL);
        return;
    }
    snprintf(before, sizeof before, "{\"%s\":", part_of(c));
    send_text(c, before, "}");
}

static void bad_query(struct api_context *c, const char *detail)
{
    problem_reply(c->r,
                  &(struct problem){
                      .status = 400,
                      .title = "The page can't be told",
                      .detail = detail,
                      .hint = "Write ?limit=100&after=KEY: limit is 1 to 1000 (100 without it), after the "
                              "\"next\" of the page before.",
                      .code = "bad_query",
                  });
}

static const char *read_page(const struct query_param *p, struct call_request *q, char *after)
{
    if (strcmp(p->name, "after") == 0) {
        strcpy(after, p->value);
        q->after = after;
        return NULL;
    }
    if (strcmp(p->name, "limit") != 0)
        return "A list knows the parameters limit and after only.";
    char *end;
    long n = strtol(p->value, &end, 10);
    if (*end || end == p->value || n < 1 || n > PAGE_MAX)
        return "limit must be a whole number from 1 to 1000.";
    q->limit = (int)n;
    return NULL;
}

void definitions_list(struct api_context *c)
{
    const char *query = http_query(c->r), *why = NULL;
    struct call_request q = {.limit = PAGE_DEFAULT};
    struct query_param p;
    char after[QUERY_VALUE_MAX + 1];
    int got;
    while ((got = query_next(&query, &p)) == 1 && !why)
        why = read_page(&p, &q, after);
    if (got < 0)
        why = "A parameter is too long or not UTF-8.";
    if (why)
        bad_query(c, why);
    else
        definitions_call(c, &q);
}
