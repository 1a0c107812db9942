#include "cohortd/control.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "codec/plan_json.h"
#include "cohortd/link.h"
#include "cohortd/thread.h"
#include "store/chores.h"
#include "store/definitions.h"
#include "store/leader.h"
#include "store/monitor.h"

#define POLL_MS 500           /* of the version, should a notification be lost */
#define DEFINITIONS_MS 10000  /* time-out of its statements */
#define MONITOR_MS 60000      /* of the monitor's: a roll-up after a long outage is slow */
#define PASS_EVERY_US 1000000 /* of the monitor */

struct control {
    struct control_options o;
    struct link definitions, monitor;
    bool definitions_runs, monitor_runs;
    pthread_t definitions_thread, monitor_thread;
    struct leader_watch watch;     /* the monitor's thread's */
    int64_t version, stop_version; /* of the plan being served */
};

/* Compiles a document and says aloud what it refuses. */
static int compile(const char *document, struct plan_set **out, struct error *e)
{
    int code = plan_set_from_json(document, strlen(document), out, e);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < plan_set_count(*out); i++) {
        const struct plan *p = plan_set_at(*out, i);
        for (size_t k = 0; k < plan_quarantine_count(p); k++)
            log_warn("definitions", "%s: not served: %s", plan_environment(p), plan_quarantine_at(p, k));
    }
    return ERR_OK;
}

static void count_plan(struct counters *c, const struct plan_set *plans)
{
    counter_set(c, plan_version, plan_set_version(plans));
    counter_set(c, plan_confirmed_us, clock_monotonic_us());
    counter_add(c, plan_loads, 1);
}

int control_first_plan(struct pg *p, struct counters *c, struct loaded_plan *out, struct error *e)
{
    struct pg_error why;
    char *document = NULL;
    *out = (struct loaded_plan){NULL, -1, -1};
    int code = definitions_wait(p, 0, &out->version, &out->stop_version, &document, &why);
    if (code != ERR_OK)
        return error_set(e, code, NULL, "the definitions can't be read: %s", why.error.text);
    code = document ? compile(document, &out->plans, e)
                    : error_set(e, ERR_DAMAGED, NULL, "the database's config_version is damaged");
    free(document);
    if (code == ERR_OK)
        count_plan(c, out->plans);
    return code;
}

/* The definitions' thread. */

static void serve_document(struct control *c, const char *document, int64_t stop_before)
{
    struct plan_set *plans = NULL;
    struct error e;
    if (c->stop_version < stop_before) {
        log_error(
            "definitions",
            "the database has forgotten a stop (it knows stops up to %lld, this node up to %lld): it was "
            "restored from an older state. The definitions served before stay; restart cohortd to accept "
            "the database's",
            (long long)c->stop_version, (long long)stop_before);
        c->stop_version = stop_before;
        return;
    }
    if (compile(document, &plans, &e) != ERR_OK) {
        log_error("definitions", "version %lld is not served: %s", (long long)c->version, e.text);
        return;
    }
    c->o.on_plans(c->o.arg, plans);
    count_plan(c->o.counters, plans);
    log_info("definitions", "serving version %lld, stop %lld", (long long)c->version,
             (long long)c->stop_version);
    plan_set_unref(plans);
}

static int definitions_round(struct control *c, struct pg *p, struct pg_error *e)
{
    char *document = NULL;
    int64_t stop_before = c->stop_version;
    int code = definitions_wait(p, POLL_MS, &c->version, &c->stop_version, &document, e);
    if (code != ERR_OK)
        return code;
    counter_set(c->o.counters, plan_confirmed_us, clock_monotonic_us());
    if (document)
        serve_document(c, document, stop_before);
    free(document);
    return ERR_OK;
}

static void *follow_definitions(void *arg)
{
    struct control *c = arg;
    struct pg *p;
    struct pg_error e;
    while ((p = link_connect(&c->definitions))) {
        int code = ERR_OK;
        while (code == ERR_OK && !link_stopping(&c->definitions))
            code = definitions_round(c, p, &e);
        link_disconnect(&c->definitions, code == ERR_OK ? NULL : e.error.text);
    }
    return NULL;
}

/* The monitor's thread. */

static void lead(struct control *c, int64_t *epoch, int64_t new_epoch)
{
    if (new_epoch != *epoch && new_epoch)
        log_info("monitor", "%s leads the monitor now (epoch %lld)", c->o.node, (long long)new_epoch);
    else if (new_epoch != *epoch)
        log_info("monitor", "%s no longer leads the monitor", c->o.node);
    *epoch = new_epoch;
    counter_set(c->o.counters, leader, new_epoch ? 1 : 0);
}

static int monitor_round(struct control *c, struct pg *p, int64_t *epoch, struct pg_error *e)
{
    struct monitor_result result;
    if (*epoch == 0) {
        int64_t won = 0;
        int code = leader_stand_by(p, c->o.node, &c->watch, &won, e);
        if (code != ERR_OK || won == 0)
            return code;
        lead(c, epoch, won);
    }
    int code = monitor_pass(p, *epoch, c->o.node, c->o.counters, &result, e);
    return code == ERR_OK ? chores_run(p, *epoch, e) : code;
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

/* Rounds until the connection is of no more use or we stop; the last round's code. */
static int monitor_rounds(struct control *c, struct pg *p, int64_t *epoch, struct pg_error *e)
{
    bool failing = false;
    int64_t next = clock_monotonic_us();
    while (link_wait_until(&c->monitor, next)) {
        int64_t now = clock_monotonic_us();
        next = next + PASS_EVERY_US > now ? next + PASS_EVERY_US : now + PASS_EVERY_US;
        int code = monitor_round(c, p, epoch, e);
        if (code != ERR_OK && !can_go_on(p, code))
            return code;
        tell_failure(code, &failing, e->error.text);
    }
    return ERR_OK;
}

static void *run_monitor(void *arg)
{
    struct control *c = arg;
    struct pg *p;
    struct pg_error e;
    int64_t epoch = 0;
    while ((p = link_connect(&c->monitor))) {
        int code = monitor_rounds(c, p, &epoch, &e);
        lead(c, &epoch, 0); /* the lock goes with the connection */
        link_disconnect(&c->monitor, code == ERR_OK || code == ERR_STATE ? NULL : e.error.text);
    }
    return NULL;
}

int control_start(struct control **out, const struct control_options *o, const struct loaded_plan *known,
                  struct error *e)
{
    struct control *c = calloc(1, sizeof *c);
    if (!c)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    c->o = *o;
    c->version = known->version;
    c->stop_version = known->stop_version;
    link_init(&c->definitions, o->conninfo, "definitions", DEFINITIONS_MS);
    link_init(&c->monitor, o->conninfo, "monitor", MONITOR_MS);
    int code = thread_start(&c->definitions_thread, follow_definitions, c, e);
    c->definitions_runs = code == ERR_OK;
    if (code == ERR_OK)
        code = thread_start(&c->monitor_thread, run_monitor, c, e);
    c->monitor_runs = code == ERR_OK;
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
    link_stop(&c->monitor);
    if (c->definitions_runs)
        pthread_join(c->definitions_thread, NULL);
    if (c->monitor_runs)
        pthread_join(c->monitor_thread, NULL);
    link_fini(&c->definitions);
    link_fini(&c->monitor);
    free(c);
}
