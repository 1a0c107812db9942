/* Decisions a second by libcohort-client: local_decisions URL KEY FLAGS, asked by local_decisions.py. One
 * line a case: name, decisions, seconds of CPU, seconds of the clock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cohort_client.h"

#define HERE_PEOPLE 200000
#define THERE_PEOPLE 2000

static unsigned long served; /* so that no decision is left out by the compiler */

static double seconds(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct cohort_context *person(unsigned i)
{
    char id[32];
    snprintf(id, sizeof id, "customer-%u", i);
    struct cohort_context *x = cohort_context_new(id);
    cohort_context_string(x, "country", "DE");
    return x;
}

/* Each person asks for so many flags. */
static void run(struct cohort_client *c, const char *name, unsigned people, unsigned flags)
{
    char keys[16][16];
    for (unsigned k = 0; k < flags; k++)
        snprintf(keys[k], sizeof keys[k], "x%u", k);
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < people; i++) {
        struct cohort_context *x = person(i);
        for (unsigned k = 0; k < flags; k++)
            served += cohort_string(c, x, keys[k], "Buy now")[0];
        cohort_context_free(x);
    }
    printf("%s %u %.6f %.6f\n", name, people * flags, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu,
           seconds(CLOCK_MONOTONIC) - wall);
}

/* One person over and over: what a flag costs beyond making the context. */
static void run_again(struct cohort_client *c, unsigned times)
{
    struct cohort_context *x = person(1);
    cohort_string(c, x, "x0", "Buy now");
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < times; i++)
        served += cohort_string(c, x, "x0", "Buy now")[0];
    printf("again %u %.6f %.6f\n", times, seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu,
           seconds(CLOCK_MONOTONIC) - wall);
    cohort_context_free(x);
}

static struct cohort_client *open_client(char **argv, bool local, bool exposures)
{
    struct cohort_client *c;
    struct cohort_error e;
    struct cohort_options o = cohort_options(argv[1], argv[2]);
    o.local = local;
    o.no_exposures = !exposures;
    if (cohort_open(&c, &o, &e) != COHORT_OK || cohort_wait_ready(c, 20000) != COHORT_OK) {
        fprintf(stderr, "local_decisions: the client can't be opened\n");
        exit(1);
    }
    return c;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    unsigned flags = (unsigned)atoi(argv[3]);
    struct cohort_client *c = open_client(argv, true, false);
    run_again(c, HERE_PEOPLE * 5);
    run(c, "one", HERE_PEOPLE, 1);
    run(c, "ten", HERE_PEOPLE / flags, flags);
    cohort_close(c, 0);
    c = open_client(argv, false, false);
    run(c, "http", THERE_PEOPLE, 1);
    cohort_close(c, 0);
    fprintf(stderr, "%lu\n", served);
    return 0;
}
