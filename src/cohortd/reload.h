/* SIGHUP: the options are read again, and those that can take effect at once do. */
#ifndef COHORT_COHORTD_RELOAD_H
#define COHORT_COHORTD_RELOAD_H

#include "cohortd/server.h"

/* The options of the log, which are no server's. At the start and at each reload. */
void reload_log(const struct config *c);

/* Reads what config_read read before. Everything is taken, or nothing when something is wrong with any of it;
 * the log says which, with the options' names. On the main thread. */
void reload(struct server *s, struct config *c, struct notify *notify, int argc, const char *const *argv);

#endif
