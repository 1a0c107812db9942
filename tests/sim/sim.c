#include "sim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stats/special.h"

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

void rng_init(struct rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) { /* splitmix64 */
        uint64_t z = seed += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        r->s[i] = z ^ z >> 31;
    }
}

double uniform(struct rng *r)
{
    uint64_t out = rotl(r->s[1] * 5, 7) * 9, t = r->s[1] << 17;
    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= t;
    r->s[3] = rotl(r->s[3], 45);
    return ((double)(out >> 11) + 0.5) * 0x1p-53;
}

double exponential(struct rng *r)
{
    return -log(uniform(r));
}

double normal(struct rng *r)
{
    double radius = sqrt(2 * exponential(r));
    return radius * cos(6.283185307179586 * uniform(r));
}

double geometric(struct rng *r, double p)
{
    return floor(log(uniform(r)) / log1p(-p));
}

bool mutated(const struct sim *s, const char *name)
{
    return s->mutant && strcmp(s->mutant, name) == 0;
}

bool wanted(const struct sim *s, const char *row)
{
    return !s->only || strstr(row, s->only);
}

static uint64_t name_hash(const char *name)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 1099511628211u;
    return h;
}

static void work(double *results, size_t first, size_t step, size_t runs, uint64_t seed, run_fn fn,
                 const void *arg)
{
    for (size_t i = first; i < runs; i += step) {
        struct rng r;
        rng_init(&r, seed + i);
        results[i] = fn(&r, arg);
    }
}

static void give_up(const char *what)
{
    perror(what);
    exit(2);
}

double *results_of(const struct sim *s, const char *row, size_t runs, run_fn fn, const void *arg)
{
    double *results =
        mmap(NULL, runs * sizeof *results, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (results == MAP_FAILED)
        give_up("mmap");
    pid_t children[64];
    int jobs = s->jobs < 64 ? s->jobs : 64;
    fflush(NULL);
    for (int j = 1; j < jobs; j++) {
        children[j] = fork();
        if (children[j] < 0)
            give_up("fork");
        if (children[j] == 0) {
            work(results, (size_t)j, (size_t)jobs, runs, name_hash(row), fn, arg);
            _exit(0);
        }
    }
    work(results, 0, (size_t)jobs, runs, name_hash(row), fn, arg);
    for (int j = 1; j < jobs; j++) {
        int status;
        if (waitpid(children[j], &status, 0) < 0 || status != 0) {
            fprintf(stderr, "%s: a process of the simulation failed (status %d)\n", row, status);
            exit(2);
        }
    }
    return results;
}

void results_free(double *results, size_t runs)
{
    munmap(results, runs * sizeof *results);
}

/* Clopper-Pearson limit of `hits` of `runs`, one-sided with this tail. */
static double limit(double hits, double runs, double tail, bool upper)
{
    double lo = 0, hi = 1;
    if (upper ? hits >= runs : hits <= 0)
        return upper ? 1 : 0;
    for (int i = 0; i < 60; i++) {
        double p = 0.5 * (lo + hi);
        double below =
            upper ? 1 - beta_inc(hits + 1, runs - hits, p, 1 - p) : beta_inc(hits, runs - hits + 1, p, 1 - p);
        *((upper ? below > tail : below < tail) ? &lo : &hi) = p;
    }
    return 0.5 * (lo + hi);
}

static void print_row(struct sim *s, const char *row, const char *value, const char *interval,
                      const char *bar, bool ok)
{
    s->rows++;
    s->failed += !ok;
    if (!s->quiet)
        printf("| %s | %s | %s | %s | %s |\n", row, value, interval, bar, ok ? "ok" : "FAIL");
    fflush(stdout);
}

void row_false(struct sim *s, const char *row, const double *results, size_t runs, double alpha)
{
    double hits = 0, n = (double)runs;
    for (size_t i = 0; i < runs; i++)
        hits += results[i] == 1;
    double noise = 2.6 * sqrt(alpha * (1 - alpha) / 10000), high = limit(hits, n, 0.005, true);
    bool ok = s->full ? hits <= alpha * n && high <= alpha + noise : limit(hits, n, 0.001, false) <= alpha;
    char value[32], interval[64], bar[32];
    snprintf(value, sizeof value, "%.2f %%", 100 * hits / n);
    snprintf(interval, sizeof interval, "%.2f-%.2f %%", 100 * limit(hits, n, 0.005, false), 100 * high);
    snprintf(bar, sizeof bar, "<= %g %%", 100 * alpha);
    print_row(s, row, value, interval, bar, ok);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median_of(double *results, size_t runs)
{
    qsort(results, runs, sizeof *results, by_size);
    return results[runs / 2];
}

void row_median(struct sim *s, const char *row, double *results, size_t runs, double bar)
{
    double median = median_of(results, runs), spread = 2.576 * sqrt((double)runs) / 2,
           middle = (double)runs / 2;
    double low = results[(size_t)fmax(0, middle - spread)];
    double high = results[(size_t)fmin((double)runs - 1, ceil(middle + spread))];
    char value[32], interval[64], text[32];
    snprintf(value, sizeof value, "%.0f", median);
    snprintf(interval, sizeof interval, "%.0f-%.0f", low, high);
    snprintf(text, sizeof text, "<= %.0f", bar);
    print_row(s, row, value, interval, isfinite(bar) ? text : "none", s->full ? median <= bar : low <= bar);
}

void row_number(struct sim *s, const char *row, double value, bool at_most, double bar, double slack)
{
    char text[32], against[32];
    double allowed = s->full ? bar : at_most ? bar * slack : bar / slack;
    snprintf(text, sizeof text, "%.4g", value);
    snprintf(against, sizeof against, isfinite(bar) ? "%s %g" : "none", at_most ? "<=" : ">=", bar);
    print_row(s, row, text, "", against, at_most ? value <= allowed : value >= allowed);
}
