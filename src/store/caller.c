#include "store/caller.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "store/pg.h"

#define MAX_WAITING 256
#define STATEMENT_MS 10000

/* Every statement gets the key, then the body or reason, as far as it has parameters. */
struct op {
    const char *name, *sql;
    int n_params;
    bool then_show; /* the answer is the experiment as it is afterwards */
};

#define SHOW "select cohort.get_experiment($1)"

static const struct op ops[] = {
    {"put_experiment", "select cohort.put_experiment($1, $2::jsonb)", 2, false},
    {"get_experiment", SHOW, 1, false},
    {"list_experiments", "select cohort.list_experiments()", 0, false},
    {"start", "select cohort.start($1, $2)", 2, true},
    {"stop", "select cohort.stop($1, $2)", 2, true},
    {"archive", "select cohort.archive($1, $2)", 2, true},
    {"results", "select cohort.results_json($1)", 1, false},
};

struct job {
    const struct op *op;
    char *key, *body, *actor;
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
    struct pg *pg; /* under the lock when replaced, so that stop can interrupt it */
};

static const struct op *find_op(const char *name)
{
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (strcmp(ops[i].name, name) == 0)
            return &ops[i];
    }
    return NULL;
}

static void job_free(struct job *j)
{
    if (!j)
        return;
    free(j->key);
    free(j->body);
    free(j->actor);
    free(j);
}

static void answer_unavailable(const struct job *j, const char *detail)
{
    j->done(j->arg,
            &(struct call_result){
                .status = 503,
                .title = "The database is away",
                .detail = detail,
                .hint = "Decisions and events go on without it; send the definition again in a few seconds.",
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
    int rc = pg_open(&pg, c->conninfo, "cohortd definitions api", STATEMENT_MS, e);
    if (rc == ERR_OK)
        replace_connection(c, pg);
    return rc;
}

/* Title and status of a broken rule come from the same table that psql users' hints come from. */
static PGresult *look_up_rule(struct pg *pg, const char *constraint)
{
    PGresult *res = NULL;
    struct pg_error ignored;
    const char *params[] = {constraint};
    if (pg_exec(pg,
                "select http_status, title, hint from cohort.error_message"
                " where constraint_name = $1",
                1, params, &res, &ignored) != ERR_OK)
        return NULL;
    if (PQntuples(res) == 1)
        return res;
    PQclear(res);
    return NULL;
}

static const char *or_null(const char *s)
{
    return s && *s ? s : NULL;
}

static void answer_error(struct caller *c, const struct job *j, const struct pg_error *e)
{
    if (e->error.code == ERR_UNAVAILABLE) {
        answer_unavailable(j, e->error.text);
        return;
    }
    PGresult *rule = e->constraint[0] ? look_up_rule(c->pg, e->constraint) : NULL;
    struct call_result r = {
        .status = rule                                ? atoi(PQgetvalue(rule, 0, 0))
                  : strcmp(e->sqlstate, "42501") == 0 ? 403
                                                      : 400,
        .title = rule ? PQgetvalue(rule, 0, 1) : "The database refused this",
        .detail = e->error.text,
        .hint = or_null(e->hint),
        .constraint = or_null(e->constraint),
        .pointer = or_null(e->detail),
        .code = rule ? e->constraint : "refused",
    };
    if (!r.hint && rule)
        r.hint = or_null(PQgetvalue(rule, 0, 2));
    if (!rule && strncmp(e->sqlstate, "XX", 2) == 0)
        r.status = 500;
    j->done(j->arg, &r);
    PQclear(rule);
}

static int in_transaction(struct pg *pg, const struct job *j, PGresult **out, struct pg_error *e)
{
    const char *actor[] = {j->actor};
    const char *params[] = {j->key, j->body};
    *out = NULL;
    int rc = pg_exec(pg, "begin", 0, NULL, NULL, e);
    if (rc == ERR_OK)
        rc = pg_exec(pg, "select set_config('cohort.actor', $1, true)", 1, actor, NULL, e);
    if (rc == ERR_OK)
        rc = pg_exec(pg, j->op->sql, j->op->n_params, params, out, e);
    if (rc == ERR_OK && j->op->then_show) {
        PQclear(*out);
        rc = pg_exec(pg, SHOW, 1, params, out, e);
    }
    /* Deferred rules (shares that must sum) speak at COMMIT. */
    if (rc == ERR_OK)
        rc = pg_exec(pg, "commit", 0, NULL, NULL, e);
    if (rc != ERR_OK && pg_alive(pg)) {
        struct pg_error ignored;
        pg_exec(pg, "rollback", 0, NULL, NULL, &ignored);
    }
    return rc;
}

static void run_job(struct caller *c, const struct job *j)
{
    struct pg_error e;
    PGresult *res = NULL;
    if (connected(c, &e) != ERR_OK) {
        answer_unavailable(j, e.error.text);
        return;
    }
    if (in_transaction(c->pg, j, &res, &e) != ERR_OK) {
        answer_error(c, j, &e);
    } else if (PQntuples(res) != 1 || PQgetisnull(res, 0, 0)) {
        j->done(j->arg, &(struct call_result){.status = 404,
                                              .title = "Not found",
                                              .detail = "There is no experiment with this key.",
                                              .hint = "GET /v1/experiments lists the keys there are.",
                                              .code = "not_found"});
    } else {
        j->done(j->arg, &(struct call_result){.status = 200, .body = PQgetvalue(res, 0, 0)});
    }
    PQclear(res);
}

static struct job *take(struct caller *c, bool *stopping)
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
    pthread_mutex_unlock(&c->lock);
    return j;
}

static void *run(void *arg)
{
    struct caller *c = arg;
    struct job *j;
    bool stopping;
    while ((j = take(c, &stopping))) {
        if (stopping)
            answer_unavailable(j, "This server is shutting down.");
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

static struct job *job_new(const struct call_request *q, call_done_fn *done, void *arg)
{
    struct job *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->op = find_op(q->op);
    j->key = q->key ? strdup(q->key) : NULL;
    j->body = q->body ? strdup(q->body) : NULL;
    j->actor = strdup(q->actor ? q->actor : "");
    j->done = done;
    j->arg = arg;
    if (!j->op || !j->actor || (q->key && !j->key) || (q->body && !j->body)) {
        job_free(j);
        return NULL;
    }
    return j;
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
