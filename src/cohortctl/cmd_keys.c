/* cohortctl keys: API keys of the environment. */
#include <stdio.h>
#include <string.h>

#include "cohortctl/command.h"
#include "cohortctl/json_text.h"
#include "cohortctl/request.h"
#include "cohortctl/suggest.h"
#include "cohortctl/table.h"
#include "cohortctl/values.h"

/* What the options say. */
struct keys {
    const char *name, *team, *priority, *rate;
};

static int print_keys(const json_t *list, struct error *e)
{
    static const char *const heads[] = {"id",   "role", "team",    "priority",
                                        "rate", "name", "created", "revoked"};
    struct table *t = table_new("rlllrlll");
    size_t i;
    const json_t *x;
    for (i = 0; t && i < sizeof heads / sizeof *heads; i++)
        table_add(t, "%s", heads[i]);
    json_array_foreach(list, i, x)
    {
        if (!t)
            break;
        table_add(t, "%lld", (long long)json_integer_value(json_object_get(x, "id")));
        table_add(t, "%s", json_text_of(x, "role"));
        table_add(t, "%s", json_text_of(x, "team"));
        table_add(t, "%s", json_text_of(x, "priority"));
        const json_t *rate = json_object_get(x, "rate_limit");
        table_add(t, json_is_integer(rate) ? "%lld" : "", (long long)json_integer_value(rate));
        table_add(t, "%s", json_text_of(x, "name"));
        table_add(t, "%.16s", json_text_of(x, "created_at"));
        table_add(t, "%.16s", json_text_of(x, "revoked_at"));
    }
    int rc = t ? table_print(t, stdout, 0) : ERR_NOMEM;
    table_free(t);
    return rc < 0 ? error_set(e, rc, "", "out of memory") : 0;
}

static int list_keys(struct ctl *c, const struct keys *k, char **args, struct error *e)
{
    struct client *client = NULL;
    json_t *list = NULL;
    (void)k, (void)args;
    int rc = client_open(&client, c, ROLE_ADMIN, e);
    if (rc == 0)
        rc = request_all(client, "/v1/keys", "items", &list, e);
    if (rc == 0)
        rc = print_keys(list, e);
    json_decref(list);
    client_close(client);
    return rc;
}

/* The key alone goes to standard output, for scripts; it is shown this once. */
static void print_new(const json_t *answer)
{
    fflush(stdout);
    fprintf(stderr, "API key %lld (%s): it is shown this once\n",
            (long long)json_integer_value(json_object_get(answer, "id")), json_text_of(answer, "role"));
    puts(json_text_of(answer, "key"));
}

/* Requests a second; "none": the server's own. */
static int read_rate(const char *word, json_t **out, struct error *e)
{
    int64_t rate = 0;
    *out = NULL;
    if (!word)
        return 0;
    if (strcmp(word, "none") != 0 && value_count("--rate", word, 1, 1000000, &rate, e) != 0)
        return error_set(e, ERR_INVALID, "--rate",
                         "takes a whole number from 1 to 1000000, or none for as many as the server's "
                         "rate_per_key says, not '%.60s'",
                         word);
    *out = rate > 0 ? json_integer(rate) : json_null();
    return 0;
}

static int create_key(struct ctl *c, const struct keys *k, char **args, struct error *e)
{
    json_t *answer = NULL, *rate;
    int rc = read_rate(k->rate, &rate, e);
    if (rc != 0)
        return rc;
    json_t *body =
        json_pack("{s:s, s:s, s:s*, s:s*, s:o*}", "role", args[0], "name", k->name ? k->name : args[0],
                  "team", k->team, "priority", k->priority, "rate_limit", rate);
    if (!body)
        return error_set(e, ERR_INVALID, "keys", "the words are not valid UTF-8");
    rc = request_once(c, ROLE_ADMIN, "POST", "/v1/keys", NULL, body, &answer, e);
    if (rc == 0)
        print_new(answer);
    json_decref(answer);
    return rc;
}

static int path_of_key(const char *id, const char *tail, char *out, size_t cap, struct error *e)
{
    int64_t number;
    int rc = value_count("ID", id, 1, INT32_MAX, &number, e);
    if (rc == 0)
        snprintf(out, cap, "/v1/keys/%lld%s", (long long)number, tail);
    return rc;
}

static int change_key(struct ctl *c, const struct keys *k, char **args, struct error *e)
{
    char path[64];
    json_t *rate;
    if (!k->name && !k->priority && !k->rate)
        return error_set(e, ERR_INVALID, args[0], "say what to change: --name, --priority or --rate");
    if (k->team)
        return error_set(e, ERR_INVALID, "--team", "a key's team can't be changed; make a new key");
    int rc = path_of_key(args[0], "", path, sizeof path, e);
    if (rc == 0)
        rc = read_rate(k->rate, &rate, e);
    if (rc != 0)
        return rc;
    json_t *body =
        json_pack("{s:s*, s:s*, s:o*}", "name", k->name, "priority", k->priority, "rate_limit", rate);
    if (!body)
        return error_set(e, ERR_INVALID, "keys", "the words are not valid UTF-8");
    rc = request_once(c, ROLE_ADMIN, "PATCH", path, args[0], body, NULL, e);
    if (rc == 0)
        printf("%s: changed\n", args[0]);
    return rc;
}

static int rotate_key(struct ctl *c, const struct keys *k, char **args, struct error *e)
{
    char path[64];
    json_t *answer = NULL;
    (void)k;
    int rc = path_of_key(args[0], "/rotate", path, sizeof path, e);
    if (rc == 0)
        rc = request_once(c, ROLE_ADMIN, "POST", path, args[0], json_object(), &answer, e);
    if (rc == 0)
        print_new(answer);
    json_decref(answer);
    return rc;
}

static int revoke_key(struct ctl *c, const struct keys *k, char **args, struct error *e)
{
    char path[64];
    (void)k;
    int rc = path_of_key(args[0], "", path, sizeof path, e);
    if (rc == 0)
        rc = request_once(c, ROLE_ADMIN, "DELETE", path, args[0], NULL, NULL, e);
    if (rc == 0)
        printf("%s: revoked\n", args[0]);
    return rc;
}

static const struct {
    const char *name, *takes;
    int (*run)(struct ctl *c, const struct keys *k, char **args, struct error *e);
    int n_args;
} actions[] = {
    {"list", "", list_keys, 0},       {"create", " ROLE", create_key, 1}, {"change", " ID", change_key, 1},
    {"rotate", " ID", rotate_key, 1}, {"revoke", " ID", revoke_key, 1},
};
#define N_ACTIONS (sizeof actions / sizeof *actions)

static int unknown(const char *word, struct error *e)
{
    const char *names[N_ACTIONS];
    for (size_t i = 0; i < N_ACTIONS; i++)
        names[i] = actions[i].name;
    const char *near = suggest_nearest(word, names, N_ACTIONS);
    if (near)
        return error_set(e, ERR_INVALID, word, "can't be done to keys; did you mean %s?", near);
    return error_set(e, ERR_INVALID, word,
                     "can't be done to keys; list, create, change, rotate and revoke can");
}

static int run(struct ctl *c, const struct keys *k, int n, char **args, struct error *e)
{
    const char *word = n > 0 ? args[0] : "list";
    for (size_t i = 0; i < N_ACTIONS; i++) {
        if (strcmp(actions[i].name, word) != 0)
            continue;
        if ((n > 0 ? n - 1 : 0) != actions[i].n_args)
            return error_set(e, ERR_INVALID, "", "usage: cohortctl keys %s%s", word, actions[i].takes);
        return actions[i].run(c, k, args + 1, e);
    }
    return unknown(word, e);
}

int command_keys(struct ctl *c, int argc, char **argv, struct error *e)
{
    struct keys k = {.name = NULL};
    const struct cli_option options[] = {
        {"--name", CLI_TEXT, &k.name, "TEXT", "create, change: what the key is for (its role)"},
        {"--team", CLI_TEXT, &k.team, "KEY", "create: the team a product key belongs to"},
        {"--priority", CLI_TEXT, &k.priority, "WORD",
         "create, change: low or normal; events of low keys give way first (client keys: low)"},
        {"--rate", CLI_TEXT, &k.rate, "N",
         "create, change: requests a second that a server takes with it; none: as many as its rate_per_key "
         "says"},
    };
    const struct cli_usage usage = {
        "keys [list | create ROLE | change ID | rotate ID | revoke ID]",
        "Lists the environment's API keys; makes one of a role (admin, product, analyst, events, client);\n"
        "changes its name, priority or rate; makes a new one in place of one; revokes one, everywhere within "
        "seconds. A new key is printed this\n"
        "once: only its hash is kept.",
        options,
        4,
        0,
        2};
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    return rc != 0 ? rc : run(c, &k, n, argv, e);
}
