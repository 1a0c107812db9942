/* The local queue and what empties it: the spool, the books of what is stored, the shipper. */
#ifndef COHORT_COHORTD_QUEUE_H
#define COHORT_COHORTD_QUEUE_H

#include "base/counters.h"
#include "cohortd/config.h"
#include "cohortd/datadir.h"
#include "spool/spool.h"

struct queue;

/* Opens the spool in the directory; /metrics has its books from now on. The pointers must outlive it. */
int queue_open(struct queue **out, const struct config *c, const struct datadir *dir,
               struct counters *counters, struct error *e);

struct spool *queue_spool(struct queue *q);

/* Starts the shipper: once the database has the schema it writes to. Nothing when it runs already. */
int queue_ship(struct queue *q, const char *conninfo, struct error *e);
bool queue_ships(const struct queue *q);

/* About once a second: gauges, and a line in the log when the level changes. */
void queue_tick(struct queue *q);

/* Ships for at most drain_ms; what is not shipped stays in the file. Nobody may push any more. NULL: none. */
void queue_close(struct queue *q, unsigned drain_ms);

#endif
