#include "cohortd/queue_watch.h"

#include <inttypes.h>

#include "base/log.h"

static void tell_level(enum spool_level level)
{
    switch (level) {
    case SPOOL_OK:
        log_info("spool", "events are taken from everybody again");
        break;
    case SPOOL_HIGH:
        log_warn("spool", "more than 80 %% full: events of low-priority keys are refused (429)");
        break;
    case SPOOL_FULL:
        log_error("spool", "full: events are refused (503) until the database has taken some");
        break;
    case SPOOL_FAILING:
        log_error("spool", "can't be written: events are refused (503) until it can");
        break;
    }
}

void queue_watch_tick(struct queue_watch *w, const struct spool *s, const struct counters *c)
{
    enum spool_level level = spool_level(s);
    int64_t lost = counter_get(c, records_lost);
    if (level != w->level)
        tell_level(level);
    if (lost != w->lost)
        log_error("spool", "%" PRId64 " records of decisions and exposures were not kept", lost - w->lost);
    w->level = level;
    w->lost = lost;
}
