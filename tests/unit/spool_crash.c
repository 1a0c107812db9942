/* Nothing that the spool acknowledged is lost when its process is killed.
 *   spool_crash                  cycles of: a child pushes and writes each acknowledgement to a pipe, dies by
 *                                SIGKILL at a random moment, and everything acknowledged must be there
 *   spool_crash push FILE N      pushes N numbers one after the other, prints "ack I" or "failed I"
 * (spool_sync.sh) spool_crash verify FILE      reads such lines and fails when an acknowledged number is not
 * in the file Built with EXPECT_LOSS from mutated sources, it succeeds when it catches the loss: the test
 * sees what it is there for. */
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "spool/spool.h"

#ifdef EXPECT_LOSS
enum { CYCLES = 60 };
static const bool expect_loss = true;
#else
enum { CYCLES = 25 };
static const bool expect_loss = false;
#endif
enum { NUMBERS = 1 << 20, IN_FLIGHT = 8, MAX_ACKS = 150 };

static struct spool *open_spool(const char *path)
{
    struct spool_options o = {path, 1 << 30, 300, 4096};
    struct spool *s;
    struct error e;
    if (spool_open(&s, &o, &e) != ERR_OK) {
        fprintf(stderr, "spool_crash: %s\n", e.text);
        exit(2);
    }
    return s;
}

/* What the pushing side knows: how many are on their way. */
struct flight {
    pthread_mutex_t lock;
    pthread_cond_t landed;
    unsigned n;
    int fd; /* acknowledgements as numbers, or -1: as lines on standard output */
};

struct ticket {
    struct flight *flight;
    uint32_t number;
};

static void acknowledge(const struct ticket *t, int code)
{
    char line[32];
    ssize_t put;
    if (t->flight->fd >= 0) {
        put = code == ERR_OK ? write(t->flight->fd, &t->number, sizeof t->number) : 0;
    } else {
        int n = snprintf(line, sizeof line, "%s %u\n", code == ERR_OK ? "ack" : "failed", t->number);
        put = write(STDOUT_FILENO, line, (size_t)n);
    }
    if (put < 0)
        _exit(3);
}

static void on_done(void *arg, int code, const struct error *e)
{
    struct ticket *t = arg;
    (void)e;
    acknowledge(t, code);
    pthread_mutex_lock(&t->flight->lock);
    t->flight->n--;
    pthread_cond_signal(&t->flight->landed);
    pthread_mutex_unlock(&t->flight->lock);
    free(t);
}

static void push_numbers(const char *path, uint32_t from, uint32_t n, unsigned in_flight, int fd)
{
    struct flight f = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, fd};
    struct spool *s = open_spool(path);
    for (uint32_t i = from; i < from + n; i++) {
        struct ticket *t = malloc(sizeof *t);
        *t = (struct ticket){&f, i};
        pthread_mutex_lock(&f.lock);
        while (f.n >= in_flight)
            pthread_cond_wait(&f.landed, &f.lock);
        f.n++;
        pthread_mutex_unlock(&f.lock);
        if (spool_push(s, (uint8_t *)&i, sizeof i, 1, on_done, t) != ERR_OK)
            exit(4);
    }
    spool_close(s);
}

/* Marks the numbers in the file, then empties it. */
static void read_numbers(const char *path, bool *there)
{
    struct spool *s = open_spool(path);
    struct spool_groups g;
    struct error e;
    uint64_t after = 0;
    for (;;) {
        if (spool_read(s, after, 1 << 20, 0, &g, &e) != ERR_OK || (g.first && g.len % 4 != 0)) {
            fprintf(stderr, "spool_crash: unreadable: %s\n", e.text);
            exit(2);
        }
        if (g.first == 0)
            break;
        for (size_t i = 0; i < g.len; i += 4) {
            uint32_t number;
            memcpy(&number, g.bytes + i, 4);
            if (number < NUMBERS)
                there[number] = true;
        }
        after = g.last;
        spool_groups_free(&g);
    }
    struct spool_stats st;
    spool_stats(s, &st);
    if (st.damaged > 0 || spool_delete(s, after, 0, &e) != ERR_OK)
        exit(2);
    spool_close(s);
}

/* One life and death; returns how many acknowledged numbers are not there. */
static unsigned cycle(const char *path, uint32_t *next, unsigned acks, unsigned *acked)
{
    static bool there[NUMBERS];
    static uint32_t seen[NUMBERS];
    int pipes[2];
    unsigned n = 0, lost = 0;
    if (pipe(pipes) != 0)
        exit(2);
    pid_t child = fork();
    if (child == 0) {
        close(pipes[0]);
        push_numbers(path, *next, MAX_ACKS * 4, IN_FLIGHT, pipes[1]);
        _exit(0);
    }
    close(pipes[1]);
    while (n < acks && read(pipes[0], &seen[n], 4) == 4)
        n++;
    kill(child, SIGKILL);
    while (read(pipes[0], &seen[n], 4) == 4) /* acknowledged, and not yet read when it died */
        n++;
    close(pipes[0]);
    waitpid(child, NULL, 0);
    memset(there, 0, sizeof there);
    read_numbers(path, there);
    for (unsigned i = 0; i < n; i++)
        lost += !there[seen[i]];
    *next += MAX_ACKS * 4;
    *acked += n;
    return lost;
}

static int crash(void)
{
    char dir[] = "/tmp/cohort-crash.XXXXXX", path[64], command[64];
    if (!mkdtemp(dir))
        return 2;
    snprintf(path, sizeof path, "%s/spool.db", dir);
    unsigned seed = (unsigned)getpid(), acked = 0, lost = 0, cycles = 0;
    uint32_t next = 0;
    while (cycles < CYCLES && !(expect_loss && lost > 0)) {
        unsigned got = cycle(path, &next, 1 + (unsigned)rand_r(&seed) % MAX_ACKS, &acked);
        lost += got;
        cycles++;
    }
    snprintf(command, sizeof command, "rm -r %s", dir);
    if (system(command) != 0)
        return 2;
    printf("%u kills, %u acknowledged, %u of them lost%s\n", cycles, acked, lost,
           expect_loss ? " (a mutant: a loss is expected)" : "");
    return (lost > 0) == expect_loss ? 0 : 1;
}

static int verify(const char *path)
{
    static bool there[NUMBERS];
    unsigned acks = 0, failures = 0, lost = 0, number;
    char word[16];
    read_numbers(path, there);
    while (scanf("%15s %u", word, &number) == 2) {
        bool acked = strcmp(word, "ack") == 0;
        acks += acked;
        failures += !acked;
        lost += acked && number < NUMBERS && !there[number];
    }
    printf("acks=%u failed=%u lost=%u\n", acks, failures, lost);
    return lost > 0;
}

int main(int argc, char **argv)
{
    log_set_level(LOG_ERROR);
    if (argc == 4 && strcmp(argv[1], "push") == 0)
        push_numbers(argv[2], 0, (uint32_t)strtoul(argv[3], NULL, 10), 1, -1);
    else if (argc == 3 && strcmp(argv[1], "verify") == 0)
        return verify(argv[2]);
    else
        return crash();
    return 0;
}
