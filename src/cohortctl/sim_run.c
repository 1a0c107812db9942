#include "cohortctl/sim_run.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "cohortctl/client.h"
#include "cohortctl/sim_events.h"
#include "cohortctl/sim_players.h"
#include "cohortctl/table.h"

#define SECOND_US INT64_C(1000000)
#define POLL_US (SECOND_US / 2)
#define STEP_US 5000
#define LINE_US (SECOND_US / 5)        /* of the live line on a terminal */
#define LINE_RARELY_US (5 * SECOND_US) /* in a file */
#define GIVE_UP_US (10 * SECOND_US)    /* without a single answer */
#define EVENTS_MS 30000                /* for the answers about the last events */
#define LOOK_US                                                                                              \
    (3 * SECOND_US) /* until what was accepted has been looked at: shipped, then a pass each second */

#define SERVED_US (5 * SECOND_US) /* a flag committed just now is served within a second */
#define TRY_US (SECOND_US / 10)

struct sim {
    const struct sim_plan *plan;
    struct sim_tally *tally; /* under lock while there are players */
    struct sim_events *events;
    struct client *reader; /* of the experiment; the main thread's */
    pthread_mutex_t lock;  /* of all below */
    pthread_cond_t turn;
    int64_t start_us, poll_us, line_us, answered_us;
    uint64_t started, crashes;
    unsigned busy;
    bool terminal;
    bool guarded;       /* the experiment runs and has what may stop it, as last read */
    bool ready;         /* a customer was answered: the flag is served */
    int64_t not_before; /* no customer is sent before */
    struct error error; /* the first one; code 0: none */
};

static double elapsed(const struct sim *s)
{
    return (double)(clock_monotonic_us() - s->start_us) / (double)SECOND_US;
}

/* The first customer that was sent back because the experiment had stopped. */
static void note_stop(struct sim *s, const char *reason)
{
    struct sim_tally *t = s->tally;
    if (t->stopped || (strcmp(reason, "GUARD_STOP") != 0 && strcmp(reason, "STOPPED") != 0))
        return;
    t->stopped = true;
    t->stop_customers = t->customers;
    t->stop_seconds = elapsed(s);
    snprintf(t->stop_reason, sizeof t->stop_reason, "%s", reason);
    s->poll_us = 0; /* its evidence now */
}

/* Lives on: what the customer does with what it was served. */
static void act(struct sim *s, uint64_t number, const char *variant)
{
    const struct sim_plan *p = s->plan;
    const struct sim_model *m = &p->model;
    struct sim_arm *arm = sim_tally_arm(s->tally, variant);
    char id[SIM_NAME_MAX + 32];
    if (!arm) {
        error_set(&s->error, ERR_LIMIT, p->flag, "served more than %d variants", SIM_VARIANTS_MAX);
        return;
    }
    sim_customer_id(p->prefix, number, id, sizeof id);
    arm->customers++;
    s->tally->customers++;
    for (size_t i = 0; i < m->n_metrics; i++)
        if (sim_model_happens(m, number, variant, i)) {
            sim_events_add(s->events, m->metrics[i].name, id, sim_model_delay_us(m, number, i, p->delay_s),
                           sim_model_twice(m, number, i, p->twice), &s->error);
            arm->events[i]++;
        }
}

/* A flag made just now is on its way to the server: to the worker that the first customer asks, and to those
 * that the next ones ask. */
static bool ask_again(const struct sim *s, const char *error)
{
    return s->error.code == 0 && strcmp(error, "FLAG_NOT_FOUND") == 0 &&
           clock_monotonic_us() - s->start_us <= SERVED_US;
}

/* A server that is away comes back; one that says no will say it again. */
static void no_answer(struct sim *s, const struct cohort_details *d)
{
    int64_t now = clock_monotonic_us();
    if (strcmp(d->error, "GENERAL") != 0) {
        error_set(&s->error, ERR_INVALID, s->plan->flag, "the server answered: %s", d->error_text);
        return;
    }
    s->tally->failed++;
    s->not_before = now + TRY_US;
    if (now - s->answered_us > GIVE_UP_US)
        error_set(&s->error, ERR_UNAVAILABLE, s->plan->url, "nobody got an answer for %d s: %s",
                  (int)(GIVE_UP_US / SECOND_US), d->error_text);
}

static bool answered(void *arg, uint64_t number, const struct cohort_details *d)
{
    struct sim *s = arg;
    pthread_mutex_lock(&s->lock);
    bool again = d->error && ask_again(s, d->error);
    s->busy -= !again;
    if (!d->error) {
        if (!s->ready)
            s->start_us = clock_monotonic_us();
        s->ready = true;
        s->answered_us = clock_monotonic_us();
        note_stop(s, d->reason);
        act(s, number, strcmp(d->reason, "VARIANT") == 0 ? d->variant : NULL);
    } else if (!again && s->error.code == 0) {
        no_answer(s, d);
    }
    pthread_cond_broadcast(&s->turn);
    pthread_mutex_unlock(&s->lock);
    return again;
}

/* How many customers should have come by now. */
static uint64_t due(const struct sim *s)
{
    const struct sim_plan *p = s->plan;
    if (clock_monotonic_us() < s->not_before)
        return 0;
    if (!s->ready)
        return 1;
    double so_far = p->rate > 0 ? elapsed(s) * p->rate + 1 : (double)p->customers;
    return so_far < (double)p->customers ? (uint64_t)so_far : (uint64_t)p->customers;
}

static bool over(const struct sim *s)
{
    return s->error.code != 0 || (s->started >= (uint64_t)s->plan->customers && s->busy == 0);
}

/* Until a customer is due, or one has been answered, which may be what the others wait for. */
static void wait_turn(struct sim *s)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&s->turn, &s->lock, &t);
}

static uint64_t next(void *arg)
{
    struct sim *s = arg;
    uint64_t number = 0;
    pthread_mutex_lock(&s->lock);
    while (!over(s) && s->started >= due(s))
        wait_turn(s);
    if (!over(s)) {
        number = ++s->started;
        s->busy++;
    }
    pthread_mutex_unlock(&s->lock);
    return number;
}

static bool is_guarded(const json_t *doc)
{
    const char *status = json_string_value(json_object_get(doc, "status"));
    return status && strcmp(status, "running") == 0 &&
           json_array_size(json_object_get(doc, "guardrails")) +
                   json_array_size(json_object_get(doc, "stop_conditions")) >
               0;
}

/* Whether the experiment has stopped, and why. Not being told is no reason to end. */
static void poll(struct sim *s)
{
    char path[400];
    json_t *doc = NULL;
    struct error ignored;
    int64_t now = clock_monotonic_us();
    if (s->tally->stop || now < s->poll_us)
        return;
    s->poll_us = now + POLL_US;
    snprintf(path, sizeof path, "/v1/experiments/%s", s->plan->experiment);
    if (client_json(s->reader, "GET", path, NULL, &doc, &ignored) != 0)
        return;
    json_t *stop = json_object_get(doc, "stop");
    if (json_is_object(stop))
        s->tally->stop = json_incref(stop);
    s->guarded = is_guarded(doc);
    json_decref(doc);
}

/* The last events may be what stops it: nobody is told that it did not before they were looked at. */
static void await_look(struct sim *s)
{
    const struct timespec pause = {0, TRY_US * 1000L};
    int64_t from = clock_monotonic_us();
    for (s->poll_us = 0, poll(s); s->guarded && !s->tally->stop && clock_monotonic_us() - from < LOOK_US;
         poll(s)) {
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
        s->poll_us = 0;
    }
}

/* A line that wraps could not be written over. */
static void fit_terminal(char *line, size_t cap)
{
    struct winsize w;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 && w.ws_col <= cap)
        line[w.ws_col - 1] = '\0';
}

static void show_line(struct sim *s, bool last)
{
    char line[800];
    int64_t now = clock_monotonic_us();
    if (s->plan->quiet || (now < s->line_us && !last))
        return;
    s->line_us = now + (s->terminal ? LINE_US : LINE_RARELY_US);
    sim_tally_line(s->tally, &s->plan->model, line, sizeof line);
    if (s->terminal)
        fit_terminal(line, sizeof line);
    if (s->terminal)
        fprintf(stderr, "\r%s\033[K%s", line, last ? "\n" : "");
    else
        fprintf(stderr, "%s\n", line);
}

/* Says the moment of the stop once, above the live line. */
static void show_stop(struct sim *s, bool *shown)
{
    char a[32];
    if (*shown || !s->tally->stopped || s->plan->quiet)
        return;
    *shown = true;
    fprintf(stderr, "%safter %s customers (%.1f s): new customers get the fallback, %s%s\n",
            s->terminal ? "\r" : "", table_thousands((long long)s->tally->stop_customers, a),
            s->tally->stop_seconds, s->tally->stop_reason, s->terminal ? "\033[K" : "");
}

/* The reporting program ends at equal distances over the customers. */
static bool crash_due(const struct sim *s)
{
    const struct sim_plan *p = s->plan;
    return s->crashes < (uint64_t)p->crashes &&
           s->tally->customers * (uint64_t)(p->crashes + 1) >= (s->crashes + 1) * (uint64_t)p->customers;
}

static int report(struct sim *s, struct error *e)
{
    const char *trouble;
    pthread_mutex_lock(&s->lock);
    bool crash = crash_due(s);
    s->crashes += crash;
    pthread_mutex_unlock(&s->lock);
    int rc = sim_events_run(s->events, false, e);
    if (rc == 0 && crash)
        rc = sim_events_crash(s->events, e);
    if (rc == 0 && (trouble = sim_events_trouble(s->events)) != NULL)
        rc = error_set(e, ERR_INVALID, "/v1/outcomes", "the server answered: %s", trouble);
    return rc;
}

/* What only the main thread does, while the players play. */
static int step(struct sim *s, bool *shown, struct error *e)
{
    struct sim_events_counts counts;
    int rc = report(s, e);
    poll(s);
    sim_events_counts(s->events, &counts);
    pthread_mutex_lock(&s->lock);
    s->tally->accepted = counts.accepted;
    s->tally->rejected = counts.rejected;
    show_stop(s, shown);
    show_line(s, false);
    if (rc < 0 && s->error.code == 0)
        s->error = *e;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static int play(struct sim *s, struct error *e)
{
    const struct timespec pause = {0, STEP_US * 1000L};
    bool shown = false, done = false;
    int rc = 0;
    while (!done) {
        rc = step(s, &shown, e);
        pthread_mutex_lock(&s->lock);
        done = over(s);
        pthread_mutex_unlock(&s->lock);
        if (!done)
            clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
    s->tally->seconds = elapsed(s);
    if (s->error.code != 0) {
        *e = s->error;
        return e->code;
    }
    show_line(s, true);
    return rc;
}

/* What is still to happen, and to be answered. */
static int finish(struct sim *s, struct error *e)
{
    const struct timespec pause = {0, STEP_US * 1000L};
    struct sim_events_counts counts;
    struct sim_tally *t = s->tally;
    int rc = sim_events_run(s->events, false, e);
    for (sim_events_counts(s->events, &counts); rc == 0 && counts.waiting > 0;
         sim_events_counts(s->events, &counts)) {
        int64_t from = clock_monotonic_us();
        while (rc == 0 && !sim_events_flush(s->events, 50) &&
               clock_monotonic_us() - from < EVENTS_MS * INT64_C(1000))
            rc = report(s, e);
        rc = rc < 0 ? rc : report(s, e);
        if (rc == 0 && clock_monotonic_us() - from >= EVENTS_MS * INT64_C(1000))
            rc = error_set(e, ERR_UNAVAILABLE, s->plan->url,
                           "%" PRIu64 " events were not accepted within 30 s", counts.waiting);
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
    t->accepted = counts.accepted;
    t->rejected = counts.rejected;
    t->twice = counts.twice;
    t->retries = counts.retries;
    t->crashes = counts.crashes;
    await_look(s);
    return rc;
}

int sim_run(const struct sim_plan *p, struct client *reader, struct sim_tally *t, struct error *e)
{
    struct sim s = {.plan = p, .tally = t, .reader = reader, .terminal = isatty(STDERR_FILENO) == 1};
    const struct sim_players_calls calls = {&s, next, answered};
    struct sim_players *players = NULL;
    *t = (struct sim_tally){.wanted = (uint64_t)p->customers};
    struct cohort_options asks = cohort_options(p->url, p->client_key);
    struct cohort_options reports = cohort_options(p->url, p->events_key);
    asks.ca_file = reports.ca_file = p->ca_file;
    int rc = sim_events_open(&s.events, &reports, p->crashes > 0, e);
    if (rc < 0)
        return rc;
    pthread_mutex_init(&s.lock, NULL);
    pthread_cond_init(&s.turn, NULL);
    s.start_us = s.answered_us = clock_monotonic_us();
    s.line_us = s.start_us + LINE_US;
    rc = sim_players_start(&players, (unsigned)p->connections, &asks, p->flag, p->prefix, &calls, e);
    if (rc < 0)
        s.error = *e;
    else
        rc = play(&s, e);
    sim_players_end(players);
    if (rc == 0)
        rc = finish(&s, e);
    sim_events_close(s.events);
    pthread_cond_destroy(&s.turn);
    pthread_mutex_destroy(&s.lock);
    return rc;
}
