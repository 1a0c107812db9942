#include "web/cors.h"

#include <string.h>

static bool listed(const char *list, const char *origin)
{
    size_t n = strlen(origin);
    for (const char *p = list; *p;) {
        p += strspn(p, " ,");
        size_t len = strcspn(p, " ,");
        if (len == n && memcmp(p, origin, n) == 0)
            return true;
        p += len;
    }
    return false;
}

void cors_add(struct http_request *r, const char *allowed)
{
    const char *origin = http_header(r, "origin");
    if (!origin)
        return;
    if (strcmp(allowed, "*") == 0) {
        http_add_header(r, "Access-Control-Allow-Origin", "*");
    } else {
        http_add_header(r, "Vary", "Origin");
        if (!listed(allowed, origin))
            return;
        http_add_header(r, "Access-Control-Allow-Origin", origin);
    }
    http_add_header(
        r, "Access-Control-Expose-Headers",
        "ETag, Retry-After, Date, Cohort-Plan-Age, Cohort-Plan-Behind, Cohort-Record, X-Request-Id");
}

void cors_preflight(struct http_request *r, const char *allowed, const char *methods)
{
    cors_add(r, allowed);
    http_add_header(r, "Access-Control-Allow-Methods", methods);
    http_add_header(r, "Access-Control-Allow-Headers",
                    "Content-Type, Authorization, X-API-Key, If-None-Match, X-Request-Id");
    http_add_header(r, "Access-Control-Max-Age", "600");
    http_reply(r, 204, NULL, NULL, 0);
}
