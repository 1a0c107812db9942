/* cohortctl dead-letters: events that were refused: what hinders them, send them again, give them up. */
#include <stdio.h>
#include <string.h>

#include "cohortctl/command.h"
#include "cohortctl/json_text.h"
#include "cohortctl/request.h"
#include "cohortctl/suggest.h"
#include "cohortctl/values.h"

#define PAGE 500
#define LIMIT_DEFAULT "50"

/* What the options say. */
struct letters {
    const char *reason, *limit;
    bool all, as_json;
};

static void print_item(const json_t *item)
{
    const char *why = json_text_of(item, "hindrance");
    printf("%lld  %.19s  %s %s", (long long)json_integer_value(json_object_get(item, "id")),
           json_text_of(item, "received_at"), json_text_of(item, "kind"), json_text_of(item, "reason"));
    if (*json_text_of(item, "event"))
        printf(" %s", json_text_of(item, "event"));
    printf(": %s\n", json_text_of(item, "detail"));
    printf("    %s\n", *why ? why : "It can be replayed.");
}

/* Page after page, newest first, until there are enough. */
static int gather(struct client *client, const struct letters *l, int64_t limit, json_t *found,
                  struct error *e)
{
    char after[64] = "", path[160];
    int rc;
    do {
        json_t *page = NULL, *item;
        size_t i;
        snprintf(path, sizeof path, "/v1/dead-letters?limit=%d%s%s", PAGE, after[0] ? "&after=" : "", after);
        rc = client_json(client, "GET", path, NULL, &page, e);
        json_array_foreach(json_object_get(page, "items"), i, item)
        {
            if ((!l->reason || strcmp(l->reason, json_text_of(item, "reason")) == 0) &&
                (int64_t)json_array_size(found) < limit)
                json_array_append(found, item);
        }
        snprintf(after, sizeof after, "%s", json_text_of(page, "next"));
        json_decref(page);
    } while (rc == 0 && after[0] && (int64_t)json_array_size(found) < limit);
    return rc;
}

static int list(struct ctl *c, const struct letters *l, int n, char **args, struct error *e)
{
    struct client *client = NULL;
    int64_t limit;
    size_t i;
    json_t *item, *found;
    if (n > 0)
        return error_set(e, ERR_INVALID, args[0], "list takes no ids; --reason REASON lists one reason");
    int rc = value_count("--limit", l->limit, 1, 1000000, &limit, e);
    if (rc == 0)
        rc = client_open(&client, c, ROLE_ADMIN, e);
    if (rc < 0)
        return rc;
    found = json_array();
    rc = gather(client, l, limit, found, e);
    if (rc == 0 && l->as_json) {
        rc = json_text_print(found, e);
    } else if (rc == 0) {
        json_array_foreach(found, i, item) print_item(item);
        if (json_array_size(found) == 0)
            puts("No dead letters wait.");
    }
    json_decref(found);
    client_close(client);
    return rc;
}

/* {"ids": […]}, {"reason": "…"} or {"all": true}; NULL after e was set. */
static json_t *which(const struct letters *l, int n, char **args, struct error *e)
{
    if ((n > 0) + (l->reason != NULL) + l->all != 1) {
        error_set(e, ERR_INVALID, "dead-letters", "takes ids, --reason REASON or --all, one of them");
        return NULL;
    }
    if (n == 0) {
        json_t *doc = l->all ? json_pack("{s:b}", "all", 1) : json_pack("{s:s}", "reason", l->reason);
        if (!doc)
            error_set(e, ERR_INVALID, "--reason", "is not valid UTF-8");
        return doc;
    }
    json_t *ids = json_array();
    for (int i = 0; i < n; i++) {
        int64_t id;
        if (value_count("ID", args[i], 1, INT64_MAX / 10, &id, e) != 0) {
            json_decref(ids);
            return NULL;
        }
        json_array_append_new(ids, json_integer(id));
    }
    return json_pack("{s:o}", "ids", ids);
}

static int ask(struct ctl *c, const char *path, const struct letters *l, int n, char **args, json_t **answer,
               struct error *e)
{
    json_t *doc = which(l, n, args, e);
    return doc ? request_once(c, ROLE_ADMIN, "POST", path, NULL, doc, answer, e) : ERR_INVALID;
}

static int replay(struct ctl *c, const struct letters *l, int n, char **args, struct error *e)
{
    json_t *answer = NULL, *item;
    size_t i;
    int rc = ask(c, "/v1/dead-letters/replay", l, n, args, &answer, e);
    if (rc == 0 && l->as_json) {
        rc = json_text_print(answer, e);
    } else if (rc == 0) {
        const json_t *refused = json_object_get(answer, "refused");
        printf("replayed: %lld, refused: %zu\n",
               (long long)json_integer_value(json_object_get(answer, "replayed")), json_array_size(refused));
        json_array_foreach(refused, i, item)
            printf("%lld: %s\n", (long long)json_integer_value(json_object_get(item, "id")),
                   json_text_of(item, "why"));
    }
    if (rc == 0 && json_array_size(json_object_get(answer, "refused")) > 0)
        rc = CLI_DIFFERS;
    json_decref(answer);
    return rc;
}

static int drop(struct ctl *c, const struct letters *l, int n, char **args, struct error *e)
{
    json_t *answer = NULL;
    int rc = ask(c, "/v1/dead-letters/drop", l, n, args, &answer, e);
    if (rc == 0 && l->as_json)
        rc = json_text_print(answer, e);
    else if (rc == 0)
        printf("dropped: %lld\n", (long long)json_integer_value(json_object_get(answer, "dropped")));
    json_decref(answer);
    return rc;
}

static int run(struct ctl *c, const struct letters *l, int n, char **args, struct error *e)
{
    static const char *const words[] = {"list", "replay", "drop"};
    static int (*const runs[])(struct ctl *, const struct letters *, int, char **,
                               struct error *) = {list, replay, drop};
    const char *word = n > 0 ? args[0] : "list";
    for (size_t i = 0; i < 3; i++)
        if (strcmp(word, words[i]) == 0)
            return runs[i](c, l, n > 0 ? n - 1 : 0, args + 1, e);
    const char *near = suggest_nearest(word, words, 3);
    if (near)
        return error_set(e, ERR_INVALID, word, "is nothing to do with dead letters; did you mean %s?", near);
    return error_set(e, ERR_INVALID, word, "is nothing to do with dead letters; list, replay and drop are");
}

int command_dead_letters(struct ctl *c, int argc, char **argv, struct error *e)
{
    struct letters l = {.limit = LIMIT_DEFAULT};
    const struct cli_option options[] = {
        {"--reason", CLI_TEXT, &l.reason, "REASON", "those of that reason (unknown_event, …)"},
        {"--all", CLI_FLAG, &l.all, NULL, "replay, drop: all that wait, at most 10000 at a time"},
        {"--limit", CLI_TEXT, &l.limit, "N", "list: the newest N (" LIMIT_DEFAULT ")"},
        {"--json", CLI_FLAG, &l.as_json, NULL, "the answer as JSON"},
    };
    const struct cli_usage usage = {
        "dead-letters [list | replay | drop] [ID…]",
        "Events that were accepted and could not be used, each with its reason.\n"
        "list (or nothing): those that wait, the newest first, and what hinders each from being replayed.\n"
        "replay: sends them again, once their cause is mended (the metric declared, say); status 1 when "
        "some\n"
        "are refused, each with the reason.\n"
        "drop: gives them up: their content goes, the record that there was one stays.",
        options,
        4,
        0,
        1000};
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    return rc != 0 ? rc : run(c, &l, n, argv, e);
}
