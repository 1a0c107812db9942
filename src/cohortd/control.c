#include "cohortd/control.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cohortd/learner.h"
#include "cohortd/link.h"
#include "cohortd/thread.h"
#include "cohortd/webhooks.h"
#include "store/bandit.h"
#include "store/chores.h"
#include "store/definitions.h"
#include "store/leader.h"
#include "store/migrate.h"
#include "store/monitor.h"
#include "store/results.h"

#define POLL_MS 500           /* of the version, should a notification be lost */
#define DEFINITIONS_MS 10000  /* time-out of its statements */
#define MONITOR_MS 60000      /* of the monitor's: a roll-up after a long outage is slow */
#define PASS_EVERY_US 1000000 /* of the monitor */
#define YIELD_AFTER 3         /* passes that fail in a database that a newer cohortd has migrated */
#define YIELD_US 15000000     /* to another node */
#define TELL_EVERY_US 1000000 /* stops to a database that forgot them, should it refuse */

static const char away[] = "This server can't reach the database.";
static const char unprepared[] = "This server has not prepared the database yet; its log says why.";

struct control {
    struct control_options o;
    struct link definitions, preparing, monitor;
    bool definitions_runs, monitor_runs;
    pthread_t definitions_thread, monitor_thread;
    struct leader_watch watch;    /* the monitor's thread's */
    atomic_int_least64_t leading; /* the epoch this node leads with, 0: it does not */
    struct webhooks *webhooks;
    struct learner_thread *learner;
    pthread_mutex_t lock;
    bool prepared;              /* under lock */
    struct first_contact first; /* under lock */
    int64_t yield_until_us;     /* the monitor's thread's: until then others may lead */
    /* The definitions' thread. */
    struct plan_versions versions;
    char told[sizeof((struct error *)0)->text]; /* the last complaint that was logged */
    int64_t tell_at_us;
};

bool control_prepared(struct control *c)
{
    pthread_mutex_lock(&c->lock);
    bool prepared = c->prepared;
    pthread_mutex_unlock(&c->lock);
    return prepared;
}

void control_first_contact(struct control *c, struct first_contact *out)
{
    pthread_mutex_lock(&c->lock);
    *out = c->first;
    pthread_mutex_unlock(&c->lock);
}

/* The definitions' thread. */

/* Once, though it is tried again every second. */
static void tell_once(struct control *c, const char *what)
{
    if (strcmp(c->told, what) != 0)
        log_error("definitions", "%s; trying again", what);
    memcpy(c->told, what, strlen(what) + 1);
}

static int prepare(struct control *c, struct pg *p, struct pg_error *e)
{
    if (control_prepared(c)) {
        database_return(&c->o.database, p, &c->preparing);
        return ERR_OK;
    }
    memset(e, 0, sizeof *e);
    int code = database_prepare(&c->o.database, &c->preparing, &e->error);
    if (code != ERR_OK)
        return code;
    pthread_mutex_lock(&c->lock);
    c->prepared = true;
    pthread_mutex_unlock(&c->lock);
    return ERR_OK;
}

static void learn(void *arg, const struct stop_row *stop)
{
    keeper_stop(arg, stop);
}

static void log_told(void *arg, const char *environment, const char *experiment)
{
    (void)arg;
    log_warn("definitions",
             "%s: the database had forgotten that a guardrail stopped experiment %s; it has been told again",
             environment, experiment);
}

/* An old standby, say, takes no writes: then later. The plans have the stop already. */
static void tell_forgotten(struct control *c, struct pg *p)
{
    struct pg_error e;
    size_t n;
    int64_t now = clock_monotonic_us();
    const struct stop_row *stops = keeper_forgotten(c->o.keeper, &n);
    if (n == 0 || now < c->tell_at_us)
        return;
    c->tell_at_us = now + TELL_EVERY_US;
    if (stops_reassert(p, stops, n, c->o.database.node, log_told, NULL, &e) == ERR_OK)
        keeper_told(c->o.keeper);
    else
        tell_once(c, e.error.text);
}

static void set_first(struct control *c, bool answered, const struct error *e)
{
    pthread_mutex_lock(&c->lock);
    c->first = (struct first_contact){.failed = true, .answered = answered, .error = *e};
    pthread_mutex_unlock(&c->lock);
}

/* A document that can't be read is no reason to leave: whoever mends it does so through this server. */
static void take(struct control *c, const char *document)
{
    struct error e, why;
    if (keeper_take(c->o.keeper, &c->versions, document, &e) == ERR_OK)
        return;
    error_set(&why, e.code, NULL, "version %lld of the definitions can't be served: %s",
              (long long)c->versions.version, e.text);
    log_error("definitions", "%s", why.text);
    set_first(c, true, &why);
}

static int definitions_round(struct control *c, struct pg *p, struct pg_error *e)
{
    char *document = NULL;
    int code = definitions_wait(p, POLL_MS, &c->versions, &document, e);
    if (code != ERR_OK)
        return code;
    if (keeper_confirm(c->o.keeper, &c->versions)) {
        if (document)
            code = stops_read(p, learn, c->o.keeper, e);
        if (document && code == ERR_OK)
            take(c, document);
        if (code == ERR_OK)
            tell_forgotten(c, p);
    }
    free(document);
    return code;
}

/* Everything is read anew on a new connection: after a fail-over the same version may mean another content.
 */
static int follow_connection(struct control *c, struct pg *p, struct pg_error *e)
{
    int code = prepare(c, p, e);
    if (code != ERR_OK)
        return code;
    c->o.on_database(c->o.arg, true, NULL);
    c->versions.version = c->versions.stop_version = -1;
    while (code == ERR_OK && !link_stopping(&c->definitions)) {
        code = definitions_round(c, p, e);
        if (code == ERR_OK)
            c->told[0] = '\0';
    }
    return code;
}

static void note_failure(struct control *c, bool answered, const struct error *e)
{
    set_first(c, answered, e);
    c->o.on_database(c->o.arg, false, control_prepared(c) || !answered ? away : unprepared);
}

static void *follow_definitions(void *arg)
{
    struct control *c = arg;
    struct pg_error e;
    pthread_setname_np(pthread_self(), "definitions");
    while (link_pause(&c->definitions)) {
        struct pg *p = NULL;
        int code = link_open(&c->definitions, &p, &e);
        bool answered = code == ERR_OK;
        if (answered) {
            code = follow_connection(c, p, &e);
            bool lost = code == ERR_UNAVAILABLE;
            link_disconnect(&c->definitions, lost ? e.error.text : NULL);
            if (code != ERR_OK && !lost)
                tell_once(c, e.error.text);
        }
        if (code != ERR_OK)
            note_failure(c, answered, &e.error);
    }
    return NULL;
}

/* The monitor's thread. */

static void lead(struct control *c, int64_t *epoch, int64_t new_epoch)
{
    if (new_epoch != *epoch && new_epoch)
        log_info("monitor", "%s leads the monitor now (epoch %lld)", c->o.database.node,
                 (long long)new_epoch);
    else if (new_epoch != *epoch)
        log_info("monitor", "%s no longer leads the monitor", c->o.database.node);
    *epoch = new_epoch;
    atomic_store(&c->leading, new_epoch);
    counter_set(c->o.counters, leader, new_epoch ? 1 : 0);
}

static void on_stop(void *arg, const struct stop_row *stop)
{
    keeper_stop(arg, stop);
}

/* What fails of one holds up nothing of the other. */
static int chores(const struct control *c, struct pg *p, int64_t epoch, struct pg_error *e)
{
    struct pg_error why;
    int code = chores_run(p, epoch, c->o.retention_days, e);
    if (code == ERR_STATE || !pg_alive(p))
        return code;
    int learnt = bandits_run(p, epoch, &why);
    if (learnt != ERR_OK && code != ERR_OK && learnt != ERR_STATE)
        return code;
    if (learnt != ERR_OK)
        *e = why;
    return learnt != ERR_OK ? learnt : code;
}

static int monitor_round(struct control *c, struct pg *p, int64_t *epoch, struct pg_error *e)
{
    struct monitor_result result;
    struct monitor_hook hook = {on_stop, c->o.keeper};
    if (*epoch == 0) {
        int64_t won = 0;
        int code = leader_stand_by(p, c->o.database.node, &c->watch, &won, e);
        if (code != ERR_OK || won == 0)
            return code;
        lead(c, epoch, won);
    }
    int code = monitor_pass(p, *epoch, c->o.database.node, &hook, c->o.counters, &result, e);
    if (code != ERR_OK)
        return code;
    /* Results that can't be written hold up nothing else. */
    struct pg_error why;
    int shown = results_pass(p, *epoch, &why);
    if (shown != ERR_STATE && pg_alive(p))
        code = chores(c, p, *epoch, e);
    if (shown != ERR_OK && code == ERR_OK) {
        *e = why;
        code = shown;
    }
    return code;
}

/* An error of one pass that the next may not have (a lock, a time-out) costs no leadership. */
static bool can_go_on(struct pg *p, int code)
{
    return code != ERR_STATE && pg_alive(p) && PQtransactionStatus(pg_conn(p)) == PQTRANS_IDLE;
}

/* A line when the passes begin to fail, one when they work again. */
static void tell_failure(int code, bool *failing, const char *why)
{
    if (code != ERR_OK && !*failing)
        log_warn("monitor", "a pass failed and is tried again every second: %s", why);
    else if (code == ERR_OK && *failing)
        log_info("monitor", "passes work again");
    *failing = code != ERR_OK;
}

/* A newer cohortd has migrated the database, and our passes fail there: a node of its version had better
 * lead. */
static bool must_yield(struct control *c, struct pg *p, unsigned failures)
{
    struct pg_error ignored;
    bool replaced = false;
    if (failures < YIELD_AFTER || migrate_replaced(p, &replaced, &ignored) != ERR_OK || !replaced)
        return false;
    log_warn("monitor",
             "a newer cohortd has migrated the database, and passes of this one fail there: another "
             "node may lead; restart this one with the newer version");
    c->yield_until_us = clock_monotonic_us() + YIELD_US;
    return true;
}

/* Rounds until the connection is of no more use or we stop; the last round's code. */
static int monitor_rounds(struct control *c, struct pg *p, int64_t *epoch, struct pg_error *e)
{
    bool failing = false;
    unsigned failures = 0;
    int64_t next = clock_monotonic_us();
    while (link_wait_until(&c->monitor, next)) {
        int64_t now = clock_monotonic_us();
        next = next + PASS_EVERY_US > now ? next + PASS_EVERY_US : now + PASS_EVERY_US;
        int code = monitor_round(c, p, epoch, e);
        if (code != ERR_OK && !can_go_on(p, code))
            return code;
        tell_failure(code, &failing, e->error.text);
        failures = code == ERR_OK ? 0 : failures + 1;
        if (*epoch && must_yield(c, p, failures))
            return ERR_STATE;
    }
    return ERR_OK;
}

/* Its statements are for the schema this binary brings. */
static bool wait_prepared(struct control *c)
{
    while (!control_prepared(c)) {
        if (!link_wait_until(&c->monitor, clock_monotonic_us() + 50000))
            return false;
    }
    return true;
}

static void *run_monitor(void *arg)
{
    struct control *c = arg;
    struct pg *p;
    struct pg_error e;
    int64_t epoch = 0;
    pthread_setname_np(pthread_self(), "monitor");
    while (wait_prepared(c) && (p = link_connect(&c->monitor))) {
        int code = monitor_rounds(c, p, &epoch, &e);
        lead(c, &epoch, 0); /* the lock goes with the connection */
        link_disconnect(&c->monitor, code == ERR_OK || code == ERR_STATE ? NULL : e.error.text);
        link_wait_until(&c->monitor, c->yield_until_us);
    }
    return NULL;
}

static int64_t leading_epoch(void *arg)
{
    struct control *c = arg;
    return atomic_load(&c->leading);
}

int control_start(struct control **out, const struct control_options *o, struct error *e)
{
    struct control *c = calloc(1, sizeof *c);
    if (!c)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    c->o = *o;
    pthread_mutex_init(&c->lock, NULL);
    link_init(&c->definitions, o->database.conninfo, "definitions", DEFINITIONS_MS);
    link_init(&c->preparing, o->database.conninfo, "start", 0);
    link_init(&c->monitor, o->database.conninfo, "monitor", MONITOR_MS);
    int code = thread_start(&c->definitions_thread, follow_definitions, c, e);
    c->definitions_runs = code == ERR_OK;
    if (code == ERR_OK)
        code = thread_start(&c->monitor_thread, run_monitor, c, e);
    c->monitor_runs = code == ERR_OK;
    if (code == ERR_OK)
        code = webhooks_start(&c->webhooks, o->database.conninfo, leading_epoch, c, e);
    if (code == ERR_OK)
        code = learner_start(&c->learner, o->database.conninfo, leading_epoch, c, e);
    if (code != ERR_OK) {
        control_stop(c);
        return code;
    }
    *out = c;
    return ERR_OK;
}

void control_stop(struct control *c)
{
    if (!c)
        return;
    link_stop(&c->definitions);
    link_stop(&c->preparing);
    link_stop(&c->monitor);
    if (c->definitions_runs)
        pthread_join(c->definitions_thread, NULL);
    if (c->monitor_runs)
        pthread_join(c->monitor_thread, NULL);
    webhooks_stop(c->webhooks);
    learner_stop(c->learner);
    link_fini(&c->definitions);
    link_fini(&c->preparing);
    link_fini(&c->monitor);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
