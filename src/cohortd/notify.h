/* What a service manager is told, by systemd's protocol (sd_notify); without one, nothing happens. */
#ifndef COHORT_COHORTD_NOTIFY_H
#define COHORT_COHORTD_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify;

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and takes them out of the environment: the embedded
 * database knows them too, and would speak for us. Before other threads start. NULL when out of memory. */
struct notify *notify_new(void);
void notify_free(struct notify *n);

/* It serves, and this is what it does, in words. */
void notify_ready(struct notify *n, const char *status);
void notify_status(struct notify *n, const char *status);
/* The options are read again; notify_ready ends it. */
void notify_reloading(struct notify *n);
void notify_stopping(struct notify *n, const char *status);
/* It takes this much longer to start than was agreed. */
void notify_extend(struct notify *n, int64_t us);

/* How long the manager waits for a sign of life before it ends us, in µs; 0: it does not. */
int64_t notify_watchdog_us(const struct notify *n);
void notify_alive(struct notify *n);

#endif
