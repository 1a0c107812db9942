#include "cohortctl/discover.h"

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HERE "./cohort-data"
#define SYSTEM "/var/lib/cohortd"

static int path_of(char *out, size_t cap, const char *dir, const char *file, struct error *e)
{
    int n = snprintf(out, cap, "%s/%s", dir, file);
    if (n < 0 || (size_t)n >= cap)
        return error_set(e, ERR_LIMIT, dir, "the path is too long");
    return 0;
}

static bool has_server(const char *dir)
{
    char path[4096];
    return path_of(path, sizeof path, dir, "server.json", NULL) == 0 &&
           (access(path, F_OK) == 0 || errno == EACCES);
}

/* The data directory to look in: --data, else the first usual place where a server wrote its address. */
static const char *data_dir(const struct ctl *c)
{
    if (c->data)
        return c->data;
    if (has_server(HERE))
        return HERE;
    return has_server(SYSTEM) ? SYSTEM : NULL;
}

static int not_running(const struct ctl *c, struct error *e)
{
    if (c->data)
        return error_set(e, ERR_UNAVAILABLE, c->data,
                         "no cohortd is running on this data directory; start it with: cohortd --data %s",
                         c->data);
    return error_set(e, ERR_UNAVAILABLE, "",
                     "no cohortd is running on " HERE " or " SYSTEM
                     "; start one with ./quickstart --no-demo or "
                     "cohortd --data DIR, or name one with --data DIR or --server URL");
}

static int unreadable(const char *path, struct error *e)
{
    if (errno == EACCES)
        return error_set(e, ERR_IO, path,
                         "is not readable for this user; run as the user who started cohortd, or as root");
    return error_set(e, ERR_IO, path, "%s", strerror(errno));
}

/* The JSON object in dir/file. */
static int load(const char *dir, const char *file, json_t **out, struct error *e)
{
    char path[4096];
    int rc = path_of(path, sizeof path, dir, file, e);
    if (rc < 0)
        return rc;
    FILE *f = fopen(path, "re");
    if (!f)
        return unreadable(path, e);
    json_error_t why;
    *out = json_loadf(f, JSON_REJECT_DUPLICATES, &why);
    fclose(f);
    if (json_is_object(*out))
        return 0;
    json_decref(*out);
    return error_set(e, ERR_DAMAGED, path, "is not a JSON object: %s", why.text);
}

static int copy(const char *s, char **out, struct error *e)
{
    *out = strdup(s);
    return *out ? 0 : error_set(e, ERR_NOMEM, "", "out of memory");
}

/* A process that is gone can't have removed its file; one we may not signal is there. */
static bool is_gone(const json_t *server)
{
    json_int_t pid = json_integer_value(json_object_get(server, "pid"));
    return pid > 1 && kill((pid_t)pid, 0) < 0 && errno == ESRCH;
}

/* A string member of server.json of a running server. */
static int from_server(const struct ctl *c, const char *member, char **out, struct error *e)
{
    const char *dir = data_dir(c);
    if (!dir || !has_server(dir))
        return not_running(c, e);
    json_t *server;
    int rc = load(dir, "server.json", &server, e);
    if (rc < 0)
        return rc;
    const char *s = json_string_value(json_object_get(server, member));
    if (is_gone(server))
        rc = error_set(
            e, ERR_UNAVAILABLE, dir,
            "the cohortd that served this data directory is gone; start it again with: cohortd --data %s",
            dir);
    else if (!s)
        rc = error_set(e, ERR_DAMAGED, dir, "server.json has no \"%s\"", member);
    else
        rc = copy(s, out, e);
    json_decref(server);
    return rc;
}

/* An address as it was given or found, fit to put a path behind. */
static int normal(char **url, bool socket_too, struct error *e)
{
    bool unix_socket = strncmp(*url, "unix:/", 6) == 0;
    if (unix_socket && socket_too)
        return 0;
    if (!unix_socket && (strncmp(*url, "http://", 7) == 0 || strncmp(*url, "https://", 8) == 0)) {
        for (size_t n = strlen(*url); (*url)[n - 1] == '/'; n--)
            (*url)[n - 1] = '\0';
        return 0;
    }
    int rc = unix_socket
                 ? error_set(e, ERR_INVALID, "--server",
                             "needs a URL such as http://127.0.0.1:8440 here: this command can't use "
                             "the unix socket '%.200s'",
                             *url + 5)
                 : error_set(e, ERR_INVALID, "--server",
                             "takes a URL such as http://127.0.0.1:8440, or unix:/PATH, not '%.200s'", *url);
    free(*url);
    *url = NULL;
    return rc;
}

int discover_url(const struct ctl *c, char **out, struct error *e)
{
    int rc = c->server ? copy(c->server, out, e) : from_server(c, "url", out, e);
    return rc < 0 ? rc : normal(out, false, e);
}

/* server.json's socket, if it has one that this user may write to. */
static int own_socket(const struct ctl *c, char **out, struct error *e)
{
    char *path = NULL;
    *out = NULL;
    if (from_server(c, "socket", &path, e) < 0 || access(path, W_OK) != 0) {
        free(path);
        return 0;
    }
    int n = asprintf(out, "unix:%s", path);
    free(path);
    return n < 0 ? error_set(e, ERR_NOMEM, "", "out of memory") : 0;
}

int discover_server(const struct ctl *c, char **out, struct error *e)
{
    int rc = c->server ? copy(c->server, out, e) : own_socket(c, out, e);
    if (rc == 0 && !*out)
        rc = from_server(c, "url", out, e);
    return rc < 0 ? rc : normal(out, true, e);
}

int discover_key(const struct ctl *c, enum role role, char **out, struct error *e)
{
    static const char *const names[] = {"admin", "analyst", "events", "client"};
    if (c->key)
        return copy(c->key, out, e);
    const char *dir = data_dir(c);
    if (!dir)
        return error_set(e, ERR_INVALID, "--key", "is needed with --server, or set COHORTCTL_KEY");
    json_t *keys;
    int rc = load(dir, "keys.json", &keys, e);
    if (rc < 0)
        return rc;
    const char *s = json_string_value(json_object_get(keys, names[role]));
    rc = s ? copy(s, out, e)
           : error_set(e, ERR_NOT_FOUND, dir, "keys.json has no %s key; pass --key", names[role]);
    json_decref(keys);
    return rc;
}

int discover_database(const struct ctl *c, char **out, struct error *e)
{
    return c->database ? copy(c->database, out, e) : from_server(c, "database", out, e);
}
