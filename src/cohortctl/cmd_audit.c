/* cohortctl audit: who changed what, and whether the record of it is whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/command.h"
#include "cohortctl/discover.h"
#include "cohortctl/json_text.h"
#include "cohortctl/request.h"
#include "cohortctl/suggest.h"
#include "cohortctl/values.h"
#include "store/pg.h"

#define PAGE 500
#define LIMIT_DEFAULT "50"

/* What the options say. */
struct audit {
    const char *object, *of, *limit, *head;
    bool as_json;
};

/* The fields of a change that are another than before: "status, iteration". */
static void print_fields(const json_t *before, const json_t *after)
{
    const char *name, *comma = "";
    json_t *v;
    json_object_foreach((json_t *)after, name, v)
    {
        const json_t *old = json_object_get(before, name);
        if (old && json_equal(old, v))
            continue;
        char *was = old ? json_text(old, false) : NULL, *is = json_text(v, false);
        printf("%s%s %.60s → %.60s", comma, name, was ? was : "(not set)", is ? is : "?");
        comma = ", ";
        free(was);
        free(is);
    }
}

static void print_item(const json_t *item)
{
    const json_t *before = json_object_get(item, "before"), *after = json_object_get(item, "after");
    printf("%lld  %.19s  %s  %s %s %s", (long long)json_integer_value(json_object_get(item, "id")),
           json_text_of(item, "at"), json_text_of(item, "actor"), json_text_of(item, "action"),
           json_text_of(item, "object"), json_text_of(item, "key"));
    if (json_is_object(before) && json_is_object(after)) {
        printf(": ");
        print_fields(before, after);
    }
    putchar('\n');
}

/* A thing's own rows, and those of its parts: cta, cta/control. */
static bool wanted(const struct audit *a, const json_t *item)
{
    const char *key = json_text_of(item, "key");
    size_t n = a->of ? strlen(a->of) : 0;
    if (a->object && strcmp(a->object, json_text_of(item, "object")) != 0)
        return false;
    return !a->of || (strncmp(key, a->of, n) == 0 && (key[n] == '\0' || key[n] == '/'));
}

/* Page after page, newest first, until there are enough. */
static int list(struct client *client, const struct audit *a, int64_t limit, json_t *found, struct error *e)
{
    char after[64] = "", path[160];
    int rc;
    do {
        json_t *page = NULL, *item;
        size_t i;
        snprintf(path, sizeof path, "/v1/audit?limit=%d%s%s", PAGE, after[0] ? "&after=" : "", after);
        rc = client_json(client, "GET", path, NULL, &page, e);
        json_array_foreach(json_object_get(page, "items"), i, item)
        {
            if (wanted(a, item) && (int64_t)json_array_size(found) < limit)
                json_array_append(found, item);
        }
        snprintf(after, sizeof after, "%s", json_text_of(page, "next"));
        json_decref(page);
    } while (rc == 0 && after[0] && (int64_t)json_array_size(found) < limit);
    return rc;
}

static int show_list(struct ctl *c, const struct audit *a, struct error *e)
{
    struct client *client = NULL;
    int64_t limit;
    size_t i;
    json_t *item, *found;
    int rc = value_count("--limit", a->limit, 1, 1000000, &limit, e);
    if (rc == 0)
        rc = client_open(&client, c, ROLE_ADMIN, e);
    if (rc < 0)
        return rc;
    found = json_array();
    rc = list(client, a, limit, found, e);
    if (rc == 0 && a->as_json) {
        rc = json_text_print(found, e);
    } else if (rc == 0) {
        json_array_foreach(found, i, item) print_item(item);
    }
    json_decref(found);
    client_close(client);
    return rc;
}

static int show_head(struct ctl *c, const struct audit *a, struct error *e)
{
    json_t *head = NULL;
    (void)a;
    int rc = request_once(c, ROLE_ADMIN, "GET", "/v1/audit/head", NULL, NULL, &head, e);
    if (rc == 0)
        rc = json_text_print(head, e);
    json_decref(head);
    return rc;
}

static int print_problems(PGresult *rows, const char *head)
{
    int n = PQntuples(rows);
    for (int i = 0; i < n; i++)
        printf("%s%s: %s\n", PQgetisnull(rows, i, 0) ? "the audit" : "row ", PQgetvalue(rows, i, 0),
               PQgetvalue(rows, i, 1));
    if (n == 0)
        printf("The audit is whole%s.\n", head ? ", and the head given is part of it" : "");
    return n == 0 ? 0 : CLI_DIFFERS;
}

/* "NUMBER:HASH" of an audit head, as two parameters. */
static int split_head(const char *head, char number[24], char hash[72], struct error *e)
{
    const char *colon = strchr(head, ':');
    if (!colon || colon == head || colon - head > 18 ||
        strspn(head, "0123456789") != (size_t)(colon - head) || strlen(colon + 1) != 64 ||
        strspn(colon + 1, "0123456789abcdef") != 64)
        return error_set(e, ERR_INVALID, "--head", "takes NUMBER:HASH, as audit head printed them");
    snprintf(number, 24, "%.*s", (int)(colon - head), head);
    snprintf(hash, 72, "\\x%s", colon + 1);
    return 0;
}

static int verify(struct ctl *c, const struct audit *a, struct error *e)
{
    char number[24], hash[72], *conninfo = NULL;
    const char *params[] = {a->head ? number : NULL, a->head ? hash : NULL};
    struct pg *pg = NULL;
    struct pg_error why = {0};
    PGresult *rows = NULL;
    int rc = a->head ? split_head(a->head, number, hash, e) : 0;
    if (rc == 0)
        rc = discover_database(c, &conninfo, e);
    if (rc < 0)
        return rc;
    rc = pg_open(&pg, conninfo, "cohortctl audit", 0, &why);
    if (rc == 0)
        rc = pg_exec(pg, "select audit_id, problem from cohort.audit_verify($1::bigint, $2::bytea)", 2,
                     params, &rows, &why);
    if (rc < 0)
        *e = why.error;
    else
        rc = print_problems(rows, a->head);
    PQclear(rows);
    pg_close(pg);
    free(conninfo);
    return rc;
}

static int run(struct ctl *c, const struct audit *a, const char *word, struct error *e)
{
    static const char *const words[] = {"list", "head", "verify"};
    static int (*const runs[])(struct ctl *, const struct audit *, struct error *) = {show_list, show_head,
                                                                                      verify};
    for (size_t i = 0; i < 3; i++)
        if (strcmp(word, words[i]) == 0)
            return runs[i](c, a, e);
    const char *near = suggest_nearest(word, words, 3);
    if (near)
        return error_set(e, ERR_INVALID, word, "is nothing of the audit; did you mean %s?", near);
    return error_set(e, ERR_INVALID, word, "is nothing of the audit; list, head and verify are");
}

int command_audit(struct ctl *c, int argc, char **argv, struct error *e)
{
    struct audit a = {.limit = LIMIT_DEFAULT};
    const struct cli_option options[] = {
        {"--object", CLI_TEXT, &a.object, "TABLE",
         "list: changes of that table only (experiment, variant, …)"},
        {"--of", CLI_TEXT, &a.of, "KEY", "list: changes of that key and its parts only"},
        {"--limit", CLI_TEXT, &a.limit, "N", "list: the newest N (" LIMIT_DEFAULT ")"},
        {"--json", CLI_FLAG, &a.as_json, NULL, "list: with the rows before and after, as JSON"},
        {"--head", CLI_TEXT, &a.head, "NUMBER:HASH", "verify: a head you wrote down must be part of it"},
    };
    const struct cli_usage usage = {
        "audit [list | head | verify]",
        "list (or nothing): changes of definitions, the newest first: who, what, and each field before and "
        "after.\n"
        "head: where the sealed chain ends; write it down elsewhere to catch a chain that is rewritten.\n"
        "verify: checks the whole chain in the database, prints every row that was edited, deleted, moved "
        "or\n"
        "slipped in, and ends with status 1 when there is one.",
        options,
        5,
        0,
        1};
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    return rc != 0 ? rc : run(c, &a, n > 0 ? argv[0] : "list", e);
}
