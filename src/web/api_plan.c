#include "web/api_plan.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/plan_document.h"
#include "web/api_worker.h"
#include "web/etag.h"
#include "web/freshness.h"
#include "web/problem.h"

/* Whoever decides elsewhere must know, like a node, for how long nobody has watched. */
static void add_monitor_age(const struct api_context *c)
{
    char seconds[24] = "never";
    int64_t us = freshness_blind_us(c->w->services.counters);
    if (us != INT64_MAX)
        snprintf(seconds, sizeof seconds, "%" PRId64, us / 1000000);
    http_add_header(c->r, "Cohort-Monitor-Age", seconds);
}

void plan_document_get(struct api_context *c)
{
    uint8_t tag[16];
    char etag[2 * sizeof tag + 3];
    size_t len;
    plan_document_tag(c->plan, tag);
    etag[0] = '"';
    sodium_bin2hex(etag + 1, 2 * sizeof tag + 1, tag, sizeof tag);
    memcpy(etag + 1 + 2 * sizeof tag, "\"", 2);
    http_add_header(c->r, "ETag", etag);
    http_add_header(c->r, "Cache-Control", "private, no-cache");
    add_monitor_age(c);
    if (etag_matches(http_header(c->r, "if-none-match"), etag)) {
        http_reply(c->r, 304, NULL, NULL, 0);
        return;
    }
    char *text = plan_document_text(c->plan, &len);
    if (text)
        http_reply(c->r, 200, "application/json", text, len);
    else
        problem_reply(c->r, &(struct problem){.status = 503,
                                              .title = "Not now",
                                              .detail = "There is no memory for the document.",
                                              .code = "unavailable"});
    free(text);
}
