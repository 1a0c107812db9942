#include "web/api_definitions.h"

#include <stdio.h>
#include <string.h>

#include "codec/json_in.h"
#include "web/api_worker.h"
#include "web/auth.h"
#include "web/problem.h"

static const struct json_limits definition_limits = {1024 * 1024, 32, 50000};

static void on_result(void *arg, const struct call_result *r)
{
    struct http_request *req = arg;
    if (r->status < 300) {
        http_reply(req, r->status, "application/json", r->body, strlen(r->body));
        return;
    }
    if (r->status == 503)
        http_add_header(req, "Retry-After", "5");
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

static void call(struct api_context *c, const char *op, const char *body)
{
    char actor[64];
    snprintf(actor, sizeof actor, "api key %d (%s)", c->key->id, auth_role_name(c->key->role));
    struct call_request q = {.op = op, .key = c->name, .body = body, .actor = actor};
    if (c->w->services.call(c->w->services.arg, &q, on_result, c->r) == ERR_OK)
        return;
    on_result(c->r,
              &(struct call_result){.status = 503,
                                    .title = "Too busy",
                                    .detail = "Too many definition requests are waiting for the database.",
                                    .hint = "Send it again in a few seconds.",
                                    .code = "busy"});
}

/* NULL after an answer was given. */
static json_t *parse_body(struct api_context *c)
{
    struct error e;
    json_t *doc = NULL;
    size_t len;
    const char *body = http_body(c->r, &len);
    if (json_in_parse(body, len, &definition_limits, &doc, &e) == ERR_OK && json_is_object(doc))
        return doc;
    bool parsed = doc != NULL;
    json_decref(doc);
    problem_reply(c->r, &(struct problem){
                            .status = 400,
                            .title = "The body can't be read",
                            .detail = parsed ? "The body must be a JSON object." : e.text,
                            .pointer = parsed || !e.place[0] ? NULL : e.place,
                            .code = "bad_json",
                        });
    return NULL;
}

void definitions_list(struct api_context *c)
{
    call(c, "list_experiments", NULL);
}

void definitions_get(struct api_context *c)
{
    call(c, "get_experiment", NULL);
}

void definitions_results(struct api_context *c)
{
    call(c, "results", NULL);
}

void definitions_put(struct api_context *c)
{
    json_t *doc = parse_body(c);
    if (!doc)
        return;
    json_decref(doc);
    /* The text as sent goes on: PostgreSQL's jsonb keeps 5.0 apart from 5, which a re-encoding might not. */
    size_t len;
    const char *body = http_body(c->r, &len);
    buffer_add(&c->w->out, body, len);
    buffer_add(&c->w->out, "", 1);
    call(c, "put_experiment", (const char *)c->w->out.data);
}

/* A reason may come with a change of status: {"reason": "…"}. */
static void change_status(struct api_context *c, const char *op)
{
    size_t len;
    http_body(c->r, &len);
    if (len == 0) {
        call(c, op, NULL);
        return;
    }
    json_t *doc = parse_body(c);
    if (!doc)
        return;
    const json_t *reason = json_object_get(doc, "reason");
    if (json_object_size(doc) != (reason ? 1u : 0u) || (reason && !json_is_string(reason))) {
        problem_reply(c->r, &(struct problem){
                                .status = 400,
                                .title = "The body can't be used",
                                .detail = "The body may hold one field, \"reason\", a string.",
                                .hint = "Send {\"reason\": \"why\"}, or no body.",
                                .code = "unknown_field",
                            });
    } else {
        call(c, op, reason ? json_string_value(reason) : NULL);
    }
    json_decref(doc);
}

void definitions_start(struct api_context *c)
{
    change_status(c, "start");
}

void definitions_stop(struct api_context *c)
{
    change_status(c, "stop");
}

void definitions_archive(struct api_context *c)
{
    change_status(c, "archive");
}
