/* The spool's commits beside a bare write and fdatasync of the same bytes, in turns, on the same disk:
 *
 *     make tests/bench/spool && tests/bench/spool [directory] [rounds]
 *
 * An event is 128 bytes and a push 1 KB; a group is waited for before the next one is pushed. CPU is that of
 * the whole process, user and system. Build with -O2 and without sanitizers. */
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "spool/spool.h"

enum { EVENT = 128, PUSH = 1024, ROUNDS_MAX = 99 };

struct run {
    double events_s, cpu_us, p50_us, p99_us; /* CPU: an event; the others: a group */
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static int64_t cpu_us(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t done, failed;
};

static void on_done(void *arg, int code, const struct error *e)
{
    struct waiter *w = arg;
    (void)e;
    pthread_mutex_lock(&w->lock);
    w->done++;
    w->failed += code != ERR_OK;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

/* One group: to the spool, or, without one, to the end of a file. */
static void put_group(struct spool *s, int fd, const uint8_t *bytes, size_t len)
{
    static struct waiter w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
    if (!s) {
        if (write(fd, bytes, len) != (ssize_t)len || fdatasync(fd) != 0)
            die("bare", "the disk refused");
        return;
    }
    w.done = w.failed = 0;
    for (size_t at = 0; at < len; at += PUSH) {
        if (spool_push(s, bytes + at, PUSH, PUSH / EVENT, on_done, &w) != ERR_OK)
            die("spool_push", "refused");
    }
    pthread_mutex_lock(&w.lock);
    while (w.done < len / PUSH)
        pthread_cond_wait(&w.changed, &w.lock);
    pthread_mutex_unlock(&w.lock);
    if (w.failed > 0)
        die("spool", "a group was not committed");
}

static struct run measure(struct spool *s, int fd, size_t len, size_t groups)
{
    static uint8_t bytes[65536];
    int64_t *spent = malloc(groups * sizeof *spent);
    memset(bytes, 'e', sizeof bytes);
    int64_t begin = clock_monotonic_us(), cpu = cpu_us();
    for (size_t i = 0; i < groups; i++) {
        int64_t start = clock_monotonic_us();
        put_group(s, fd, bytes, len);
        spent[i] = clock_monotonic_us() - start;
    }
    double events = (double)(groups * len / EVENT);
    struct run r = {events / ((double)(clock_monotonic_us() - begin) / 1e6),
                    (double)(cpu_us() - cpu) / events, 0, 0};
    qsort(spent, groups, sizeof *spent, by_time);
    r.p50_us = (double)spent[groups / 2];
    r.p99_us = (double)spent[groups * 99 / 100];
    free(spent);
    return r;
}

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Prints the median of a member over the rounds, and its range. */
static void show(const char *what, const struct run *runs, int n, size_t member, const char *unit)
{
    double v[ROUNDS_MAX];
    for (int i = 0; i < n; i++)
        memcpy(&v[i], (const char *)&runs[i] + member, sizeof v[i]);
    qsort(v, (size_t)n, sizeof *v, by_double);
    printf("  %-28s %10.2f %s (%.2f to %.2f)\n", what, v[n / 2], unit, v[0], v[n - 1]);
}

static void show_all(const char *who, const struct run *runs, int n)
{
    printf(" %s\n", who);
    show("events", runs, n, offsetof(struct run, events_s), "a second");
    show("CPU", runs, n, offsetof(struct run, cpu_us), "us an event");
    show("a group, median", runs, n, offsetof(struct run, p50_us), "us");
    show("a group, 99th percentile", runs, n, offsetof(struct run, p99_us), "us");
}

/* A row for tests/bench/run.py. */
static void print_row(const char *name, const struct run *ours, const struct run *theirs, int n)
{
    double a[ROUNDS_MAX], b[ROUNDS_MAX], ratio[ROUNDS_MAX];
    for (int i = 0; i < n; i++) {
        a[i] = ours[i].events_s;
        b[i] = theirs[i].events_s;
        ratio[i] = a[i] / b[i];
    }
    qsort(a, (size_t)n, sizeof *a, by_double);
    qsort(b, (size_t)n, sizeof *b, by_double);
    qsort(ratio, (size_t)n, sizeof *ratio, by_double);
    printf("%s|events/s, more is better|%.0f|%.0f|%.3f|%.3f|%.3f\n", name, a[n / 2], b[n / 2], ratio[n / 2],
           ratio[0], ratio[n - 1]);
}

static void compare(const char *dir, size_t len, size_t groups, int rounds)
{
    static struct run spool[ROUNDS_MAX], bare[ROUNDS_MAX];
    char path[512], plain[512], command[600];
    struct spool *s;
    struct error e;
    snprintf(path, sizeof path, "%s/spool.db", dir);
    snprintf(plain, sizeof plain, "%s/bare", dir);
    struct spool_options o = {path, 4ull << 30, 1000000, len};
    if (spool_open(&s, &o, &e) != ERR_OK)
        die("spool_open", e.text);
    for (int i = 0; i < rounds; i++) {
        int fd = open(plain, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
        bare[i] = measure(NULL, fd, len, groups);
        close(fd);
        spool[i] = measure(s, -1, len, groups);
    }
    spool_close(s);
    snprintf(command, sizeof command, "rm -f '%s'*", path);
    if (system(command) != 0 || unlink(plain) != 0)
        die(dir, "can't be emptied");
    printf("groups of %zu KB, %d rounds of %zu: median (range)\n", len / 1024, rounds, groups);
    show_all("bare write and fdatasync", bare, rounds);
    show_all("the spool", spool, rounds);
    print_row(len > 4096 ? "spool, groups of 64 KB / write + fdatasync"
                         : "spool, groups of 4 KB / write + fdatasync",
              spool, bare, rounds);
}

int main(int argc, char **argv)
{
    const char *under = argc > 1 ? argv[1] : ".";
    int rounds = argc > 2 ? atoi(argv[2]) : 5;
    char dir[400];
    if (rounds < 1 || rounds > ROUNDS_MAX)
        die("usage", "spool [directory] [rounds]");
    snprintf(dir, sizeof dir, "%s/spool-bench.XXXXXX", under);
    if (!mkdtemp(dir))
        die(dir, "can't be made");
    compare(dir, 4096, 1000, rounds);
    compare(dir, 65536, 250, rounds);
    return rmdir(dir) != 0;
}
