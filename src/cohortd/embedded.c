#include "cohortd/embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cohortd/cluster.h"
#include "cohortd/files.h"
#include "store/pg.h"

#define START_SECONDS 60     /* for its first answer of any kind */
#define RECOVERY_SECONDS 600 /* while it says that it is starting up */
#define STOP_SECONDS 60
#define START_MB 16 /* a start writes a segment of its log */
#define LOG_MAX_BYTES (16 << 20)
#define CONNECT_TRIES 5 /* to one that answers */

struct embedded {
    struct embedded_options o;
    struct os_user user;
    char *socket_dir, *conninfo, *admin_conninfo;
    pid_t pid; /* 0: not running */
    int64_t launched_us;
    off_t log_from; /* where its log began then */
    bool ready;     /* it has answered since */
};

/* DIR/postgres.log, with the one before beside it once it is large. */
static int open_log(const char *dir, struct error *e)
{
    struct stat st;
    char *path = file_path(dir, "postgres.log"), *old = file_path(dir, "postgres.log.1");
    int fd = -1;
    if (path && old) {
        if (stat(path, &st) == 0 && st.st_size > LOG_MAX_BYTES)
            (void)rename(path, old); /* else it grows on */
        fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    if (fd < 0)
        error_set(e, ERR_IO, "data", "%s/postgres.log can't be written: %s", dir, strerror(errno));
    free(path);
    free(old);
    return fd;
}

/* What the server wrote since `from` about why it ended. */
static void read_complaint(int fd, off_t from, char *out, size_t cap)
{
    char text[8192];
    bool found = false;
    off_t end = lseek(fd, 0, SEEK_END);
    if (end - from > (off_t)sizeof text - 1)
        from = end - ((off_t)sizeof text - 1);
    ssize_t n = pread(fd, text, sizeof text - 1, from);
    text[n > 0 ? n : 0] = '\0';
    snprintf(out, cap, "%s", "it left no message");
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char *why = strstr(line, "FATAL:");
        why = why ? why : strstr(line, "PANIC:");
        if (why && strstr(why, "the database system is "))
            continue; /* an answer to our own asking */
        /* Before its log is set up, its words have no level. */
        if (why || (!found && strncmp(line, "postgres: ", 10) == 0))
            snprintf(out, cap, "%s", why ? why : line);
        found = found || why;
    }
}

static int did_not_start(struct embedded *m, int log_fd, off_t log_from, struct error *e)
{
    char why[512];
    unsigned long long free_mb = cluster_free_mb(m->o.dir);
    if (free_mb < START_MB)
        return error_set(
            e, ERR_IO, "data",
            "the embedded database in %s/pg did not start: its disk has %llu MB free, and it needs "
            "%d MB: make room",
            m->o.dir, free_mb, START_MB);
    read_complaint(log_fd, log_from, why, sizeof why);
    return error_set(e, ERR_IO, "data",
                     "the embedded database in %s/pg did not start: %s (its log is %s/postgres.log)",
                     m->o.dir, why, m->o.dir);
}

static int launch(struct embedded *m, int log_fd, struct error *e)
{
    char *postgres = file_path(m->o.bindir, "postgres"), *pg = file_path(m->o.dir, "pg");
    int code = error_set(e, ERR_NOMEM, NULL, "out of memory");
    if (postgres && pg) {
        const char *argv[] = {
            postgres, "-D", pg, "-k", m->socket_dir, "-c", "listen_addresses=", "-c", "port=5432", "-c",
            "unix_socket_permissions=0700", "-c", "cluster_name=cohortd", "-c", "logging_collector=off", "-c",
            "log_destination=stderr",
            /* an error goes to who caused it, with his words in it: they are not for the log */
            "-c", "log_min_messages=log", "-c", "log_min_error_statement=panic", "-c", "jit=off", NULL};
        code = process_spawn(&m->user, argv, log_fd, &m->pid, e);
    }
    if (code != ERR_OK)
        m->pid = 0;
    free(postgres);
    free(pg);
    return code;
}

bool embedded_ended(struct embedded *m, int *status)
{
    if (m->pid == 0 || waitpid(m->pid, status, WNOHANG) != m->pid)
        return false;
    m->pid = 0;
    return true;
}

static int wait_ready(struct embedded *m, int log_fd, unsigned wait_ms, struct error *e)
{
    int64_t start = clock_monotonic_us();
    int status;
    for (;;) {
        PGPing answer = PQping(m->admin_conninfo);
        if (answer == PQPING_OK)
            return ERR_OK;
        if (embedded_ended(m, &status))
            return did_not_start(m, log_fd, m->log_from, e);
        int64_t limit_s = answer == PQPING_REJECT ? RECOVERY_SECONDS : START_SECONDS;
        if (clock_monotonic_us() - m->launched_us > limit_s * 1000000)
            return error_set(
                e, ERR_UNAVAILABLE, "data",
                "the embedded database did not answer within %lld seconds; its log is %s/postgres.log",
                (long long)limit_s, m->o.dir);
        if (m->o.stopping())
            return error_set(e, ERR_STATE, NULL, "stopped while starting");
        if (wait_ms && clock_monotonic_us() - start > (int64_t)wait_ms * 1000)
            return error_set(e, ERR_LIMIT, "data", "the embedded database is still starting");
        poll(NULL, 0, 20);
    }
}

/* Where the machine halts, a connection takes longer than it may. */
static int connect_as_admin(struct embedded *m, struct pg **p, struct pg_error *why)
{
    int code = pg_open(p, m->admin_conninfo, "cohortd start", 0, why);
    for (int i = 1; i < CONNECT_TRIES && code == ERR_UNAVAILABLE && !m->o.stopping(); i++) {
        poll(NULL, 0, 100);
        code = pg_open(p, m->admin_conninfo, "cohortd start", 0, why);
    }
    return code;
}

static int ensure_database(struct embedded *m, struct error *e)
{
    struct pg *p = NULL;
    struct pg_error why;
    PGresult *res = NULL;
    int code = connect_as_admin(m, &p, &why);
    if (code == ERR_OK)
        code = pg_exec(p, "select 1 from pg_database where datname = 'cohort'", 0, NULL, &res, &why);
    if (code == ERR_OK && PQntuples(res) == 0)
        code = pg_exec(p, "create database cohort", 0, NULL, NULL, &why);
    PQclear(res);
    pg_close(p);
    return code == ERR_OK ? code : error_set(e, code, "data", "the embedded database: %s", why.error.text);
}

static int start(struct embedded *m, int log_fd, unsigned wait_ms, struct error *e)
{
    int code = ERR_OK;
    if (!m->pid) {
        m->ready = false;
        m->log_from = lseek(log_fd, 0, SEEK_END);
        m->launched_us = clock_monotonic_us();
        code = launch(m, log_fd, e);
    }
    if (code == ERR_OK && !m->ready)
        code = wait_ready(m, log_fd, wait_ms, e);
    m->ready = m->ready || code == ERR_OK;
    return code == ERR_OK ? ensure_database(m, e) : code;
}

/* Neither answering nor gone: the next attempt begins anew. */
static void end_at_once(struct embedded *m)
{
    if (!m->pid)
        return;
    kill(m->pid, SIGQUIT);
    waitpid(m->pid, NULL, 0);
    m->pid = 0;
}

int embedded_start(struct embedded *m, unsigned wait_ms, struct error *e)
{
    int code = ERR_OK;
    if (!m->pid) {
        code = cluster_prepare(m->o.dir, m->o.bindir, &m->user, m->o.stopping, e);
        if (code == ERR_OK)
            code = cluster_wait_free(m->o.dir, m->o.stopping, e);
    }
    if (code != ERR_OK)
        return code;
    int log_fd = open_log(m->o.dir, e);
    if (log_fd < 0)
        return ERR_IO;
    code = start(m, log_fd, wait_ms, e);
    close(log_fd);
    if (code != ERR_OK && code != ERR_LIMIT)
        end_at_once(m);
    return code;
}

/* A conninfo's value may hold anything once quotes and backslashes are escaped; our socket directories hold
 * neither (cluster_socket_dir). */
static char *conninfo_for(const char *socket_dir, const char *database)
{
    char *s = NULL;
    return asprintf(&s, "host=%s port=5432 user=%s dbname=%s", socket_dir, CLUSTER_USER, database) < 0 ? NULL
                                                                                                       : s;
}

int embedded_new(struct embedded **out, const struct embedded_options *o, struct error *e)
{
    struct embedded *m = calloc(1, sizeof *m);
    if (!m)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    m->o = *o;
    int code = os_user_find(o->os_user, &m->user, e);
    if (code == ERR_OK)
        code = process_can_reach(&m->user, o->dir, e);
    if (code == ERR_OK)
        code = cluster_socket_dir(o->dir, &m->user, &m->socket_dir, e);
    if (code == ERR_OK) {
        m->conninfo = conninfo_for(m->socket_dir, "cohort");
        m->admin_conninfo = conninfo_for(m->socket_dir, "postgres");
        if (!m->conninfo || !m->admin_conninfo)
            code = error_set(e, ERR_NOMEM, NULL, "out of memory");
    }
    if (code != ERR_OK) {
        embedded_stop(m);
        return code;
    }
    *out = m;
    return ERR_OK;
}

const char *embedded_conninfo(const struct embedded *m)
{
    return m->conninfo;
}

/* True when it has ended within the seconds. */
static bool wait_end(struct embedded *m, unsigned seconds)
{
    int64_t end = clock_monotonic_us() + (int64_t)seconds * 1000000;
    while (waitpid(m->pid, NULL, WNOHANG) == 0) {
        if (clock_monotonic_us() > end)
            return false;
        poll(NULL, 0, 10);
    }
    return true;
}

static void stop_server(struct embedded *m)
{
    kill(m->pid, SIGINT);
    if (wait_end(m, STOP_SECONDS))
        return;
    log_warn("database",
             "the embedded database did not shut down within %d seconds; it is told to end at once",
             STOP_SECONDS);
    kill(m->pid, SIGQUIT);
    if (!wait_end(m, STOP_SECONDS))
        log_error("database", "the embedded database (process %ld) does not end", (long)m->pid);
}

void embedded_stop(struct embedded *m)
{
    if (!m)
        return;
    if (m->pid)
        stop_server(m);
    if (m->socket_dir)
        rmdir(m->socket_dir);
    free(m->socket_dir);
    free(m->conninfo);
    free(m->admin_conninfo);
    free(m);
}

/* The directory, or the one above it when it is still to be made, absolute; to be freed. NULL: errno. */
static char *existing_part(const char *path)
{
    char *part = path[0] == '/' ? strdup(path) : file_path(".", path);
    if (!part)
        return NULL;
    char *real = realpath(part, NULL);
    if (!real && errno == ENOENT) {
        for (char *end = part + strlen(part); end > part + 1 && end[-1] == '/'; end--)
            end[-1] = '\0';
        char *slash = strrchr(part, '/');
        slash[slash == part ? 1 : 0] = '\0';
        real = realpath(part, NULL);
    }
    int problem = errno;
    free(part);
    errno = problem;
    return real;
}

int embedded_check(const char *dir, const char *os_user, struct error *e)
{
    struct os_user u;
    struct stat st;
    int code = os_user_find(os_user, &u, e);
    if (code != ERR_OK)
        return code;
    if (stat(dir, &st) == 0 && !S_ISDIR(st.st_mode))
        return error_set(e, ERR_INVALID, "data", "the data directory %s is not a directory", dir);
    char *part = existing_part(dir);
    if (!part)
        return error_set(e, ERR_IO, "data", "the data directory %s can't be made: %s", dir, strerror(errno));
    code = process_can_reach(&u, part, e);
    if (code == ERR_OK && access(part, W_OK | X_OK) != 0)
        code =
            error_set(e, ERR_STATE, "data",
                      "the data directory %s can't be written by this user (%s); choose another with --data",
                      dir, strerror(errno));
    free(part);
    return code;
}
