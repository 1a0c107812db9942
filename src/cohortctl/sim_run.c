#include "cohortctl/sim_run.h"

#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "cohortctl/sim_events.h"
#include "cohortctl/sim_http.h"
#include "cohortctl/table.h"

#define SECOND_US INT64_C(1000000)
#define POLL_US (SECOND_US / 2)
#define LINE_US (SECOND_US / 5)        /* of the live line on a terminal */
#define LINE_RARELY_US (5 * SECOND_US) /* in a file */
#define FAILURES_MAX 50                /* in a row */
#define GIVE_UP_US (30 * SECOND_US)    /* without an answer about the last events */

#define SERVED_US (5 * SECOND_US) /* a flag committed just now is served within a second */
#define TRY_US (SECOND_US / 10)

enum kind { EVALUATE, REPORT, POLL };

struct sim {
    const struct sim_plan *plan;
    struct sim_tally *tally;
    struct sim_http *http;
    struct sim_events events;
    int64_t start_us, poll_us, line_us;
    uint64_t started;
    unsigned evaluating, failures_in_row;
    bool polling, terminal;
    bool ready;         /* a customer was answered: the flag is served */
    int64_t not_before; /* no customer is sent before */
    struct error error; /* the first one; code 0: none */
};

static void customer_id(const struct sim *s, uint64_t number, char *out, size_t cap)
{
    snprintf(out, cap, "%s%06" PRIu64, s->plan->prefix, number);
}

static double elapsed(const struct sim *s)
{
    return (double)(clock_monotonic_us() - s->start_us) / (double)SECOND_US;
}

static const char *text_of(const json_t *o, const char *member)
{
    return json_string_value(json_object_get(o, member));
}

/* The first customer that was sent back because the experiment had stopped. */
static void note_stop(struct sim *s, const char *reason)
{
    struct sim_tally *t = s->tally;
    if (t->stopped || !reason || (strcmp(reason, "GUARD_STOP") != 0 && strcmp(reason, "STOPPED") != 0))
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
    const struct sim_model *m = &s->plan->model;
    struct sim_arm *arm = sim_tally_arm(s->tally, variant);
    char id[SIM_NAME_MAX + 32];
    if (!arm) {
        error_set(&s->error, ERR_LIMIT, s->plan->flag, "served more than %d variants", SIM_VARIANTS_MAX);
        return;
    }
    customer_id(s, number, id, sizeof id);
    arm->customers++;
    s->tally->customers++;
    for (size_t i = 0; i < m->n_metrics; i++)
        if (sim_model_happens(m, number, variant, i)) {
            sim_events_add(&s->events, m->metrics[i].name, id, clock_wall_us(), clock_monotonic_us());
            arm->events[i]++;
        }
}

/* The first customer asks again while a flag made just now is on its way to the server. */
static bool ask_again(struct sim *s, long status)
{
    if (s->ready || status != 404 || clock_monotonic_us() - s->start_us > SERVED_US)
        return false;
    s->started = 0;
    s->not_before = clock_monotonic_us() + TRY_US;
    return true;
}

static void evaluated(struct sim *s, uint64_t number, long status, const char *text, size_t len)
{
    json_t *answer = status > 0 ? json_loadb(text, len, 0, NULL) : NULL;
    const json_t *metadata = json_object_get(answer, "metadata");
    const char *reason = text_of(metadata, "reason"), *why = text_of(answer, "errorDetails");
    s->evaluating--;
    if (status == 200 && reason) {
        bool drawn = strcmp(reason, "VARIANT") == 0;
        if (!s->ready)
            s->start_us = clock_monotonic_us();
        s->ready = true;
        s->failures_in_row = 0;
        note_stop(s, reason);
        act(s, number, drawn ? text_of(answer, "variant") : NULL);
    } else if (ask_again(s, status)) {
        s->failures_in_row = 0;
    } else if (status >= 400 && status < 500 && status != 429) {
        error_set(&s->error, ERR_INVALID, s->plan->flag, "the server answered %ld: %s", status,
                  why ? why : "no reason given");
    } else {
        s->tally->failed++;
        if (++s->failures_in_row == FAILURES_MAX)
            error_set(&s->error, ERR_UNAVAILABLE, s->plan->url, "%u customers in a row got no answer: %s",
                      s->failures_in_row, status > 0 ? "it is overloaded" : text);
    }
    json_decref(answer);
}

static void polled(struct sim *s, long status, const char *text, size_t len)
{
    json_t *answer = status == 200 ? json_loadb(text, len, 0, NULL) : NULL;
    json_t *stop = json_object_get(answer, "stop");
    s->polling = false;
    if (json_is_object(stop) && !s->tally->stop)
        s->tally->stop = json_incref(stop);
    json_decref(answer);
}

static void done(void *arg, struct sim_tag tag, long status, const char *text, size_t len)
{
    struct sim *s = arg;
    if (tag.kind == EVALUATE)
        evaluated(s, tag.number, status, text, len);
    else if (tag.kind == POLL)
        polled(s, status, text, len);
    else if (s->error.code == 0)
        sim_events_answer(&s->events, tag.number, status, text, len, clock_monotonic_us(), s->tally,
                          &s->error);
}

/* How many customers should have come by now. */
static uint64_t due(const struct sim *s)
{
    const struct sim_plan *p = s->plan;
    if (!s->ready)
        return clock_monotonic_us() >= s->not_before ? 1 : 0;
    double so_far = p->rate > 0 ? elapsed(s) * p->rate + 1 : (double)p->customers;
    return so_far < (double)p->customers ? (uint64_t)so_far : (uint64_t)p->customers;
}

static int start_customers(struct sim *s, struct error *e)
{
    char path[400], id[SIM_NAME_MAX + 32], body[512];
    uint64_t until = due(s);
    snprintf(path, sizeof path, "/ofrep/v1/evaluate/flags/%s", s->plan->flag);
    while (s->started < until && s->evaluating < s->plan->connections) {
        customer_id(s, ++s->started, id, sizeof id);
        int n = snprintf(body, sizeof body, "{\"context\":{\"targetingKey\":\"%s\"}}", id);
        int rc = sim_http_start(s->http, (struct sim_tag){EVALUATE, s->started}, path, s->plan->client_key,
                                body, (size_t)n, e);
        if (rc < 0)
            return rc;
        s->evaluating++;
    }
    return 0;
}

static int start_poll(struct sim *s, struct error *e)
{
    char path[400];
    int64_t now = clock_monotonic_us();
    if (s->polling || s->tally->stop || now < s->poll_us)
        return 0;
    s->polling = true;
    s->poll_us = now + POLL_US;
    snprintf(path, sizeof path, "/v1/experiments/%s", s->plan->experiment);
    return sim_http_start(s->http, (struct sim_tag){POLL, 0}, path, s->plan->read_key, NULL, 0, e);
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

static int step(struct sim *s, bool flush, struct error *e)
{
    int rc = flush ? 0 : start_customers(s, e);
    if (rc == 0)
        rc = start_poll(s, e);
    if (rc == 0)
        rc =
            sim_events_send(&s->events, s->http, REPORT, s->plan->events_key, clock_monotonic_us(), flush, e);
    if (rc == 0)
        rc = sim_http_run(s->http, 5, e);
    if (rc == 0 && s->error.code != 0) {
        *e = s->error;
        rc = e->code;
    }
    return rc;
}

static int play(struct sim *s, struct error *e)
{
    bool shown = false;
    int rc = 0;
    while (rc == 0 && (s->started < (uint64_t)s->plan->customers || s->evaluating > 0)) {
        rc = step(s, false, e);
        show_stop(s, &shown);
        show_line(s, false);
    }
    s->tally->seconds = elapsed(s);
    if (rc == 0)
        show_line(s, true);
    int64_t until = clock_monotonic_us() + GIVE_UP_US;
    while (rc == 0 && (sim_events_open(&s->events) > 0 || s->polling)) {
        rc = step(s, true, e);
        if (rc == 0 && clock_monotonic_us() > until)
            rc = error_set(e, ERR_UNAVAILABLE, s->plan->url, "%u events were not accepted within 30 s",
                           sim_events_open(&s->events));
    }
    return rc;
}

int sim_run(const struct sim_plan *p, struct sim_tally *t, struct error *e)
{
    struct sim s = {.plan = p, .tally = t, .terminal = isatty(STDERR_FILENO) == 1};
    *t = (struct sim_tally){.wanted = (uint64_t)p->customers};
    int rc = sim_http_new(&s.http, p->url, (unsigned)p->connections + SIM_BATCHES + 1, done, &s, e);
    if (rc < 0)
        return rc;
    s.start_us = clock_monotonic_us();
    s.line_us = s.start_us + LINE_US;
    rc = play(&s, e);
    sim_http_free(s.http);
    sim_events_free(&s.events);
    return rc;
}
