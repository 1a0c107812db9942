#include "web/problem.h"

#include <stdlib.h>
#include <string.h>

#include "codec/json_out.h"

static void add(struct json_out *o, const char *key, const char *value)
{
    if (!value)
        return;
    json_out_key(o, key);
    json_out_string(o, value);
}

/* "variants[1].share_ppm" as "/variants/1/share_ppm"; false for anything else, as a place in a text. */
static bool json_pointer(const char *path, char *out, size_t cap)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$-";
    size_t n = 0;
    bool first = true;
    for (const char *p = path; *p; first = false) {
        bool index = *p == '[';
        if (!first && !index && *p++ != '.')
            return false;
        p += index;
        size_t len = strspn(p, index ? "0123456789" : name);
        if (len == 0 || n + len + 2 > cap || (index && p[len] != ']'))
            return false;
        out[n++] = '/';
        memcpy(out + n, p, len);
        n += len;
        p += len + index;
    }
    out[n] = '\0';
    return n > 0;
}

static void write_problem(struct json_out *o, char *buf, size_t cap, const struct problem *p, const char *id)
{
    char pointer[200];
    json_out_init(o, buf, cap);
    json_out_begin_object(o);
    add(o, "title", p->title);
    json_out_key(o, "status");
    json_out_int(o, p->status);
    add(o, "detail", p->detail);
    add(o, "hint", p->hint);
    add(o, "constraint", p->constraint);
    add(o, "pointer", p->pointer);
    if (p->pointer && json_pointer(p->pointer, pointer, sizeof pointer))
        add(o, "json_pointer", pointer);
    add(o, "code", p->code);
    add(o, "request_id", *id ? id : NULL);
    json_out_end_object(o);
}

void problem_reply(struct http_request *r, const struct problem *p)
{
    static const char type[] = "application/problem+json";
    char small[2048], *buf = small;
    const char *id = http_request_id(r);
    struct json_out o;
    http_set_reason(r, p->code);
    write_problem(&o, small, sizeof small, p, id);
    if (o.overflow) {
        const char *texts[] = {p->title, p->detail, p->hint, p->constraint, p->pointer, p->code};
        size_t cap = 512;
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
            cap += texts[i] ? 6 * strlen(texts[i]) : 0; /* \u0000 is the longest escape */
        buf = malloc(cap);
        if (!buf) {
            http_reply(r, p->status, NULL, NULL, 0);
            return;
        }
        write_problem(&o, buf, cap, p, id);
    }
    http_reply(r, p->status, type, buf, o.len);
    if (buf != small)
        free(buf);
}
