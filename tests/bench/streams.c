/* Many streams in one process: opens them, and when they are told of a change says how long that took, how
 * many were told in each 100 ms, and how the server answers when each asks again at once.
 *
 *     streams ADDRESS PORT PATH STREAMS CHANGES API_KEY
 *
 * Prints "open" when all are, and after each of the CHANGES one line of numbers. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ASKERS 64 /* connections over which all ask again */
#define SLOTS 64  /* of 100 ms */

struct stream {
    int fd;
    unsigned told;
};

/* One connection's requests go out as messages come in; answers are counted by their status lines. */
struct asker {
    int fd;
    size_t asked, answered, refused;
    char tail[10]; /* the end of what was read last: a status line may be cut */
    size_t n_tail;
};

static struct stream *streams;
static struct asker askers[ASKERS];
static struct sockaddr_in server;
static const char *api_key;
static size_t n_streams;
static int queue;

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

static void fail(const char *what)
{
    fprintf(stderr, "streams: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent < 0)
            fail("send");
        p += sent;
        n -= (size_t)sent;
    }
}

static int join(uint64_t id)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = id};
    if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof server) != 0 ||
        epoll_ctl(queue, EPOLL_CTL_ADD, fd, &e) != 0)
        fail("connect");
    return fd;
}

static void ask(size_t client)
{
    struct asker *a = &askers[client % ASKERS];
    char body[64], text[512];
    int n = snprintf(body, sizeof body, "{\"context\":{\"targetingKey\":\"client-%zu\"}}", client);
    n = snprintf(text, sizeof text,
                 "POST /ofrep/v1/evaluate/flags?flagConfigEtag=1 HTTP/1.1\r\nHost: h\r\nX-API-Key: %s\r\n"
                 "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                 api_key, n, body);
    send_all(a->fd, text, (size_t)n);
    a->asked++;
}

static unsigned count(const char *text, size_t n, const char *word)
{
    unsigned found = 0;
    size_t len = strlen(word);
    for (const char *p = text; (p = memmem(p, n - (size_t)(p - text), word, len)); p += len)
        found++;
    return found;
}

static void read_answers(struct asker *a)
{
    char text[65536 + sizeof a->tail];
    memcpy(text, a->tail, a->n_tail);
    ssize_t got = recv(a->fd, text + a->n_tail, 65536, 0);
    if (got <= 0)
        fail("an answer");
    size_t n = a->n_tail + (size_t)got, keep = n < sizeof a->tail ? n : sizeof a->tail - 1;
    size_t refused = count(text, n, "HTTP/1.1 4") + count(text, n, "HTTP/1.1 5");
    a->answered += count(text, n, "HTTP/1.1 2") + refused;
    a->refused += refused;
    /* shorter than the words: nothing is counted twice */
    memcpy(a->tail, text + n - keep, keep);
    a->n_tail = keep;
}

/* How many messages came; the greeting counts as one. */
static unsigned read_stream(struct stream *s)
{
    char text[4096];
    ssize_t n = recv(s->fd, text, sizeof text, 0);
    if (n <= 0)
        fail("a stream ended");
    return count(text, (size_t)n, "id: ");
}

static void open_all(const char *path)
{
    char text[512];
    struct epoll_event events[256];
    int n =
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n", path);
    size_t greeted = 0;
    for (size_t i = 0; i < n_streams; i++) {
        streams[i].fd = join(i);
        send_all(streams[i].fd, text, (size_t)n);
    }
    while (greeted < n_streams) {
        int k = epoll_wait(queue, events, 256, 10000);
        if (k <= 0)
            fail("the streams don't open");
        for (int i = 0; i < k; i++)
            greeted += read_stream(&streams[events[i].data.u64]);
    }
    for (size_t i = 0; i < ASKERS; i++)
        askers[i].fd = join(n_streams + i);
    puts("open");
    fflush(stdout);
}

struct change {
    int64_t first, last, answered_at;
    size_t told, answered, refused;
    unsigned slots[SLOTS];
};

static void on_told(struct change *c, size_t stream, unsigned n)
{
    int64_t now = now_us();
    if (n == 0)
        return;
    if (c->told == 0)
        c->first = now;
    c->told++;
    c->last = now;
    int64_t slot = (now - c->first) / 100000;
    c->slots[slot < SLOTS ? slot : SLOTS - 1]++;
    ask(stream);
}

static void follow(unsigned number)
{
    struct change c = {0};
    struct epoll_event events[256];
    unsigned most = 0;
    size_t answered_before = 0, left = n_streams;
    for (size_t i = 0; i < ASKERS; i++) {
        answered_before += askers[i].answered;
        c.refused -= askers[i].refused;
    }
    while (left > 0) {
        int k = epoll_wait(queue, events, 256, 60000);
        if (k <= 0)
            fail("no change was told");
        for (int i = 0; i < k; i++) {
            uint64_t id = events[i].data.u64;
            if (id < n_streams)
                on_told(&c, id, read_stream(&streams[id]));
            else
                read_answers(&askers[id - n_streams]);
        }
        c.answered = 0;
        for (size_t i = 0; i < ASKERS; i++)
            c.answered += askers[i].answered;
        c.answered -= answered_before;
        left = c.told < n_streams ? n_streams : n_streams - (c.answered < n_streams ? c.answered : n_streams);
    }
    c.answered_at = now_us();
    for (size_t i = 0; i < SLOTS; i++)
        most = c.slots[i] > most ? c.slots[i] : most;
    for (size_t i = 0; i < ASKERS; i++)
        c.refused += askers[i].refused;
    printf("change %u told %zu over_ms %lld most_in_100ms %u answered_ms %lld refused %zu first_us %lld\n",
           number, c.told, (long long)((c.last - c.first) / 1000), most,
           (long long)((c.answered_at - c.first) / 1000), c.refused, (long long)c.first);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: streams ADDRESS PORT PATH STREAMS CHANGES API_KEY\n");
        return EXIT_FAILURE;
    }
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    inet_pton(AF_INET, argv[1], &server.sin_addr);
    n_streams = (size_t)atoi(argv[4]);
    api_key = argv[6];
    queue = epoll_create1(EPOLL_CLOEXEC);
    streams = calloc(n_streams, sizeof *streams);
    if (queue < 0 || !streams)
        fail("a start");
    open_all(argv[3]);
    for (int i = 0; i < atoi(argv[5]); i++)
        follow((unsigned)i + 1);
    return EXIT_SUCCESS;
}
