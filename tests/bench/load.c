/* Load on one server, and how long its answers took: open loop (so many requests a second, whatever comes
 * back) or closed loop (each connection asks again when it has its answer). In an open loop a latency counts
 * from the moment a request was due, so that a server that stalls does not hide it.
 *
 *   load ADDRESS:PORT REQUEST [-c CONNECTIONS] [-i IDLE] [-r RATE] [-t SECONDS] [-q QUEUE] [-o]
 *
 * REQUEST is a file with one whole HTTP request, sent as it is; its answers must have a Content-Length. -i:
 * as many connections more ask once and then stay. -q: how many requests may be due on a connection that
 * waits for its answer (64); what is due beyond is given up. With 0 nothing is kept back here, so a latency
 * counts from the moment of sending: when this program is late, that is not the server's fault. -o: who is
 * told Retry-After obeys; what was due meanwhile is "held". Prints one line of JSON; times are in
 * microseconds. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WAITING 65 /* requests due on a connection, one of them under way */
#define SUB 64     /* buckets of a histogram for each power of two: 1.6 % */
#define BUCKETS (40 * SUB)
#define ANSWER 65536
#define WARM_UP_US 500000

struct histogram {
    uint64_t n, max, buckets[BUCKETS];
};

struct connection {
    int fd;
    bool connecting, busy, idle, asked;
    int64_t due[WAITING]; /* due[from % WAITING] is the one under way when busy */
    unsigned from, n;
    int64_t quiet_until;
    size_t sent, have;
    char *answer;
};

static struct {
    struct sockaddr_in to;
    char *request;
    size_t request_len;
    unsigned connections, idle, queue;
    double rate, seconds;
    bool obey;
} o = {.connections = 64, .queue = WAITING - 1, .seconds = 5};

static struct histogram good, refused;
static uint64_t held, given_up, failed, other;
static struct connection *everyone;
static int poller;
static int64_t now, measure_from, end_at;

static int64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static void record(struct histogram *h, int64_t us)
{
    uint64_t v = us > 0 ? (uint64_t)us : 0;
    unsigned shift = v < 2 * SUB ? 0 : 63 - (unsigned)__builtin_clzll(v) - 6;
    size_t i = shift * SUB + (v >> shift);
    h->buckets[i < BUCKETS ? i : BUCKETS - 1]++;
    h->max = v > h->max ? v : h->max;
    h->n++;
}

static uint64_t quantile(const struct histogram *h, double q)
{
    uint64_t want = (uint64_t)(q * (double)h->n), seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > want)
            return i < 2 * SUB ? i : (i % SUB + SUB) << (i / SUB - 1);
    }
    return h->max;
}

/* The connection starts anew; what was under way has failed. */
static void connect_again(struct connection *c)
{
    int on = 1;
    if (c->fd >= 0)
        close(c->fd);
    if (c->busy) {
        failed += now >= measure_from;
        c->from++;
        c->n--;
    }
    c->busy = false;
    c->sent = c->have = 0;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (struct sockaddr *)&o.to, sizeof o.to) != 0 && errno != EINPROGRESS)
        die("connect");
    c->connecting = true;
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e) != 0)
        die("epoll_ctl");
}

static void write_more(struct connection *c)
{
    ssize_t n = send(c->fd, o.request + c->sent, o.request_len - c->sent, MSG_NOSIGNAL);
    if (n > 0)
        c->sent += (size_t)n;
    bool all = c->sent == o.request_len;
    if (!all && n < 0 && errno != EAGAIN)
        connect_again(c);
    else if (!all || n < 0) {
        struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
    }
}

/* Sends what is due, when the connection is free. */
static void go_on(struct connection *c)
{
    while (c->n > 0 && !c->busy && c->quiet_until > now) {
        held += now >= measure_from;
        c->from++;
        c->n--;
    }
    if (c->n == 0 || c->busy || c->connecting)
        return;
    c->busy = true;
    c->sent = c->have = 0;
    write_more(c);
}

static void make_due(struct connection *c, int64_t at)
{
    if (c->n > o.queue) {
        given_up += now >= measure_from;
        return;
    }
    c->due[(c->from + c->n++) % WAITING] = o.queue == 0 ? clock_us() : at;
    go_on(c);
}

static long header(const char *head, const char *end, const char *name)
{
    const char *p = memmem(head, (size_t)(end - head), name, strlen(name));
    return p ? strtol(p + strlen(name), NULL, 10) : -1;
}

static void answered(struct connection *c, int status, long retry)
{
    int64_t took = now - c->due[c->from % WAITING];
    bool no = status == 429 || status == 503;
    if (now >= measure_from && !c->idle) {
        if (status < 300)
            record(&good, took);
        else if (no)
            record(&refused, took);
        else
            other++;
    }
    c->busy = false;
    c->from++;
    c->n--;
    if (no && o.obey && retry > 0 && o.rate > 0)
        c->quiet_until = now + retry * 1000000;
    if (o.rate == 0 && !c->idle && now < end_at)
        make_due(c, now);
    go_on(c);
}

/* One answer at the front of what was read; false when it is not whole. */
static bool take_answer(struct connection *c)
{
    const char *end = memmem(c->answer, c->have, "\r\n\r\n", 4);
    if (!end)
        return false;
    long length = header(c->answer, end, "\r\nContent-Length: ");
    size_t whole = (size_t)(end + 4 - c->answer) + (length > 0 ? (size_t)length : 0);
    if (c->have < whole)
        return false;
    int status = atoi(c->answer + 9);
    long retry = header(c->answer, end, "\r\nRetry-After: ");
    c->have = 0;
    answered(c, status, retry);
    return true;
}

static void read_some(struct connection *c)
{
    ssize_t n = recv(c->fd, c->answer + c->have, ANSWER - c->have, 0);
    if (n > 0) {
        c->have += (size_t)n;
        take_answer(c);
        if (c->have == ANSWER)
            connect_again(c);
    } else if (n == 0 || errno != EAGAIN) {
        connect_again(c);
    }
}

static void on_ready(struct connection *c, uint32_t events)
{
    if (c->connecting && (events & (EPOLLERR | EPOLLHUP))) {
        connect_again(c);
        return;
    }
    if (events & EPOLLOUT) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
        c->connecting = false;
        if (c->busy)
            write_more(c);
        else
            go_on(c);
    }
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
        read_some(c);
}

static void open_all(void)
{
    everyone = calloc(o.connections + o.idle, sizeof *everyone);
    for (unsigned i = 0; i < o.connections + o.idle; i++) {
        struct connection *c = &everyone[i];
        c->fd = -1;
        c->idle = i >= o.connections;
        c->answer = malloc(ANSWER); /* touched only as far as answers reach */
        connect_again(c);
        if (c->idle || o.rate == 0)
            make_due(c, now);
    }
}

static void wait_ready(int64_t until)
{
    struct epoll_event ready[256];
    int64_t wait = until - clock_us();
    if (wait < 0)
        wait = 0;
    struct timespec t = {wait / 1000000, wait % 1000000 * 1000};
    int n = epoll_pwait2(poller, ready, 256, &t, NULL);
    if (n < 0 && errno == ENOSYS)
        n = epoll_wait(poller, ready, 256, wait < 1000 ? 0 : (int)(wait / 1000));
    now = clock_us();
    for (int i = 0; i < n; i++)
        on_ready(ready[i].data.ptr, ready[i].events);
}

static void run(void)
{
    now = clock_us();
    measure_from = INT64_MAX;
    end_at = INT64_MAX;
    open_all();
    bool settled = false;
    while (!settled) {
        settled = true;
        wait_ready(now + 100000);
        for (unsigned i = 0; i < o.connections + o.idle; i++)
            settled = settled && !everyone[i].connecting && !(everyone[i].idle && everyone[i].busy);
    }
    int64_t from = now;
    measure_from = from + WARM_UP_US;
    end_at = measure_from + (int64_t)(o.seconds * 1e6);
    for (uint64_t sent = 0; now < end_at;) {
        int64_t due = o.rate > 0 ? from + (int64_t)((double)sent * 1e6 / o.rate) : end_at;
        if (due > now) {
            wait_ready(due < end_at ? due : end_at);
            continue;
        }
        make_due(&everyone[sent++ % o.connections], due);
        if (sent % 64 == 0)
            wait_ready(now);
    }
}

static void print_line(void)
{
    printf("{\"good\": %llu, \"refused\": %llu, \"held\": %llu, \"given_up\": %llu, \"failed\": %llu, "
           "\"other\": %llu, \"good_per_s\": %.0f, \"p50\": %llu, \"p90\": %llu, \"p99\": %llu, \"p999\": "
           "%llu, \"max\": %llu, "
           "\"refused_p50\": %llu, \"refused_p99\": %llu, \"refused_max\": %llu}\n",
           (unsigned long long)good.n, (unsigned long long)refused.n, (unsigned long long)held,
           (unsigned long long)given_up, (unsigned long long)failed, (unsigned long long)other,
           (double)good.n / o.seconds, (unsigned long long)quantile(&good, .5),
           (unsigned long long)quantile(&good, .9), (unsigned long long)quantile(&good, .99),
           (unsigned long long)quantile(&good, .999), (unsigned long long)good.max,
           (unsigned long long)quantile(&refused, .5), (unsigned long long)quantile(&refused, .99),
           (unsigned long long)refused.max);
}

static void read_request(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        die(path);
    o.request = malloc(ANSWER);
    o.request_len = fread(o.request, 1, ANSWER, f);
    fclose(f);
}

static void read_arguments(int argc, char **argv)
{
    int option;
    char host[64];
    unsigned port;
    while ((option = getopt(argc, argv, "c:i:r:t:q:o")) != -1) {
        switch (option) {
        case 'c':
            o.connections = (unsigned)atoi(optarg);
            break;
        case 'i':
            o.idle = (unsigned)atoi(optarg);
            break;
        case 'q':
            o.queue = (unsigned)atoi(optarg);
            break;
        case 'r':
            o.rate = atof(optarg);
            break;
        case 't':
            o.seconds = atof(optarg);
            break;
        case 'o':
            o.obey = true;
            break;
        default:
            exit(EXIT_FAILURE);
        }
    }
    if (argc - optind != 2 || o.queue >= WAITING || sscanf(argv[optind], "%63[^:]:%u", host, &port) != 2) {
        fprintf(stderr, "usage: load ADDRESS:PORT REQUEST [-c CONNECTIONS] [-i IDLE] [-r RATE] [-t SECONDS] "
                        "[-q QUEUE] [-o]\n");
        exit(EXIT_FAILURE);
    }
    o.to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, host, &o.to.sin_addr);
    read_request(argv[optind + 1]);
}

int main(int argc, char **argv)
{
    struct rlimit r;
    read_arguments(argc, argv);
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
    poller = epoll_create1(EPOLL_CLOEXEC);
    run();
    print_line();
    return EXIT_SUCCESS;
}
