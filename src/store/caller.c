#include "store/caller.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "store/call_ops.h"

#define MAX_WAITING 256
#define STATEMENT_MS 10000

/* What was submitted, copied. */
struct job {
    const struct call_op *op;
    struct call_request q;
    call_done_fn *done;
    void *arg;
    struct job *next;
};

struct caller {
    const char *conninfo;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *first, **last;
    unsigned waiting;
    bool stopping;
    const char *away; /* why the database can't be asked, or NULL */
    struct pg *pg;    /* under the lock when replaced, so that stop can interrupt it */
};

/* The texts of a request that are copied, one after the other. */
#define TEXTS 6
static void texts_of(struct call_request *q, const char **out[TEXTS])
{
    const char **all[TEXTS] = {&q->thing, &q->key, &q->body, &q->after, &q->if_match, &q->if_none};
    memcpy(out, all, sizeof all);
}

static void job_free(struct job *j)
{
    if (!j)
        return;
    const char **texts[TEXTS];
    texts_of(&j->q, texts);
    for (size_t i = 0; i < TEXTS; i++)
        free((char *)*texts[i]);
    free(j);
}

static void answer_unavailable(const struct job *j, const char *detail)
{
    j->done(j->arg, &(struct call_result){
                        .status = 503,
                        .title = "The database is away",
                        .detail = detail,
                        .hint = "Decisions and events go on without it; ask again in a few seconds.",
                        .code = "database_unavailable",
                    });
}

static void replace_connection(struct caller *c, struct pg *pg)
{
    pthread_mutex_lock(&c->lock);
    struct pg *old = c->pg;
    c->pg = pg;
    pthread_mutex_unlock(&c->lock);
    pg_close(old);
}

static int connected(struct caller *c, struct pg_error *e)
{
    if (c->pg && pg_alive(c->pg))
        return ERR_OK;
    replace_connection(c, NULL);
    struct pg *pg = NULL;
    int rc = ERR_UNAVAILABLE;
    /* A second time where the machine halted for longer than connecting may take. */
    for (int i = 0; i < 2 && rc == ERR_UNAVAILABLE; i++)
        rc = pg_open(&pg, c->conninfo, "cohortd definitions api", STATEMENT_MS, e);
    if (rc == ERR_OK)
        replace_connection(c, pg);
    return rc;
}

static void run_job(struct caller *c, const struct job *j)
{
    struct pg_error e;
    if (connected(c, &e) != ERR_OK || call_op_run(c->pg, j->op, &j->q, j->done, j->arg, &e) != ERR_OK)
        answer_unavailable(j, e.error.text);
}

static struct job *take(struct caller *c, bool *stopping, const char **away)
{
    pthread_mutex_lock(&c->lock);
    while (!c->first && !c->stopping)
        pthread_cond_wait(&c->wake, &c->lock);
    struct job *j = c->first;
    if (j) {
        c->first = j->next;
        c->waiting--;
        if (!c->first)
            c->last = &c->first;
    }
    *stopping = c->stopping;
    *away = c->away;
    pthread_mutex_unlock(&c->lock);
    return j;
}

static void *run(void *arg)
{
    struct caller *c = arg;
    struct job *j;
    bool stopping;
    const char *away;
    pthread_setname_np(pthread_self(), "caller");
    while ((j = take(c, &stopping, &away))) {
        if (stopping)
            answer_unavailable(j, "This server is shutting down.");
        else if (away)
            answer_unavailable(j, away);
        else
            run_job(c, j);
        job_free(j);
    }
    replace_connection(c, NULL);
    return NULL;
}

int caller_start(struct caller **out, const char *conninfo, struct error *e)
{
    struct caller *c = calloc(1, sizeof *c);
    if (!c)
        return error_set(e, ERR_NOMEM, "definitions api", "Out of memory.");
    c->conninfo = conninfo;
    c->last = &c->first;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
    int rc = pthread_create(&c->thread, NULL, run, c);
    if (rc != 0) {
        pthread_cond_destroy(&c->wake);
        pthread_mutex_destroy(&c->lock);
        free(c);
        return error_set(e, ERR_IO, "definitions api", "Can't start a thread: %s.", strerror(rc));
    }
    *out = c;
    return ERR_OK;
}

void caller_stop(struct caller *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    if (c->pg)
        pg_interrupt(c->pg);
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void caller_set_available(struct caller *c, bool available, const char *why)
{
    pthread_mutex_lock(&c->lock);
    c->away = available ? NULL : why;
    if (!available && c->pg)
        pg_interrupt(c->pg);
    pthread_mutex_unlock(&c->lock);
}

static struct job *job_new(const struct call_request *q, call_done_fn *done, void *arg)
{
    const char **texts[TEXTS];
    struct job *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->op = call_op_find(q->op);
    j->q = *q;
    j->done = done;
    j->arg = arg;
    bool whole = j->op != NULL;
    texts_of(&j->q, texts);
    for (size_t i = 0; i < TEXTS; i++) {
        bool given = *texts[i] != NULL;
        *texts[i] = given ? strdup(*texts[i]) : NULL;
        whole = whole && (!given || *texts[i]);
    }
    if (whole)
        return j;
    job_free(j);
    return NULL;
}

int caller_submit(struct caller *c, const struct call_request *q, call_done_fn *done, void *arg)
{
    struct job *j = job_new(q, done, arg);
    if (!j)
        return ERR_NOMEM;
    int rc = ERR_OK;
    pthread_mutex_lock(&c->lock);
    if (c->stopping) {
        rc = ERR_STATE;
    } else if (c->waiting >= MAX_WAITING) {
        rc = ERR_LIMIT;
    } else {
        *c->last = j;
        c->last = &j->next;
        c->waiting++;
        pthread_cond_signal(&c->wake);
    }
    pthread_mutex_unlock(&c->lock);
    if (rc != ERR_OK)
        job_free(j);
    return rc;
}
