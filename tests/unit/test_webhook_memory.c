/* Each allocation fails in turn while a webhook is told, ours and libcurl's: the attempt is refused or ends,
 * what arrives is whole and signed, an answer of 200 is of a request that arrived, and the same sender
 * delivers when there is memory again. */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "cohortd/webhook_send.h"
#include "failing_alloc.h"

#define BODY "{\"event\":\"stop\",\"experiment\":\"cta\"}"
#define SECRET "a secret"
#define NOW_US 1790000000000000
#define ATTEMPT_ENDS_US (3 * WEBHOOK_TIMEOUT_MS * INT64_C(1000))

/* --- the receiver: one request a connection --- */

static int listening;
static atomic_uint whole, odd;

static bool has(const char *head, const char *name, const char *value)
{
    char line[200];
    snprintf(line, sizeof line, "\r\n%s: %s\r\n", name, value);
    return strstr(head, line) != NULL;
}

static bool as_it_should_be(const char *head, const char *body)
{
    char signature[96];
    webhook_signature(SECRET, BODY, strlen(BODY), NOW_US / 1000000, signature);
    return strncmp(head, "POST /hook HTTP/1.1\r\n", 21) == 0 && strcmp(body, BODY) == 0 &&
           has(head, "Content-Type", "application/json") && has(head, "Cohort-Event", "stop") &&
           has(head, "Cohort-Delivery", "delivery-1") && has(head, "Cohort-Signature", signature) &&
           (has(head, "Cohort-Attempt", "1") || has(head, "Cohort-Attempt", "2"));
}

/* A request that was cut off is none. */
static void receive(int fd)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    char text[4096];
    size_t len = 0;
    ssize_t n;
    while (len < sizeof text - 1 && (n = recv(fd, text + len, sizeof text - 1 - len, 0)) > 0) {
        len += (size_t)n;
        text[len] = '\0';
        char *body = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
        if (!body || (length && strlen(body + 4) < strtoul(length + 16, NULL, 10)))
            continue;
        if (as_it_should_be(text, body + 4))
            whole++;
        else
            odd++;
        send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL);
        break;
    }
    close(fd);
}

static void *receiver(void *arg)
{
    (void)arg;
    for (int fd; (fd = accept(listening, NULL, NULL)) >= 0;)
        receive(fd);
    return NULL;
}

static int listen_here(char *url, size_t cap)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listening < 0 || bind(listening, (struct sockaddr *)&a, len) != 0 || listen(listening, 16) != 0 ||
        getsockname(listening, (struct sockaddr *)&a, &len) != 0)
        return -1;
    snprintf(url, cap, "http://127.0.0.1:%d/hook", ntohs(a.sin_port));
    return 0;
}

/* --- the sender --- */

/* What is wrong with an attempt, or NULL. *delivered: it was answered 200. */
static const char *attempt(struct webhook_sender *s, const char *url, int number, bool *delivered)
{
    struct webhook_job job = {.id = "delivery-1",
                              .webhook = "chat",
                              .environment = "production",
                              .url = url,
                              .secret = SECRET,
                              .event = "stop",
                              .body = BODY,
                              .attempt = number};
    struct webhook_outcome o;
    unsigned before = whole;
    int64_t end_us = clock_monotonic_us() + ATTEMPT_ENDS_US;
    *delivered = false;
    int code = webhook_sender_start(s, &job, NOW_US);
    if (code != ERR_OK)
        return code != ERR_NOMEM                                   ? "refused with another error"
               : webhook_sender_free_slots(s) != WEBHOOK_SENDS_MAX ? "refused, and its slot is taken"
                                                                   : NULL;
    while (!webhook_sender_next(s, 20, &o))
        if (clock_monotonic_us() > end_us)
            return "an attempt without an end";
    *delivered = o.status == 200 && !o.why[0];
    if (webhook_sender_free_slots(s) != WEBHOOK_SENDS_MAX)
        return "over, and its slot is taken";
    if (*delivered && whole == before)
        return "delivered, and nothing came";
    if (!*delivered && (o.status != 0 || !o.why[0]))
        return "failed without a reason";
    return odd > 0 ? "what came is not what was to be sent" : NULL;
}

/* Once more where the machine halted for as long as an attempt may take. */
static const char *attempt_awake(struct webhook_sender *s, const char *url, int number, bool *delivered)
{
    int64_t from_us = clock_monotonic_us();
    const char *wrong = attempt(s, url, number, delivered);
    bool late = clock_monotonic_us() - from_us >= WEBHOOK_TIMEOUT_MS * INT64_C(1000);
    return !wrong && !*delivered && late ? attempt(s, url, number, delivered) : wrong;
}

/* True: an allocation failed. */
static bool run(const char *url, enum failing_mode mode, long n, const char **wrong)
{
    struct webhook_sender *s = NULL;
    struct error e;
    bool delivered = false;
    failing_arm(mode, n);
    int code = webhook_sender_new(&s, &e);
    *wrong = code == ERR_OK      ? attempt_awake(s, url, 1, &delivered)
             : code == ERR_NOMEM ? NULL
                                 : "another error";
    bool failed = failing_disarm();
    if (code == ERR_OK && !*wrong && failed && !delivered)
        if (!(*wrong = attempt_awake(s, url, 2, &delivered)) && !delivered)
            *wrong = "not delivered with memory again";
    if (!failed && !delivered && !*wrong)
        *wrong = "not delivered";
    webhook_sender_free(s);
    return failed;
}

int main(void)
{
    static const enum failing_mode modes[] = {FAIL_ONE, FAIL_ALL};
    char url[64];
    const char *wrong;
    unsigned n_failed = 0, n_wrong = 0;
    pthread_t thread;
    if (sodium_init() < 0 || listen_here(url, sizeof url) != 0 ||
        curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, free, realloc, strdup, calloc) != CURLE_OK ||
        pthread_create(&thread, NULL, receiver, NULL) != 0)
        return 1;
    bool more = true;
    for (long n = 0; n < 5000 && more; n++) {
        more = false;
        for (int m = 0; m < 2; m++) {
            bool failed = run(url, modes[m], n, &wrong);
            more = more || failed;
            n_failed += failed;
            if (wrong && n_wrong++ < 20)
                printf("allocation %ld%s: %s\n", n, m ? " and all behind it" : "", wrong);
        }
    }
    shutdown(listening, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(listening);
    curl_global_cleanup();
    printf("%u times an allocation failed, %u times with a wrong outcome; %u requests came\n", n_failed,
           n_wrong, (unsigned)whole);
    return n_wrong > 0 || n_failed < 100;
}
