/* Guardrails' stops as servers remember them: read from a database, and told to one that has forgotten them.
 */
#ifndef COHORT_STORE_STOPS_H
#define COHORT_STORE_STOPS_H

#include <stdint.h>

#include "store/pg.h"

#define STOP_SALT_BYTES 16

/* The iteration that was stopped is known by its salt: ids may be given anew by a restored database. */
struct stop_row {
    const char *environment, *experiment;
    uint8_t salt[STOP_SALT_BYTES];
    int64_t at_us;        /* since 1970 */
    const char *sentence; /* why, for people */
};

/* Every stop the database knows, past iterations too, in their order; the texts live for the call. */
int stops_read(struct pg *p, void (*each)(void *arg, const struct stop_row *stop), void *arg,
               struct pg_error *e);

/* Tells the database these stops; each(arg, environment, experiment) for those it had forgotten. One that it
 * knows, or whose iteration is not its current one, is left alone. */
int stops_reassert(struct pg *p, const struct stop_row *stops, size_t n, const char *node,
                   void (*each)(void *arg, const char *environment, const char *experiment), void *arg,
                   struct pg_error *e);

#endif
