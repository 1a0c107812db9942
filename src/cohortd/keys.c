#include "cohortd/keys.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "codec/json_dump.h"
#include "cohortd/files.h"

static const char *const roles[] = {"admin", "events", "client", "analyst"};

static int create_key(struct pg *p, const char *role, const char *node, json_t *doc, struct pg_error *e)
{
    char name[128];
    snprintf(name, sizeof name, "first %s key of %s", role, node);
    const char *params[] = {role, name};
    PGresult *res = NULL;
    int code = pg_exec(p, "select cohort.create_api_key($1, $2)", 2, params, &res, e);
    if (code == ERR_OK && json_object_set_new(doc, role, json_string(PQgetvalue(res, 0, 0))) != 0)
        code = error_set(&e->error, ERR_NOMEM, NULL, "out of memory");
    PQclear(res);
    return code;
}

static int prepare_file(const char *path, const json_t *doc, struct error *e)
{
    char *text = json_dump_text(doc, JSON_INDENT(1));
    if (!text)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    int code = file_prepare(path, 0600, text, strlen(text), e);
    sodium_memzero(text, strlen(text));
    free(text);
    return code;
}

/* The file is ready before the keys are committed, and in its place after: never a file of unknown keys. */
static int create_all(struct pg *p, const char *path, const char *node, json_t *doc, struct error *e)
{
    struct pg_error why;
    int code = pg_exec(p, "begin", 0, NULL, NULL, &why);
    for (size_t i = 0; i < sizeof roles / sizeof *roles && code == ERR_OK; i++)
        code = create_key(p, roles[i], node, doc, &why);
    if (code == ERR_OK)
        code = prepare_file(path, doc, &why.error);
    if (code == ERR_OK)
        code = pg_exec(p, "commit", 0, NULL, NULL, &why);
    if (code == ERR_OK)
        return file_commit(path, e);
    error_set(e, code, path, "the first API keys could not be made: %s", why.error.text);
    pg_exec(p, "rollback", 0, NULL, NULL, &why);
    file_abandon(path);
    return code;
}

int keys_ensure(struct pg *p, const char *dir, const char *node, struct error *e)
{
    char *path = file_path(dir, "keys.json");
    json_t *doc = json_object();
    int code = ERR_OK;
    if (!path || !doc) {
        code = error_set(e, ERR_NOMEM, NULL, "out of memory");
    } else if (access(path, F_OK) != 0) {
        code = create_all(p, path, node, doc, e);
        if (code == ERR_OK)
            log_info("keys", "the first API keys are in %s", path);
    }
    json_decref(doc);
    free(path);
    return code;
}
