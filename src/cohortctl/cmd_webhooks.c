/* cohortctl webhooks: addresses that are told of stops, alerts and verdicts. */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cohortctl/command.h"
#include "cohortctl/json_text.h"
#include "cohortctl/path.h"
#include "cohortctl/request.h"
#include "cohortctl/suggest.h"
#include "cohortctl/table.h"

#define SECRET_BYTES 24

/* What the options say. */
struct webhooks {
    const char *events;
    bool off, new_secret;
};

static int path_of(const char *key, const char *tail, char *out, size_t cap, struct error *e)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_.-";
    if (!key[0] || strlen(key) > 100 || strspn(key, allowed) != strlen(key))
        return error_set(e, ERR_INVALID, key, "is no key: 1 to 100 of a-z 0-9 _ . -");
    snprintf(out, cap, "/v1/webhooks/%s%s", key, tail);
    return 0;
}

static void events_text(const json_t *list, char *out, size_t cap)
{
    size_t i, n = 0;
    const json_t *v;
    out[0] = '\0';
    json_array_foreach(list, i, v)
    {
        if (n < cap)
            n += (size_t)snprintf(out + n, cap - n, "%s%s", i ? "," : "", json_string_value(v));
    }
}

static int print_table(struct table *t, struct error *e)
{
    int rc = t ? table_print(t, stdout, 0) : ERR_NOMEM;
    table_free(t);
    return rc < 0 ? error_set(e, rc, "", "out of memory") : 0;
}

static int print_list(const json_t *list, struct error *e)
{
    static const char *const heads[] = {"webhook", "enabled", "events", "url"};
    struct table *t = table_new("llll");
    size_t i;
    const json_t *x;
    for (i = 0; t && i < sizeof heads / sizeof *heads; i++)
        table_add(t, "%s", heads[i]);
    json_array_foreach(list, i, x)
    {
        char events[100];
        if (!t)
            break;
        events_text(json_object_get(x, "events"), events, sizeof events);
        table_add(t, "%s", json_text_of(x, "key"));
        table_add(t, "%s", json_is_true(json_object_get(x, "enabled")) ? "yes" : "no");
        table_add(t, "%s", events);
        table_add(t, "%s", json_text_of(x, "url"));
    }
    return print_table(t, e);
}

static int list(struct ctl *c, const struct webhooks *w, char **args, struct error *e)
{
    struct client *client = NULL;
    json_t *items = NULL;
    (void)w, (void)args;
    int rc = client_open(&client, c, ROLE_ADMIN, e);
    if (rc == 0)
        rc = request_all(client, "/v1/webhooks", "items", &items, e);
    if (rc == 0)
        rc = print_list(items, e);
    json_decref(items);
    client_close(client);
    return rc;
}

/* "stop,alert" as a list; NULL: not said. */
static json_t *events_of(const char *text)
{
    json_t *out = text ? json_array() : NULL;
    while (out && *text) {
        size_t n = strcspn(text, ",");
        json_array_append_new(out, json_stringn(text, n));
        text += n + (text[n] == ',');
    }
    return out;
}

/* A secret is made here, so that it stands in no command's words; it is printed this once. */
static void make_secret(char out[2 * SECRET_BYTES + 1])
{
    unsigned char bytes[SECRET_BYTES];
    randombytes_buf(bytes, sizeof bytes);
    sodium_bin2hex(out, 2 * SECRET_BYTES + 1, bytes, sizeof bytes);
}

static int is_new(struct client *client, const char *key, bool *out, struct error *e)
{
    json_t *items = NULL, *item;
    size_t i;
    int rc = request_all(client, "/v1/webhooks", "items", &items, e);
    *out = true;
    json_array_foreach(items, i, item)
    {
        if (strcmp(json_text_of(item, "key"), key) == 0)
            *out = false;
    }
    json_decref(items);
    return rc;
}

static int put(struct ctl *c, const struct webhooks *w, char **args, struct error *e)
{
    struct client *client = NULL;
    char path[160], secret[2 * SECRET_BYTES + 1];
    bool fresh = false;
    int rc = path_of(args[0], "", path, sizeof path, e);
    if (rc == 0)
        rc = client_open(&client, c, ROLE_ADMIN, e);
    if (rc == 0)
        rc = is_new(client, args[0], &fresh, e);
    fresh = fresh || w->new_secret;
    if (rc == 0) {
        make_secret(secret);
        json_t *body = json_pack("{s:s, s:b, s:s*, s:o*}", "url", args[1], "enabled", !w->off, "secret",
                                 fresh ? secret : NULL, "events", events_of(w->events));
        rc = body ? request_json(client, "PUT", path, body, NULL, e)
                  : error_set(e, ERR_INVALID, "webhooks", "the words are not valid UTF-8");
    }
    if (rc == 0 && fresh) {
        fprintf(stderr, "%s: its secret, shown this once:\n", args[0]);
        puts(secret);
    }
    sodium_memzero(secret, sizeof secret);
    client_close(client);
    return rc;
}

static int delete (struct ctl *c, const struct webhooks *w, char **args, struct error *e)
{
    char path[160];
    (void)w;
    int rc = path_of(args[0], "", path, sizeof path, e);
    if (rc == 0)
        rc = request_once(c, ROLE_ADMIN, "DELETE", path, args[0], NULL, NULL, e);
    if (rc == 0)
        printf("%s: deleted\n", args[0]);
    return rc;
}

static int test(struct ctl *c, const struct webhooks *w, char **args, struct error *e)
{
    char path[160];
    json_t *answer = NULL;
    (void)w;
    int rc = path_of(args[0], "/test", path, sizeof path, e);
    if (rc == 0)
        rc = request_once(c, ROLE_ADMIN, "POST", path, args[0], json_object(), &answer, e);
    if (rc == 0)
        printf("%s: a test is on its way (%s); cohortctl webhooks deliveries %s tells what became of it\n",
               args[0], json_text_of(answer, "id"), args[0]);
    json_decref(answer);
    return rc;
}

static int print_deliveries(const json_t *items, struct error *e)
{
    static const char *const heads[] = {"made", "event", "state", "attempts", "next", "why", "id"};
    struct table *t = table_new("lllrlll");
    size_t i;
    const json_t *x;
    for (i = 0; t && i < sizeof heads / sizeof *heads; i++)
        table_add(t, "%s", heads[i]);
    json_array_foreach(items, i, x)
    {
        if (!t)
            break;
        table_add(t, "%.19s", json_text_of(x, "created_at"));
        table_add(t, "%s", json_text_of(x, "event"));
        table_add(t, "%s", json_text_of(x, "state"));
        table_add(t, "%lld", (long long)json_integer_value(json_object_get(x, "attempts")));
        table_add(t, "%.19s", json_text_of(x, "next_at"));
        table_add(t, "%s", json_text_of(x, "last_error"));
        table_add(t, "%s", json_text_of(x, "id"));
    }
    return print_table(t, e);
}

static int deliveries(struct ctl *c, const struct webhooks *w, char **args, struct error *e)
{
    char path[160];
    json_t *answer = NULL;
    (void)w;
    int rc = path_of(args[0], "/deliveries", path, sizeof path, e);
    if (rc == 0)
        rc = request_once(c, ROLE_ADMIN, "GET", path, args[0], NULL, &answer, e);
    if (rc == 0)
        rc = print_deliveries(json_object_get(answer, "items"), e);
    json_decref(answer);
    return rc;
}

static const struct {
    const char *name, *takes;
    int (*run)(struct ctl *c, const struct webhooks *w, char **args, struct error *e);
    int n_args;
} actions[] = {
    {"list", "", list, 0},     {"put", " KEY URL", put, 2},           {"delete", " KEY", delete, 1},
    {"test", " KEY", test, 1}, {"deliveries", " KEY", deliveries, 1},
};
#define N_ACTIONS (sizeof actions / sizeof *actions)

static int unknown(const char *word, struct error *e)
{
    const char *names[N_ACTIONS];
    for (size_t i = 0; i < N_ACTIONS; i++)
        names[i] = actions[i].name;
    const char *near = suggest_nearest(word, names, N_ACTIONS);
    if (near)
        return error_set(e, ERR_INVALID, word, "can't be done to webhooks; did you mean %s?", near);
    return error_set(e, ERR_INVALID, word,
                     "can't be done to webhooks; list, put, delete, test and deliveries can");
}

static int run(struct ctl *c, const struct webhooks *w, int n, char **args, struct error *e)
{
    const char *word = n > 0 ? args[0] : "list";
    for (size_t i = 0; i < N_ACTIONS; i++) {
        if (strcmp(actions[i].name, word) != 0)
            continue;
        if ((n > 0 ? n - 1 : 0) != actions[i].n_args)
            return error_set(e, ERR_INVALID, "", "usage: cohortctl webhooks %s%s", word, actions[i].takes);
        return actions[i].run(c, w, args + 1, e);
    }
    return unknown(word, e);
}

int command_webhooks(struct ctl *c, int argc, char **argv, struct error *e)
{
    struct webhooks w = {.events = NULL};
    const struct cli_option options[] = {
        {"--events", CLI_TEXT, &w.events, "LIST", "put: of stop,alert,verdict what it hears of (all)"},
        {"--off", CLI_FLAG, &w.off, NULL, "put: it is told nothing for now"},
        {"--new-secret", CLI_FLAG, &w.new_secret, NULL, "put: a new secret in place of the one there is"},
    };
    const struct cli_usage usage = {"webhooks [list | put KEY URL | delete KEY | test KEY | deliveries KEY]",
                                    "Addresses that are told of stops, alerts and verdicts by a signed POST, "
                                    "repeated for a day until it is\n"
                                    "taken. put makes or changes one; the secret that a new one signs with "
                                    "is printed this once. deliveries\n"
                                    "tells what became of the last hundred.",
                                    options,
                                    3,
                                    0,
                                    3};
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    return rc != 0 ? rc : run(c, &w, n, argv, e);
}
