#include "cohortctl/sim_players.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cohortctl/sim_model.h"

#define BACKOFF_MAX_MS 1000 /* a server that is away for a moment costs few customers */
#define AGAIN_NS 100000000L /* a tenth of a second, before a customer asks again */

struct sim_players {
    struct cohort_client *client;
    const char *flag, *prefix;
    struct sim_players_calls calls;
    unsigned n;
    pthread_t threads[];
};

void sim_customer_id(const char *prefix, uint64_t number, char *out, size_t cap)
{
    snprintf(out, cap, "%s%06" PRIu64, prefix, number);
}

/* True: it is to ask again. */
static bool ask(const struct sim_players *p, uint64_t number)
{
    char id[SIM_NAME_MAX + 32];
    sim_customer_id(p->prefix, number, id, sizeof id);
    struct cohort_context *who = cohort_context_new(id);
    if (!who)
        return false;
    cohort_json(p->client, who, p->flag, NULL);
    bool again = p->calls.answered(p->calls.arg, number, cohort_details(who));
    cohort_context_free(who);
    return again;
}

static void *play(void *arg)
{
    const struct timespec pause = {0, AGAIN_NS};
    struct sim_players *p = arg;
    uint64_t number;
    while ((number = p->calls.next(p->calls.arg)) > 0) {
        while (ask(p, number))
            clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
    return NULL;
}

int sim_players_start(struct sim_players **out, unsigned n, const struct cohort_options *server,
                      const char *flag, const char *prefix, const struct sim_players_calls *calls,
                      struct error *e)
{
    struct cohort_error why;
    struct cohort_options o = *server;
    struct sim_players *p = calloc(1, sizeof *p + n * sizeof p->threads[0]);
    if (!p)
        return error_set(e, ERR_NOMEM, "", "out of memory");
    p->flag = flag;
    p->prefix = prefix;
    p->calls = *calls;
    o.timeout_ms = 30000;
    o.backoff_max_ms = BACKOFF_MAX_MS;
    if (cohort_open(&p->client, &o, &why) != COHORT_OK) {
        free(p);
        return error_set(e, ERR_INVALID, "", "%s", why.text);
    }
    *out = p;
    while (p->n < n && pthread_create(&p->threads[p->n], NULL, play, p) == 0)
        p->n++;
    return p->n == n ? 0 : error_set(e, ERR_NOMEM, "--connections", "only %u threads could be started", p->n);
}

void sim_players_end(struct sim_players *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->n; i++)
        pthread_join(p->threads[i], NULL);
    cohort_close(p->client, 0);
    free(p);
}
