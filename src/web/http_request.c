/* What a handler can ask of a request. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "web/http_conn.h"

struct http_joined {
    struct http_joined *next;
    char value[];
};

enum http_method http_method(const struct http_request *r)
{
    return r->head.method;
}

const char *http_method_name(const struct http_request *r)
{
    return r->head.method_name;
}

const char *http_path(const struct http_request *r)
{
    return r->head.path;
}

const char *http_query(const struct http_request *r)
{
    return r->head.query;
}

const char *http_body(const struct http_request *r, size_t *len)
{
    *len = r->body_len;
    return r->body_len > 0 ? r->body : "";
}

static bool is_named(const struct http_head *h, const struct http_field *f, const char *name, size_t len)
{
    return f->name_len == len && memcmp(h->base + f->name, name, len) == 0;
}

/* Fields from `first` on, as one value that lives as long as the request. */
static const char *join(struct http_request *r, unsigned first, const char *name, size_t name_len)
{
    const struct http_head *h = &r->head;
    size_t total = 1;
    for (unsigned i = first; i < h->n_fields; i++)
        if (is_named(h, &h->fields[i], name, name_len))
            total += h->fields[i].value_len + 2u;
    struct http_joined *j = malloc(sizeof *j + total);
    if (!j)
        return NULL;
    char *p = j->value;
    for (unsigned i = first; i < h->n_fields; i++) {
        if (!is_named(h, &h->fields[i], name, name_len))
            continue;
        if (p != j->value)
            p = stpcpy(p, ", ");
        p = stpcpy(p, h->base + h->fields[i].value);
    }
    j->next = r->joined;
    r->joined = j;
    return j->value;
}

const char *http_header(const struct http_request *r, const char *name)
{
    const struct http_head *h = &r->head;
    size_t len = strlen(name);
    unsigned found = 0, first = 0;
    for (unsigned i = 0; i < h->n_fields; i++)
        if (is_named(h, &h->fields[i], name, len) && found++ == 0)
            first = i;
    if (found == 0)
        return NULL;
    if (found == 1)
        return h->base + h->fields[first].value;
    return join(&conn_of(r)->request, first, name, len);
}

const char *http_peer(const struct http_request *r)
{
    struct http_conn *c = conn_of(r);
    if (c->peer_text[0] == '\0') {
        const void *a = c->address.any.sa_family == AF_INET ? (const void *)&c->address.v4.sin_addr
                                                            : (const void *)&c->address.v6.sin6_addr;
        if (!inet_ntop(c->address.any.sa_family, a, c->peer_text, sizeof c->peer_text))
            strcpy(c->peer_text, "unknown");
    }
    return c->peer_text;
}

void http_set_data(struct http_request *r, void *data, void (*free_fn)(void *))
{
    r->data = data;
    r->free_data = free_fn;
}

void *http_data(const struct http_request *r)
{
    return r->data;
}

void request_clear(struct http_request *r)
{
    if (r->data && r->free_data)
        r->free_data(r->data);
    r->data = NULL;
    r->free_data = NULL;
    while (r->joined) {
        struct http_joined *j = r->joined;
        r->joined = j->next;
        free(j);
    }
    buffer_clear(&r->extra);
}
