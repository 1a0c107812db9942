/* The claims of docs/statistics.md, simulated: tests/sim/claims [--runs N] [--jobs N] [--only TEXT] [--mutant
 * NAME].
 *
 * Without --mutant it computes every row, then puts each wrong statistic in and demands that a row finds it
 * out. Seeded: the same numbers every time. From 10,000 runs on the rows are held to the bars as written;
 * with fewer a row fails only when its runs prove that the bar is missed, and parts of it are shorter. With
 * --mutant NAME the rows that NAME changes are computed with it: a failure is what is wanted. Prints a table
 * in Markdown and "N passed, N failed, 0 skipped"; exits 1 when any row failed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char *const mutants[] = {"pooled-phases",    "exposure-time",       "two-variants-left-out",
                                      "repeated-events",  "asympcs-stops",       "pooled-wald",
                                      "immature-rewards", "clipped-propensities"};

static void all_rows(struct sim *s)
{
    events_rows(s);
    world_rows(s);
    money_rows(s);
    counts_rows(s);
    drift_rows(s);
    adapted_rows(s);
    regret_rows(s);
    contextual_rows(s);
}

/* The wrong statistic must fail a row; few runs show it. */
static bool found_out(const struct sim *s, const char *name)
{
    struct sim m = {.runs = 200, .jobs = s->jobs, .mutant = name, .quiet = true};
    all_rows(&m);
    bool found = m.failed > 0;
    printf("| wrong on purpose: %s | %d of %d rows fail | | >= 1 | %s |\n", name, m.failed, m.rows,
           found ? "ok" : "FAIL");
    return found;
}

static int usage(void)
{
    fputs("usage: claims [--runs N] [--jobs N] [--only TEXT] [--mutant NAME], N >= 100 runs; mutants:",
          stderr);
    for (size_t i = 0; i < COUNT(mutants); i++)
        fprintf(stderr, " %s", mutants[i]);
    fputs("\n", stderr);
    return 2;
}

static bool read_option(struct sim *s, const char *name, const char *value)
{
    if (strcmp(name, "--runs") == 0)
        return (s->runs = strtoul(value, NULL, 10)) >= 100;
    if (strcmp(name, "--jobs") == 0)
        return (s->jobs = atoi(value)) >= 1;
    if (strcmp(name, "--only") == 0) {
        s->only = value;
        return true;
    }
    if (strcmp(name, "--mutant") != 0)
        return false;
    for (size_t i = 0; i < COUNT(mutants); i++)
        if (strcmp(mutants[i], value) == 0)
            s->mutant = value;
    return s->mutant != NULL;
}

int main(int argc, char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct sim s = {.runs = 200, .jobs = cores > 0 ? (int)cores : 1};
    for (int i = 1; i < argc; i += 2)
        if (i + 1 >= argc || !read_option(&s, argv[i], argv[i + 1]))
            return usage();
    s.full = s.runs >= 10000;
    printf("%zu runs a row%s%s\n\n| what | measured | 99 %% interval | bar | |\n|---|---|---|---|---|\n",
           s.runs, s.mutant ? ", wrong on purpose: " : "", s.mutant ? s.mutant : "");
    all_rows(&s);
    for (size_t i = 0; i < COUNT(mutants) && !s.mutant && !s.only; i++) {
        s.rows++;
        s.failed += !found_out(&s, mutants[i]);
    }
    printf("\n%d passed, %d failed, 0 skipped\n", s.rows - s.failed, s.failed);
    return s.failed > 0 || s.rows == 0;
}
