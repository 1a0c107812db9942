#include "web/event_batch.h"

#include <stdlib.h>
#include <string.h>

#include "codec/json_in.h"

#define DEPTH_MAX 32
#define VALUES_PER_EVENT 80

struct cursor {
    const char *at, *end;
};

static void skip_blanks(struct cursor *c)
{
    while (c->at < c->end && strchr(" \t\r\n", *c->at) && *c->at)
        c->at++;
}

static bool take(struct cursor *c, const char *word)
{
    size_t n = strlen(word);
    skip_blanks(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0)
        return false;
    c->at += n;
    return true;
}

static bool skip_string(struct cursor *c)
{
    for (c->at++; c->at < c->end; c->at++) {
        if (*c->at == '"')
            return true;
        if (*c->at == '\\')
            c->at++;
    }
    return false;
}

/* To the comma or bracket behind an event. */
static bool skip_event(struct cursor *c)
{
    unsigned depth = 0;
    for (; c->at < c->end; c->at++) {
        char b = *c->at;
        if (depth == 0 && (b == ',' || b == ']'))
            return true;
        if (b == '"' && !skip_string(c))
            return false;
        if (b == '{' || b == '[')
            depth++;
        if ((b == '}' || b == ']') && depth-- == 0)
            return false;
    }
    return false;
}

static int read_event(const char *text, size_t len, json_t *list, struct event_unread *unread)
{
    const struct json_limits limits = {len, DEPTH_MAX - 2, VALUES_PER_EVENT};
    json_t *v = NULL;
    int code = json_in_parse(text, len, &limits, &v, &unread->error);
    if (code == ERR_NOMEM)
        return code;
    if (code != ERR_OK) {
        unread->text = text;
        unread->len = len;
        v = json_null();
    }
    return json_array_append_new(list, v) == 0 ? ERR_OK : ERR_NOMEM;
}

/* ERR_INVALID: it can't be told which event is where. */
static int read_events(struct cursor *c, json_t *list, struct event_unread *unread)
{
    for (size_t n = 0; n < EVENTS_MAX; n++) {
        skip_blanks(c);
        const char *from = c->at;
        if (!skip_event(c) || c->at == from)
            return ERR_INVALID;
        int code = read_event(from, (size_t)(c->at - from), list, &unread[n]);
        if (code != ERR_OK)
            return code;
        if (*c->at++ == ']')
            return ERR_OK;
    }
    return ERR_INVALID;
}

/* The client key that a beacon begins with; it was looked at already. */
static bool skip_key(struct cursor *c)
{
    if (!take(c, "\"key\""))
        return true;
    if (!take(c, ":"))
        return false;
    skip_blanks(c);
    if (c->at == c->end || *c->at != '"' || !skip_string(c))
        return false;
    c->at++;
    return take(c, ",");
}

static int read_apart(const char *body, size_t len, json_t *list, struct event_unread *unread)
{
    struct cursor c = {body, body + len};
    bool wrapped = take(&c, "{");
    if (wrapped && (!skip_key(&c) || !take(&c, "\"events\"") || !take(&c, ":")))
        return ERR_INVALID;
    if (!take(&c, "["))
        return ERR_INVALID;
    int code = read_events(&c, list, unread);
    if (code != ERR_OK)
        return code;
    if (wrapped && !take(&c, "}"))
        return ERR_INVALID;
    skip_blanks(&c);
    return c.at == c.end ? ERR_OK : ERR_INVALID;
}

int event_batch_parse(const char *body, size_t len, size_t max_body, json_t **doc,
                      struct event_unread **unread, struct error *e)
{
    const struct json_limits limits = {max_body, DEPTH_MAX, VALUES_PER_EVENT * EVENTS_MAX};
    *unread = NULL;
    int code = json_in_parse(body, len, &limits, doc, e);
    if (code == ERR_OK || code == ERR_NOMEM)
        return code;
    struct event_unread *apart = calloc(EVENTS_MAX, sizeof *apart);
    json_t *list = json_array();
    int code_apart = apart && list ? read_apart(body, len, list, apart) : ERR_NOMEM;
    if (code_apart == ERR_OK) {
        *doc = list;
        *unread = apart;
        return ERR_OK;
    }
    json_decref(list);
    free(apart);
    return code_apart == ERR_NOMEM ? ERR_NOMEM : code;
}
