/* Listening sockets that a service manager opened for us (systemd's socket activation). */
#ifndef COHORT_COHORTD_ACTIVATION_H
#define COHORT_COHORTD_ACTIVATION_H

#include <stddef.h>

#include "core/error.h"

#define ACTIVATION_MAX 16
#define ACTIVATION_TEXT 300

struct activation {
    size_t n;
    struct {
        int fd;
        char text[ACTIVATION_TEXT]; /* "127.0.0.1:8440", "unix:/run/cohortd/http.sock" */
    } sockets[ACTIVATION_MAX];
};

/* Reads LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES and takes them out of the environment. Without them, or
 * when they are another process's, there is none. ERR_INVALID: a descriptor that is no listening stream
 * socket. Before other threads start. */
int activation_read(struct activation *a, struct error *e);

#endif
