/* What a handler can ask of a request. */
#include <stdlib.h>
#include <string.h>

#include "web/http_conn.h"

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

struct http_kept {
    struct http_kept *next;
    char bytes[];
};

char *request_keep(struct http_request *r, size_t n)
{
    struct http_kept *k = malloc(sizeof *k + n);
    if (!k)
        return NULL;
    k->next = r->kept;
    r->kept = k;
    return k->bytes;
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
    char *joined = request_keep(r, total), *p = joined;
    if (!p)
        return NULL;
    for (unsigned i = first; i < h->n_fields; i++) {
        if (!is_named(h, &h->fields[i], name, name_len))
            continue;
        if (p != joined)
            p = stpcpy(p, ", ");
        p = stpcpy(p, h->base + h->fields[i].value);
    }
    return joined;
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

static const char *address_text(struct http_request *r, const struct http_address *a)
{
    char *text = request_keep(r, HTTP_ADDRESS_TEXT);
    if (!text)
        return "unknown";
    http_address_text(a, text);
    return text;
}

const char *http_peer(struct http_request *r)
{
    return address_text(r, &conn_of(r)->address);
}

static struct http_address client_of(struct http_request *r)
{
    const struct http_conn *c = conn_of(r);
    struct http_address a = c->address;
    if (c->server && http_shared_trusts(c->server->shared, &a))
        http_shared_forwarded(c->server->shared, &a, http_header(r, "x-forwarded-for"));
    return a;
}

const char *http_client(struct http_request *r)
{
    struct http_address a = client_of(r);
    return address_text(r, &a);
}

/* The hash of a peer is kept with its connection; behind a proxy each request has its own. */
uint64_t http_client_tag(struct http_request *r)
{
    struct http_conn *c = conn_of(r);
    if (!c->server)
        return 1;
    if (http_shared_trusts(c->server->shared, &c->address)) {
        struct http_address a = client_of(r);
        return http_shared_tag(c->server->shared, &a);
    }
    if (c->tag == 0)
        c->tag = http_shared_tag(c->server->shared, &c->address);
    return c->tag;
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
    while (r->kept) {
        struct http_kept *k = r->kept;
        r->kept = k->next;
        free(k);
    }
    buffer_clear(&r->extra);
    r->id = r->route = r->reason = NULL;
}
