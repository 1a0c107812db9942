#include "cohortd/cluster.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cohortd/files.h"

#define NEEDED_MB 64             /* a fresh cluster takes 39 MB */
#define INITDB_SECONDS 300       /* one second is usual */
#define OLD_READY_SECONDS 5      /* for an earlier server to notice that its cohortd is gone */
#define OLD_STOPPING_SECONDS 120 /* for its last checkpoint */
#define SOCKET_DIR_MAX (107 - sizeof "/.s.PGSQL.5432.lock") /* sun_path less its NUL */

/* Major version of the binaries, from "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)". */
static int binaries_version(const char *bindir, const struct os_user *u, int *major, struct error *e)
{
    char output[256] = "";
    int status = 0;
    char *path = file_path(bindir, "postgres");
    if (!path)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    const char *argv[] = {path, "--version", NULL};
    int code = access(path, X_OK) == 0
                   ? process_run(u, argv, 30, NULL, output, sizeof output, &status, e)
                   : error_set(e, ERR_STATE, "pg_bindir",
                               "there is no %s: install the package postgresql-15, name the "
                               "directory of its programs with --pg-bindir, or use a "
                               "PostgreSQL of your own with --database",
                               path);
    free(path);
    if (code != ERR_OK)
        return code;
    const char *number = strstr(output, ") ");
    *major = number ? atoi(number + 2) : 0;
    if (*major < 15)
        return error_set(e, ERR_STATE, "pg_bindir",
                         "the PostgreSQL in %s is version %d; cohortd needs 15 or newer: install the package "
                         "postgresql-15, or name its directory with --pg-bindir",
                         bindir, *major);
    return ERR_OK;
}

static int check_version(const char *pg, const char *bindir, int major, struct error *e)
{
    char *text = NULL;
    char *path = file_path(pg, "PG_VERSION");
    int code = path ? file_read(path, 64, &text, e) : error_set(e, ERR_NOMEM, NULL, "out of memory");
    free(path);
    if (code == ERR_NOT_FOUND)
        return error_set(
            e, ERR_STATE, "data",
            "%s is there but is no PostgreSQL data directory (it has no file PG_VERSION): move it "
            "away, or choose another --data",
            pg);
    if (code != ERR_OK)
        return code;
    text[strcspn(text, "\n")] = '\0';
    int found = atoi(text);
    if (found <= 0)
        code = error_set(
            e, ERR_DAMAGED, "data",
            "%s/PG_VERSION is damaged, it holds no version: restore the directory from a backup, or "
            "choose another --data",
            pg);
    else if (found != major)
        code =
            error_set(e, ERR_STATE, "data",
                      "%s was made by PostgreSQL %.16s, and the programs in %s are version %d: name those of "
                      "version %.16s with --pg-bindir, or bring the directory to version %d with pg_upgrade",
                      pg, text, bindir, major, text, major);
    free(text);
    return code;
}

static int check_owner(const char *pg, const struct stat *st, const struct os_user *u, struct error *e)
{
    if (st->st_uid == u->uid)
        return ERR_OK;
    return error_set(e, ERR_STATE, "data",
                     "%s belongs to the user with number %ld, and the database would run as %s (number %ld): "
                     "start cohortd as its owner, or choose another --data",
                     pg, (long)st->st_uid, u->name, (long)u->uid);
}

unsigned long long cluster_free_mb(const char *dir)
{
    struct statvfs v;
    return statvfs(dir, &v) == 0 ? (unsigned long long)v.f_bavail * v.f_frsize >> 20 : ULLONG_MAX;
}

static int check_space(const char *dir, struct error *e)
{
    unsigned long long free_mb = cluster_free_mb(dir);
    if (free_mb >= NEEDED_MB)
        return ERR_OK;
    return error_set(e, ERR_STATE, "data",
                     "the disk of %s has %llu MB free and a new database needs %d MB: make room, or choose "
                     "another --data",
                     dir, free_mb, NEEDED_MB);
}

/* The last line a program wrote that says what went wrong, else its last line. */
static const char *last_words(char *output)
{
    const char *best = NULL, *last = "it said nothing";
    for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n")) {
        if (strstr(line, "FATAL:") || strstr(line, "error:") || strstr(line, "PANIC:"))
            best = line;
        last = line;
    }
    return best ? best : last;
}

/* What an initdb that was cut short left. Its owner empties it: we are root and the tree is not ours. */
static int remove_remains(const char *path, const struct os_user *u, struct error *e)
{
    char output[256];
    int status;
    const char *argv[] = {"/bin/rm", "-rf", "--", path, NULL};
    if (access(path, F_OK) != 0)
        return ERR_OK;
    int code = process_run(u, argv, INITDB_SECONDS, NULL, output, sizeof output, &status, e);
    if (code == ERR_OK && rmdir(path) != 0 && errno != ENOENT)
        code = error_set(e, ERR_IO, "data", "%s, left by an interrupted start, can't be removed: %s", path,
                         strerror(errno));
    return code;
}

static int run_initdb(const char *path, const char *bindir, const struct os_user *u, bool (*stopping)(void),
                      struct error *e)
{
    char output[4096] = "";
    int status = 0;
    char *initdb = file_path(bindir, "initdb");
    if (!initdb)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    const char *argv[] = {initdb,
                          "-D",
                          path,
                          "-U",
                          CLUSTER_USER,
                          "--locale=C.UTF-8",
                          "--encoding=UTF8",
                          "--auth-local=trust",
                          "--auth-host=reject",
                          "--no-instructions",
                          NULL};
    int code = process_run(u, argv, INITDB_SECONDS, stopping, output, sizeof output, &status, e);
    free(initdb);
    if (code == ERR_OK && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        code = error_set(e, ERR_IO, "data", "the embedded database could not be made in %s: %s", path,
                         last_words(output));
    return code;
}

static int make_cluster(const char *dir, const char *pg, const char *bindir, const struct os_user *u,
                        bool (*stopping)(void), struct error *e)
{
    struct error ignored;
    char *fresh = file_path(dir, "pg.new");
    if (!fresh)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    int code = check_space(dir, e);
    if (code == ERR_OK)
        code = remove_remains(fresh, u, e);
    if (code == ERR_OK && (mkdir(fresh, 0700) != 0 || (u->drop && chown(fresh, u->uid, u->gid) != 0)))
        code = error_set(e, ERR_IO, "data", "%s can't be made: %s", fresh, strerror(errno));
    if (code == ERR_OK) {
        log_info("database", "making the embedded database in %s", pg);
        code = run_initdb(fresh, bindir, u, stopping, e);
        if (code == ERR_OK && rename(fresh, pg) != 0)
            code = error_set(e, ERR_IO, "data", "%s can't be made: %s", pg, strerror(errno));
        if (code != ERR_OK)
            remove_remains(fresh, u, &ignored);
    }
    free(fresh);
    return code;
}

int cluster_prepare(const char *dir, const char *bindir, const struct os_user *u, bool (*stopping)(void),
                    struct error *e)
{
    struct stat st;
    int major = 0, code = process_can_reach(u, dir, e);
    if (code == ERR_OK)
        code = binaries_version(bindir, u, &major, e);
    if (code != ERR_OK)
        return code;
    char *pg = file_path(dir, "pg");
    if (!pg)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    if (stat(pg, &st) != 0) {
        code = make_cluster(dir, pg, bindir, u, stopping, e);
    } else {
        code = check_owner(pg, &st, u, e);
        if (code == ERR_OK)
            code = check_version(pg, bindir, major, e);
    }
    free(pg);
    return code;
}

/* The process named in postmaster.pid, if it lives and its working directory is pg: 0 otherwise. */
static pid_t running_server(const char *pg, const char *pid_path, bool *is_stopping)
{
    char *text = NULL, link[64], cwd[4096];
    struct error ignored;
    pid_t pid = 0;
    if (file_read(pid_path, 4096, &text, &ignored) == ERR_OK) {
        pid = (pid_t)atol(text);
        *is_stopping = strstr(text, "\nstopping") != NULL;
    }
    free(text);
    if (pid <= 1)
        return 0;
    snprintf(link, sizeof link, "/proc/%ld/cwd", (long)pid);
    ssize_t n = readlink(link, cwd, sizeof cwd - 1);
    if (n < 0)
        return 0;
    cwd[n] = '\0';
    return strcmp(cwd, pg) == 0 ? pid : 0;
}

static int wait_free(const char *pg, const char *pid_path, bool (*stopping)(void), struct error *e)
{
    int64_t start = clock_monotonic_us();
    bool told = false, is_stopping = false;
    pid_t pid;
    while ((pid = running_server(pg, pid_path, &is_stopping)) != 0) {
        int64_t limit_s = is_stopping ? OLD_STOPPING_SECONDS : OLD_READY_SECONDS;
        if (!told)
            log_info("database", "waiting for the earlier database server (process %ld) to end", (long)pid);
        told = true;
        if (stopping())
            return error_set(e, ERR_STATE, NULL, "stopped while starting");
        if (clock_monotonic_us() - start > limit_s * 1000000)
            return error_set(e, ERR_STATE, "data",
                             "a PostgreSQL server (process %ld) already runs on %s: stop it first", (long)pid,
                             pg);
        poll(NULL, 0, 20);
    }
    /* Ours is the directory's lock, so the file is stale; its number may by now be another program's. */
    if (unlink(pid_path) == 0)
        log_info("database", "the database was not shut down cleanly; it recovers now");
    return ERR_OK;
}

int cluster_wait_free(const char *dir, bool (*stopping)(void), struct error *e)
{
    char *pg = file_path(dir, "pg"), *pid_path = pg ? file_path(pg, "postmaster.pid") : NULL;
    int code =
        pid_path ? wait_free(pg, pid_path, stopping, e) : error_set(e, ERR_NOMEM, NULL, "out of memory");
    free(pid_path);
    free(pg);
    return code;
}

static bool usable_for_socket(const char *path)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-";
    size_t len = strlen(path);
    return len <= SOCKET_DIR_MAX && strspn(path, plain) == len;
}

static char *hashed_name(const char *dir)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    char hex[17], *path = NULL;
    crypto_hash_sha256(hash, (const unsigned char *)dir, strlen(dir));
    sodium_bin2hex(hex, sizeof hex, hash, 8);
    return asprintf(&path, "%s/cohortd-%s", access("/run", W_OK) == 0 ? "/run" : "/tmp", hex) < 0 ? NULL
                                                                                                  : path;
}

/* Made by us, or found: then nobody else may own it or look into it. */
static int private_directory(const char *path, const struct os_user *u, struct error *e)
{
    struct stat st;
    if (mkdir(path, 0700) == 0 && u->drop && chown(path, u->uid, u->gid) != 0)
        return error_set(e, ERR_IO, "data", "%s can't be given to user %s: %s", path, u->name,
                         strerror(errno));
    if (lstat(path, &st) != 0)
        return error_set(e, ERR_IO, "data", "the socket's directory %s can't be made: %s", path,
                         strerror(errno));
    if (S_ISDIR(st.st_mode) && st.st_uid == u->uid && (st.st_mode & 077) == 0)
        return ERR_OK;
    return error_set(
        e, ERR_STATE, "data",
        "%s should hold the database's socket but is not a private directory of user %s: remove it", path,
        u->name);
}

int cluster_socket_dir(const char *dir, const struct os_user *u, char **out, struct error *e)
{
    char *path = file_path(dir, "run");
    if (path && !usable_for_socket(path)) {
        free(path);
        path = hashed_name(dir);
    }
    if (!path)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    int code = private_directory(path, u, e);
    if (code != ERR_OK) {
        free(path);
        return code;
    }
    *out = path;
    return ERR_OK;
}
