/* cohortctl apply: creates or changes an experiment from a JSON document. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/client.h"
#include "cohortctl/command.h"
#include "cohortctl/path.h"

static int load(const char *path, json_t **out, struct error *e)
{
    json_error_t why;
    size_t flags = JSON_REJECT_DUPLICATES;
    *out = strcmp(path, "-") == 0 ? json_loadf(stdin, flags, &why) : json_load_file(path, flags, &why);
    if (!*out && why.line < 0)
        return error_set(e, ERR_IO, path, "%s", why.text);
    if (!*out)
        return error_set(e, ERR_INVALID, path, "line %d, column %d: %s", why.line, why.column, why.text);
    if (json_is_object(*out))
        return 0;
    json_decref(*out);
    return error_set(e, ERR_INVALID, path, "the document must be an object: {\"key\": …, \"variants\": […]}");
}

/* PUTs the document at the path its "key" names; the key travels in the path only. */
static int put(struct ctl *c, json_t *doc, const char *file, struct error *e)
{
    char path[400], name[128];
    struct client *client = NULL;
    json_t *answer = NULL;
    const char *key = json_string_value(json_object_get(doc, "key"));
    if (!key)
        return error_set(e, ERR_INVALID, file, "\"key\" is missing; it names the experiment");
    snprintf(name, sizeof name, "%s", key);
    int rc = path_of_experiment(key, "", path, sizeof path, e);
    if (rc == 0)
        rc = client_open(&client, c, ROLE_ADMIN, e);
    if (rc < 0)
        return rc;
    json_object_del(doc, "key");
    char *body = json_dumps(doc, JSON_COMPACT);
    rc = body ? client_json(client, "PUT", path, body, &answer, e)
              : error_set(e, ERR_NOMEM, "", "out of memory");
    if (rc == 0) {
        const char *status = json_string_value(json_object_get(answer, "status"));
        printf("%s: %s\n", name, status ? status : "applied");
    }
    json_decref(answer);
    free(body);
    client_close(client);
    return rc;
}

int command_apply(struct ctl *c, int argc, char **argv, struct error *e)
{
    const struct cli_usage usage = {
        "apply FILE.json",
        "Creates the experiment that the document describes, or changes it while it is a draft.\n"
        "The document is the one of PUT /v1/experiments/KEY, with the experiment's key as \"key\".\n"
        "FILE.json may be - for standard input.",
        NULL,
        0,
        1,
        1};
    json_t *doc;
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc != 0)
        return rc;
    rc = load(argv[0], &doc, e);
    if (rc < 0)
        return rc;
    rc = put(c, doc, argv[0], e);
    json_decref(doc);
    return rc;
}
