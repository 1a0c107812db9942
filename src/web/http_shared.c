#include "web/http_shared.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "web/http_address.h"
#include "web/http_peers.h"

#define LINES_A_SECOND 10

struct trust_list {
    struct trust_list *older;
    struct http_trust *trust;
};

struct http_shared {
    pthread_mutex_t lock; /* of the next five: connections come and go seldom beside requests */
    struct http_peers *peers;
    unsigned connections, max_connections, per_address;
    struct trust_list *trusts;
    _Atomic(struct http_trust *) trust;
    uint8_t seed[crypto_shorthash_KEYBYTES];
    _Atomic int log;
    _Atomic int64_t line_second; /* in which lines were counted last */
    _Atomic int lines, left_out;
};

struct http_shared *http_shared_new(unsigned max_connections, unsigned per_address)
{
    struct http_shared *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->peers = http_peers_new(max_connections);
    if (!s->peers) {
        free(s);
        return NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    randombytes_buf(s->seed, sizeof s->seed);
    s->max_connections = max_connections;
    s->per_address = per_address;
    s->log = HTTP_LOG_ERRORS;
    return s;
}

void http_shared_free(struct http_shared *s)
{
    if (!s)
        return;
    while (s->trusts) {
        struct trust_list *t = s->trusts;
        s->trusts = t->older;
        http_trust_free(t->trust);
        free(t);
    }
    http_peers_free(s->peers);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void http_shared_set_caps(struct http_shared *s, unsigned max_connections, unsigned per_address)
{
    pthread_mutex_lock(&s->lock);
    s->max_connections = max_connections;
    s->per_address = per_address;
    pthread_mutex_unlock(&s->lock);
}

void http_shared_set_log(struct http_shared *s, enum http_log log)
{
    atomic_store_explicit(&s->log, (int)log, memory_order_relaxed);
}

int http_log_parse(const char *word, enum http_log *out)
{
    static const char *const words[] = {"off", "errors", "all"};
    for (int i = 0; i <= HTTP_LOG_ALL; i++) {
        if (strcmp(word, words[i]) == 0) {
            *out = (enum http_log)i;
            return 0;
        }
    }
    return -1;
}

int http_shared_set_trust(struct http_shared *s, struct http_trust *trust, struct error *e)
{
    struct trust_list *t = malloc(sizeof *t);
    if (!t) {
        http_trust_free(trust);
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    }
    pthread_mutex_lock(&s->lock);
    *t = (struct trust_list){s->trusts, trust};
    s->trusts = t;
    pthread_mutex_unlock(&s->lock);
    atomic_store_explicit(&s->trust, trust, memory_order_release);
    return ERR_OK;
}

static const struct http_trust *trust_of(struct http_shared *s)
{
    return atomic_load_explicit(&s->trust, memory_order_acquire);
}

bool http_shared_trusts(struct http_shared *s, const struct http_address *a)
{
    return http_trusts(trust_of(s), a);
}

bool http_shared_admit(struct http_shared *s, const struct http_address *a, struct http_peer **peer)
{
    bool capped = !a->local && !http_shared_trusts(s, a);
    *peer = NULL;
    pthread_mutex_lock(&s->lock);
    bool room = s->connections < s->max_connections;
    if (room && capped) {
        *peer = http_peers_add(s->peers, a, s->per_address);
        room = *peer != NULL;
    }
    s->connections += room;
    pthread_mutex_unlock(&s->lock);
    return room;
}

void http_shared_leave(struct http_shared *s, struct http_peer *peer)
{
    pthread_mutex_lock(&s->lock);
    s->connections--;
    if (peer)
        http_peers_remove(s->peers, peer);
    pthread_mutex_unlock(&s->lock);
}

uint64_t http_shared_tag(const struct http_shared *s, const struct http_address *a)
{
    uint8_t key[HTTP_ADDRESS_KEY];
    uint64_t tag;
    http_address_key(a, key);
    crypto_shorthash((unsigned char *)&tag, key, sizeof key, s->seed);
    return tag == 0 ? 1 : tag;
}

void http_shared_forwarded(struct http_shared *s, struct http_address *a, const char *field)
{
    if (field)
        http_forwarded_for(a, trust_of(s), field);
}

enum http_log http_shared_log(const struct http_shared *s)
{
    return (enum http_log)atomic_load_explicit(&s->log, memory_order_relaxed);
}

bool http_shared_may_log(struct http_shared *s, int *left_out)
{
    int64_t second = clock_monotonic_us() / 1000000;
    if (atomic_exchange(&s->line_second, second) != second)
        atomic_store(&s->lines, 0);
    *left_out = 0;
    if (atomic_fetch_add(&s->lines, 1) >= LINES_A_SECOND) {
        atomic_fetch_add(&s->left_out, 1);
        return false;
    }
    *left_out = atomic_exchange(&s->left_out, 0);
    return true;
}
