#include "cohortd/own_database.h"

#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"

#define RESTART_MIN_US 1000000
#define RESTART_MAX_US 30000000 /* between attempts to start it again */
#define STILL_STARTING_MS 500   /* a look at one that is */

int own_database_start(struct own_database *d, const struct embedded_options *o, unsigned wait_ms,
                       struct error *e)
{
    int code = embedded_new(&d->embedded, o, e);
    if (code != ERR_OK)
        return code;
    code = embedded_start(d->embedded, wait_ms, e);
    if (code == ERR_OK || wait_ms == 0 || code == ERR_STATE || code == ERR_DAMAGED)
        return code;
    if (code != ERR_LIMIT)
        log_error("database", "%s; trying again", e->text);
    d->down = true;
    d->starting = code == ERR_LIMIT;
    d->restart_pause_us = RESTART_MIN_US;
    return ERR_OK;
}

static void describe_end(int status)
{
    if (WIFSIGNALED(status))
        log_error("database", "the embedded database was ended by signal %d; starting it again",
                  WTERMSIG(status));
    else
        log_error("database", "the embedded database ended with status %d; starting it again",
                  WEXITSTATUS(status));
}

void own_database_watch(struct own_database *d)
{
    struct error e;
    int status;
    /* One that is starting is looked after by whoever waits for it. */
    if (!d->starting && embedded_ended(d->embedded, &status)) {
        describe_end(status);
        d->down = true;
        d->restart_at_us = 0;
        d->restart_pause_us = RESTART_MIN_US;
    }
    if (!d->down || clock_monotonic_us() < d->restart_at_us)
        return;
    int code = embedded_start(d->embedded, STILL_STARTING_MS, &e);
    d->down = code != ERR_OK;
    d->starting = code == ERR_LIMIT;
    if (code == ERR_OK)
        log_info("database", "the embedded database runs again");
    if (code == ERR_OK || code == ERR_LIMIT)
        return;
    log_error("database", "%s; trying again in %lld s", e.text, (long long)d->restart_pause_us / 1000000);
    d->restart_at_us = clock_monotonic_us() + d->restart_pause_us;
    if (d->restart_pause_us < RESTART_MAX_US)
        d->restart_pause_us *= 2;
}
