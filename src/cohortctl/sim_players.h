/* The simulated customers: threads that ask for the flag, one customer after the other. */
#ifndef COHORT_COHORTCTL_SIM_PLAYERS_H
#define COHORT_COHORTCTL_SIM_PLAYERS_H

#include "cohort_client.h"
#include "core/error.h"

struct sim_players;

struct sim_players_calls {
    void *arg;
    /* The next customer's number, from 1, when it is due; 0: no more will come. May wait. */
    uint64_t (*next)(void *arg);
    /* Its answer; texts live until it returns. True: it asks again, a moment later. */
    bool (*answered)(void *arg, uint64_t customer, const struct cohort_details *d);
};

/* n threads; the calls are made by any of them, several at a time. prefix: of the customers' ids. */
int sim_players_start(struct sim_players **out, unsigned n, const struct cohort_options *server,
                      const char *flag, const char *prefix, const struct sim_players_calls *calls,
                      struct error *e);

/* Waits until next() has said 0 to each. NULL is fine. */
void sim_players_end(struct sim_players *p);

void sim_customer_id(const char *prefix, uint64_t number, char *out, size_t cap);

#endif
