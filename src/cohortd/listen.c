#include "cohortd/listen.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cohortd/activation.h"
#include "web/http.h"

#define UNIX_PREFIX "unix:"
#define ADDRESS_BYTES 300

struct place {
    char text[ADDRESS_BYTES]; /* with the port that was bound */
    const char *path;         /* of a unix socket, in text; or NULL */
    struct stat made;         /* what a unix socket was when it was made */
    unsigned flags;
    int *fds; /* one a worker; -1: taken */
};

struct listening {
    size_t n_workers, n;
    struct place places[LISTEN_MAX];
    char host[ADDRESS_BYTES], text[1024];
};

static int explained(const char *address, const struct error *why, struct error *e)
{
    return error_set(e, why->code, "--listen", "--listen %s: %s", address, why->text);
}

/* The addresses one after the other; false after the last. */
static bool next_address(const char **list, char out[ADDRESS_BYTES])
{
    const char *p = *list + strspn(*list, " \t");
    size_t n = strcspn(p, " \t");
    *list = p + n;
    if (n >= ADDRESS_BYTES)
        n = ADDRESS_BYTES - 1;
    memcpy(out, p, n);
    out[n] = '\0';
    return n > 0;
}

static const char *path_of(const char *address)
{
    size_t n = sizeof UNIX_PREFIX - 1;
    return strncmp(address, UNIX_PREFIX, n) == 0 ? address + n : NULL;
}

static int probe(const char *address, struct error *e)
{
    struct error why;
    int fd = -1;
    const char *path = path_of(address);
    int code = path ? http_listen_unix(path, 0, NULL, &why) : http_listen(address, true, &fd, NULL, &why);
    if (fd >= 0)
        close(fd);
    return code == ERR_OK ? ERR_OK : explained(address, &why, e);
}

/* Port 0 is another one each time. */
static bool stands_before(const char *addresses, const char *here, const char *address)
{
    char other[ADDRESS_BYTES];
    const char *port = path_of(address) ? NULL : strrchr(address, ':');
    if (port && strcmp(port, ":0") == 0)
        return false;
    for (const char *p = addresses; next_address(&p, other) && p < here;)
        if (strcmp(other, address) == 0)
            return true;
    return false;
}

int listen_probe(const char *addresses, struct error *e)
{
    char address[ADDRESS_BYTES];
    size_t n = 0;
    int code = ERR_OK;
    for (const char *p = addresses; code == ERR_OK && next_address(&p, address); n++)
        code = stands_before(addresses, p, address)
                   ? error_set(e, ERR_INVALID, "--listen", "--listen has %s twice", address)
                   : probe(address, e);
    if (code == ERR_OK && (n == 0 || n > LISTEN_MAX))
        return error_set(e, ERR_INVALID, "--listen", "--listen takes 1 to %d addresses, not %zu", LISTEN_MAX,
                         n);
    return code;
}

/* The address with the port that was bound. */
static void with_port(const char *address, uint16_t port, char out[ADDRESS_BYTES])
{
    const char *colon = strrchr(address, ':');
    int host = colon ? (int)(colon - address) : (int)strlen(address);
    snprintf(out, ADDRESS_BYTES, "%.*s:%u", host, address, port);
}

static int open_tcp(struct place *p, const char *address, size_t n, struct error *why)
{
    uint16_t port = 0;
    int code = http_listen(address, true, &p->fds[0], &port, why);
    if (code != ERR_OK)
        return code;
    with_port(address, port, p->text);
    for (size_t i = 1; i < n && code == ERR_OK; i++)
        code = http_listen(p->text, false, &p->fds[i], NULL, why);
    return code;
}

/* A socket that can't be bound again is shared. */
static int share(struct place *p, size_t n, struct error *why)
{
    p->flags |= n > 1 ? HTTP_SHARED : 0;
    for (size_t i = 1; i < n; i++) {
        p->fds[i] = fcntl(p->fds[0], F_DUPFD_CLOEXEC, 0);
        if (p->fds[i] < 0)
            return error_set(why, ERR_IO, "listen", "a socket can't be shared among the workers");
    }
    return ERR_OK;
}

static int open_unix(struct place *p, const char *address, unsigned mode, size_t n, struct error *why)
{
    snprintf(p->text, sizeof p->text, "%s", address);
    int code = http_listen_unix(path_of(p->text), mode, &p->fds[0], why);
    if (code != ERR_OK)
        return code;
    p->path = path_of(p->text);
    stat(p->path, &p->made);
    return share(p, n, why);
}

/* Another may take over while its queue fills: the manager keeps the socket. */
static int open_passed(struct place *p, int fd, const char *text, size_t n, struct error *why)
{
    snprintf(p->text, sizeof p->text, "%s", text);
    p->path = path_of(p->text);
    p->flags = HTTP_KEPT;
    p->fds[0] = fd;
    return share(p, n, why);
}

static struct place *add_place(struct listening *l)
{
    struct place *p = l->n < LISTEN_MAX ? &l->places[l->n] : NULL;
    if (!p || !(p->fds = malloc(l->n_workers * sizeof *p->fds)))
        return NULL;
    for (size_t i = 0; i < l->n_workers; i++)
        p->fds[i] = -1;
    l->n++;
    return p;
}

/* A server on every address is found on the loopback one. */
static void note_host(struct listening *l, const char *address)
{
    const char *port = strrchr(address, ':');
    if (l->host[0])
        return;
    if (strncmp(address, "0.0.0.0:", 8) == 0)
        snprintf(l->host, sizeof l->host, "127.0.0.1%s", port);
    else if (strncmp(address, "[::]:", 5) == 0)
        snprintf(l->host, sizeof l->host, "[::1]%s", port);
    else
        snprintf(l->host, sizeof l->host, "%s", address);
}

static void note(struct listening *l, const struct place *p)
{
    size_t n = strlen(l->text);
    snprintf(l->text + n, sizeof l->text - n, "%s%s", n > 0 ? ", " : "", p->text);
    if (!p->path)
        note_host(l, p->text);
}

static int open_all(struct listening *l, const char *addresses, unsigned mode, struct error *e)
{
    char address[ADDRESS_BYTES];
    struct error why;
    for (const char *list = addresses; next_address(&list, address);) {
        struct place *p = add_place(l);
        if (!p)
            return error_set(e, ERR_NOMEM, "--listen", "out of memory, or more than %d addresses",
                             LISTEN_MAX);
        int code = path_of(address) ? open_unix(p, address, mode, l->n_workers, &why)
                                    : open_tcp(p, address, l->n_workers, &why);
        if (code != ERR_OK)
            return explained(address, &why, e);
        note(l, p);
    }
    return ERR_OK;
}

static int open_all_passed(struct listening *l, const struct activation *a, struct error *e)
{
    for (size_t i = 0; i < a->n; i++) {
        struct place *p = add_place(l);
        if (!p)
            return error_set(e, ERR_NOMEM, NULL, "out of memory");
        int code = open_passed(p, a->sockets[i].fd, a->sockets[i].text, l->n_workers, e);
        if (code != ERR_OK)
            return code;
        note(l, p);
    }
    return ERR_OK;
}

int listen_open(struct listening **out, const char *addresses, unsigned mode, const struct activation *passed,
                size_t n, struct error *e)
{
    struct listening *l = calloc(1, sizeof *l);
    if (!l)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    l->n_workers = n;
    int code = passed->n > 0 ? open_all_passed(l, passed, e) : open_all(l, addresses, mode, e);
    if (code == ERR_OK)
        *out = l;
    else
        listen_close(l);
    return code;
}

/* Another server may have put its own in the place of ours. */
static void remove_socket(const struct place *p)
{
    struct stat now;
    if (p->path && lstat(p->path, &now) == 0 && now.st_dev == p->made.st_dev && now.st_ino == p->made.st_ino)
        unlink(p->path);
}

void listen_close(struct listening *l)
{
    if (!l)
        return;
    for (size_t k = 0; k < l->n; k++) {
        remove_socket(&l->places[k]);
        for (size_t i = 0; i < l->n_workers; i++) {
            if (l->places[k].fds[i] >= 0)
                close(l->places[k].fds[i]);
        }
        free(l->places[k].fds);
    }
    free(l);
}

size_t listen_count(const struct listening *l)
{
    return l->n;
}

struct worker_socket listen_take(struct listening *l, size_t i, size_t k)
{
    struct place *p = &l->places[k];
    struct worker_socket s = {p->fds[i], p->flags};
    p->fds[i] = -1;
    return s;
}

const char *listen_host(const struct listening *l)
{
    return l->host[0] ? l->host : NULL;
}

const char *listen_path(const struct listening *l)
{
    for (size_t k = 0; k < l->n; k++) {
        if (l->places[k].path)
            return l->places[k].path;
    }
    return NULL;
}

const char *listen_text(const struct listening *l)
{
    return l->text;
}
