/* Programs of the embedded database, run as an unprivileged user when we are root. */
#ifndef COHORT_COHORTD_PROCESS_H
#define COHORT_COHORTD_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/error.h"

struct os_user {
    char name[64];
    uid_t uid;
    gid_t gid;
    bool drop; /* we are root and become this user; else it is who we are */
};

/* The named user when we are root, else ourselves. */
int os_user_find(const char *name, struct os_user *out, struct error *e);

/* Starts a program as the user, in a session of its own (a Ctrl-C is ours alone), with standard input from
 * /dev/null, both outputs to out_fd, no other descriptor, no PG… variable; when the calling thread ends it
 * gets SIGINT. argv[0] is the program's path. */
int process_spawn(const struct os_user *u, const char *const *argv, int out_fd, pid_t *pid, struct error *e);

/* Runs a program to its end, at most timeout_s seconds, and no longer than until stopping() (may be NULL) is
 * true (ERR_STATE). output gets the last bytes it wrote, NUL-terminated. *status is waitpid's. */
int process_run(const struct os_user *u, const char *const *argv, unsigned timeout_s, bool (*stopping)(void),
                char *output, size_t cap, int *status, struct error *e);

/* Whether the user may pass through path and every directory above it. path: absolute. ERR_STATE names the
 * first it may not enter. */
int process_can_reach(const struct os_user *u, const char *path, struct error *e);

#endif
