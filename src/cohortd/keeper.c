#include "cohortd/keeper.h"

#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "codec/plan_json.h"
#include "cohortd/files.h"
#include "core/plan_stops.h"
#include "spool/snapshot.h"

#define REFRESH_US 60000000 /* a snapshot's age and heartbeat are at most so much older than ours */
#define RETRY_US 5000000    /* after a snapshot that could not be written */

struct keeper {
    struct keeper_options o;
    struct snapshots *snapshots;
    pthread_mutex_t lock; /* of all below; held while plans are handed out, so that they keep their order */
    bool serving, from_database;
    char *document; /* what is served, or the snapshot that may be */
    size_t len;
    struct snapshot_info info;     /* of the document */
    struct plan_versions versions; /* the database's last ones */
    bool saved, failing;           /* the document is on the disk; the last attempt failed */
    int64_t next_save_us;
    atomic_bool learned; /* a stop that the plans served were not compiled with */
    bool foreign;        /* the last answer came from another database: said once */
    pthread_mutex_t unwritten_lock;
    struct snapshot_stop *unwritten; /* stops the disk did not take; as good as the others meanwhile */
    size_t n_unwritten;
    struct snapshot_stop *forgotten;
    struct stop_row *forgotten_rows;
    size_t n_forgotten, room;
};

static void forget_document(struct keeper *k)
{
    if (k->document)
        sodium_memzero(k->document, k->len); /* it holds the environments' keys */
    free(k->document);
    k->document = NULL;
    k->len = 0;
}

int keeper_open(struct keeper **out, const struct keeper_options *o, struct error *e)
{
    struct error none;
    struct keeper *k = calloc(1, sizeof *k);
    char *dir = file_path(o->dir, "snapshots");
    if (!k || !dir) {
        free(k);
        free(dir);
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    }
    k->o = *o;
    pthread_mutex_init(&k->lock, NULL);
    pthread_mutex_init(&k->unwritten_lock, NULL);
    int code = snapshots_open(&k->snapshots, dir, e);
    free(dir);
    if (code != ERR_OK) {
        keeper_close(k);
        return code;
    }
    if (snapshots_load(k->snapshots, &k->info, &k->document, &k->len, &none) != ERR_OK)
        k->document = NULL;
    k->saved = k->document != NULL;
    *out = k;
    return ERR_OK;
}

void keeper_close(struct keeper *k)
{
    if (!k)
        return;
    forget_document(k);
    if (k->snapshots)
        snapshots_close(k->snapshots);
    pthread_mutex_destroy(&k->lock);
    pthread_mutex_destroy(&k->unwritten_lock);
    free(k->unwritten);
    free(k->forgotten);
    free(k->forgotten_rows);
    free(k);
}

bool keeper_has_snapshot(struct keeper *k)
{
    pthread_mutex_lock(&k->lock);
    bool has = k->document && !k->serving;
    pthread_mutex_unlock(&k->lock);
    return has;
}

/* Compiling. */

/* Compiles a document and says aloud what it refuses. */
static int compile(const char *document, size_t len, struct plan_set **out, struct error *e)
{
    int code = plan_set_from_json(document, len, out, e);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < plan_set_count(*out); i++) {
        const struct plan *p = plan_set_at(*out, i);
        for (size_t n = 0; n < plan_quarantine_count(p); n++)
            log_warn("definitions", "%s: not served: %s", plan_environment(p), plan_quarantine_at(p, n));
    }
    return ERR_OK;
}

struct overlay {
    struct keeper *k;
    struct plan_set *plans;
};

static int lay_over(void *arg, const struct snapshot_stop *stop)
{
    struct overlay *o = arg;
    struct keeper *k = o->k;
    if (!plan_set_stop(o->plans, stop->environment, stop->salt))
        return ERR_OK;
    log_warn("definitions", "%s: experiment %s was stopped by the monitor and stays so: %s",
             stop->environment, stop->experiment, stop->sentence);
    if (k->n_forgotten == k->room) {
        size_t room = k->room ? 2 * k->room : 8;
        struct snapshot_stop *more = realloc(k->forgotten, room * sizeof *more);
        if (!more)
            return ERR_OK; /* it is stopped here; the database hears of it with the next document */
        k->forgotten = more;
        k->room = room;
    }
    k->forgotten[k->n_forgotten++] = *stop;
    return ERR_OK;
}

/* The plans as they may be served: with every stop this node knows. */
static int compile_stopped(struct keeper *k, const char *document, size_t len, struct plan_set **out,
                           struct error *e)
{
    int code = compile(document, len, out, e);
    if (code != ERR_OK)
        return code;
    k->n_forgotten = 0;
    struct overlay over = {k, *out};
    snapshots_each_stop(k->snapshots, lay_over, &over);
    pthread_mutex_lock(&k->unwritten_lock);
    for (size_t i = 0; i < k->n_unwritten; i++)
        lay_over(&over, &k->unwritten[i]);
    pthread_mutex_unlock(&k->unwritten_lock);
    return ERR_OK;
}

static void serve(struct keeper *k, const struct plan_set *plans)
{
    k->serving = true;
    k->o.on_plans(k->o.arg, plans);
    counter_set(k->o.counters, plan_version, plan_set_version(plans));
    counter_add(k->o.counters, plan_loads, 1);
}

/* The snapshot. */

/* A moment of the wall clock on the monotonic one; what lies in the future is now: a clock was set back. */
static int64_t monotonic_of(int64_t wall_us)
{
    int64_t age = clock_wall_us() - wall_us;
    int64_t at = clock_monotonic_us() - (age > 0 ? age : 0);
    return at ? at : -1; /* 0 means that nothing is known */
}

int keeper_serve_snapshot(struct keeper *k, struct error *e)
{
    struct plan_set *plans = NULL;
    int code = ERR_OK;
    pthread_mutex_lock(&k->lock);
    if (!k->serving && !k->document)
        code = error_set(e, ERR_NOT_FOUND, NULL, "there is no snapshot");
    if (!k->serving && code == ERR_OK)
        code = compile_stopped(k, k->document, k->len, &plans, e);
    if (plans) {
        /* Without a heartbeat nobody has watched since the snapshot at the latest. */
        int64_t heard = k->info.heartbeat_us ? k->info.heartbeat_us : k->info.saved_us;
        counter_set(k->o.counters, plan_confirmed_us, monotonic_of(k->info.saved_us));
        counter_set(k->o.counters, monitor_heard_us, monotonic_of(heard));
        k->versions.version = k->info.version;
        k->versions.stop_version = k->info.stop_version;
        memcpy(k->versions.incarnation, k->info.incarnation, INCARNATION_BYTES);
        int64_t age = clock_wall_us() - k->info.saved_us;
        log_warn("definitions",
                 "serving version %" PRId64 " from this node's snapshot, %" PRId64
                 " s old, until the database answers",
                 k->info.version, age > 0 ? age / 1000000 : 0);
        serve(k, plans);
    }
    pthread_mutex_unlock(&k->lock);
    plan_set_unref(plans);
    return code;
}

/* Never fails a plan: a node whose disk is full must still hear of a stop. */
static void save(struct keeper *k)
{
    struct error e;
    int64_t now = clock_monotonic_us(), heard = counter_get(k->o.counters, monitor_heard_us);
    k->info.saved_us = clock_wall_us();
    k->info.heartbeat_us = heard ? k->info.saved_us - (now - heard) : 0;
    bool failed = snapshots_save(k->snapshots, &k->info, k->document, k->len, &e) != ERR_OK;
    if (failed && !k->failing)
        log_error("definitions",
                  "the snapshot of version %" PRId64 " can't be written: %s; it is served, and would be "
                  "unknown to a start without the database",
                  k->info.version, e.text);
    else if (!failed && k->failing)
        log_info("definitions", "snapshots can be written again");
    k->failing = failed;
    k->saved = !failed;
    k->next_save_us = now + (failed ? RETRY_US : REFRESH_US);
}

/* Stops. */

const struct stop_row *keeper_forgotten(struct keeper *k, size_t *n)
{
    *n = 0;
    if (k->n_forgotten == 0)
        return NULL;
    struct stop_row *rows = realloc(k->forgotten_rows, k->n_forgotten * sizeof *rows);
    if (!rows)
        return NULL;
    k->forgotten_rows = rows;
    for (size_t i = 0; i < k->n_forgotten; i++) {
        const struct snapshot_stop *s = &k->forgotten[i];
        rows[i] = (struct stop_row){.environment = s->environment,
                                    .experiment = s->experiment,
                                    .at_us = s->at_us,
                                    .sentence = s->sentence};
        memcpy(rows[i].salt, s->salt, STOP_SALT_BYTES);
    }
    *n = k->n_forgotten;
    return rows;
}

void keeper_told(struct keeper *k)
{
    k->n_forgotten = 0;
}

static void copy_text(char *to, size_t cap, const char *from)
{
    size_t n = strlen(from);
    if (n >= cap) {
        n = cap - 1;
        while (n > 0 && ((unsigned char)from[n] & 0xC0) == 0x80)
            n--; /* not inside a character: it will be JSON */
    }
    memcpy(to, from, n);
    to[n] = '\0';
}

static bool is_unwritten(const struct keeper *k, const struct snapshot_stop *s)
{
    for (size_t i = 0; i < k->n_unwritten; i++)
        if (memcmp(k->unwritten[i].salt, s->salt, sizeof s->salt) == 0)
            return true;
    return false;
}

/* Said once a stop; written when the disk has room again. */
static void keep_unwritten(struct keeper *k, const struct snapshot_stop *s, const char *why)
{
    pthread_mutex_lock(&k->unwritten_lock);
    bool known = is_unwritten(k, s);
    struct snapshot_stop *more = known ? NULL : realloc(k->unwritten, (k->n_unwritten + 1) * sizeof *more);
    if (more) {
        k->unwritten = more;
        k->unwritten[k->n_unwritten++] = *s;
    }
    pthread_mutex_unlock(&k->unwritten_lock);
    if (!known)
        log_error("definitions",
                  "%s: that experiment %s was stopped can't be written to this node's disk: %s",
                  s->environment, s->experiment, why);
}

static void write_unwritten(struct keeper *k)
{
    struct error ignored;
    pthread_mutex_lock(&k->unwritten_lock);
    while (k->n_unwritten > 0 &&
           snapshots_add_stop(k->snapshots, &k->unwritten[k->n_unwritten - 1], &ignored) == ERR_OK)
        k->n_unwritten--;
    pthread_mutex_unlock(&k->unwritten_lock);
}

void keeper_stop(struct keeper *k, const struct stop_row *stop)
{
    struct error e;
    struct snapshot_stop s = {.at_us = stop->at_us};
    copy_text(s.environment, sizeof s.environment, stop->environment);
    copy_text(s.experiment, sizeof s.experiment, stop->experiment);
    copy_text(s.sentence, sizeof s.sentence, stop->sentence);
    memcpy(s.salt, stop->salt, sizeof s.salt);
    if (snapshots_add_stop(k->snapshots, &s, &e) != ERR_OK)
        keep_unwritten(k, &s, e.text);
    atomic_store(&k->learned, true);
}

/* The database's answers. */

static bool is_foreign(struct keeper *k, const struct plan_versions *v)
{
    bool foreign = k->serving && memcmp(k->versions.incarnation, v->incarnation, sizeof v->incarnation) != 0;
    if (foreign && !k->foreign)
        log_error("definitions", "this is not the database whose definitions are served (its "
                                 "config_version.incarnation is another): they stay; restart cohortd to "
                                 "accept the new one");
    k->foreign = foreign;
    return foreign;
}

/* Heard of when it is seen to change; the first time, as old as the database's own clock says. */
static void hear(struct keeper *k, const struct plan_versions *v)
{
    int64_t now = clock_monotonic_us();
    int64_t age = v->heartbeat_us ? v->clock_us - v->heartbeat_us : 0;
    if (!k->from_database)
        counter_set(k->o.counters, monitor_heard_us, now - (age > 0 ? age : 0));
    else if (v->heartbeat_us != k->versions.heartbeat_us)
        counter_set(k->o.counters, monitor_heard_us, now);
    k->from_database = true;
}

bool keeper_confirm(struct keeper *k, const struct plan_versions *v)
{
    pthread_mutex_lock(&k->lock);
    bool ours = !is_foreign(k, v);
    if (ours) {
        counter_set(k->o.counters, plan_confirmed_us, clock_monotonic_us());
        hear(k, v);
        k->versions = *v;
        if (k->serving && clock_monotonic_us() >= k->next_save_us) {
            save(k);
            if (k->saved)
                write_unwritten(k);
        }
    }
    pthread_mutex_unlock(&k->lock);
    return ours;
}

static int take(struct keeper *k, const struct plan_versions *v, const char *document, struct error *e)
{
    struct plan_set *plans = NULL;
    size_t len = strlen(document);
    bool learned = atomic_exchange(&k->learned, false);
    if (k->serving && !learned && k->len == len && memcmp(k->document, document, len) == 0)
        return ERR_OK;
    int code = compile_stopped(k, document, len, &plans, e);
    if (code != ERR_OK)
        return code;
    char *copy = strdup(document);
    if (!copy) {
        plan_set_unref(plans);
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    }
    bool same = memcmp(k->info.incarnation, v->incarnation, INCARNATION_BYTES) == 0;
    int64_t known = same ? k->info.stop_version : 0;
    forget_document(k);
    k->document = copy;
    k->len = len;
    /* A database that went back has forgotten stops which we have not. */
    k->info.stop_version = v->stop_version > known ? v->stop_version : known;
    k->info.version = v->version;
    memcpy(k->info.incarnation, v->incarnation, INCARNATION_BYTES);
    save(k);
    serve(k, plans);
    plan_set_unref(plans);
    log_info("definitions", "serving version %" PRId64 ", stop %" PRId64, v->version, v->stop_version);
    return ERR_OK;
}

int keeper_take(struct keeper *k, const struct plan_versions *v, const char *document, struct error *e)
{
    pthread_mutex_lock(&k->lock);
    int code = take(k, v, document, e);
    pthread_mutex_unlock(&k->lock);
    return code;
}
