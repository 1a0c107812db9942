#include "cohortctl/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/json_text.h"
#include "cohortctl/path.h"

#define PAGE 500

int request_json(struct client *client, const char *method, const char *path, json_t *body, json_t **out,
                 struct error *e)
{
    char *text = body ? json_text(body, false) : NULL;
    int rc = body && !text ? error_set(e, ERR_NOMEM, "", "out of memory")
                           : client_json(client, method, path, text, out, e);
    free(text);
    json_decref(body);
    return rc;
}

int request_once(struct ctl *c, enum role role, const char *method, const char *path, const char *named,
                 json_t *body, json_t **out, struct error *e)
{
    struct client *client = NULL;
    int rc = client_open(&client, c, role, e);
    if (rc < 0) {
        json_decref(body);
        return rc;
    }
    rc = request_json(client, method, path, body, out, e);
    client_close(client);
    return named ? path_missing(rc, named, e) : rc;
}

/* The list goes to the end of all; what to ask after is left in next ("" at the end). */
static int take_page(const json_t *page, const char *member, json_t *all, char *next, size_t cap,
                     struct error *e)
{
    const char *after = json_string_value(json_object_get(page, "next"));
    const json_t *items = json_object_get(page, member);
    if (!json_is_array(items))
        return error_set(e, ERR_DAMAGED, "", "the list has no \"%s\"; is it a server of another version?",
                         member);
    snprintf(next, cap, "%s", after ? after : "");
    return json_array_extend(all, (json_t *)items) == 0 ? 0 : error_set(e, ERR_NOMEM, "", "out of memory");
}

int request_all(struct client *client, const char *path, const char *member, json_t **out, struct error *e)
{
    char next[256] = "", full[640];
    int rc;
    *out = json_array();
    do {
        json_t *page = NULL;
        snprintf(full, sizeof full, "%s?limit=%d%s%s", path, PAGE, next[0] ? "&after=" : "", next);
        rc = client_json(client, "GET", full, NULL, &page, e);
        if (rc == 0)
            rc = take_page(page, member, *out, next, sizeof next, e);
        json_decref(page);
    } while (rc == 0 && next[0]);
    if (rc < 0) {
        json_decref(*out);
        *out = NULL;
    }
    return rc;
}

json_t *request_reason(const char *reason)
{
    json_t *o = json_object();
    if (o && reason && json_object_set_new(o, "reason", json_string(reason)) < 0) {
        json_decref(o);
        return NULL;
    }
    return o;
}
