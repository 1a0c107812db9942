#include "web/http_peers.h"

#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "web/http_address.h"

#define KEY_LEN HTTP_ADDRESS_KEY

struct http_peer {
    struct http_peer *next;
    unsigned count;
    uint8_t key[KEY_LEN];
};

struct http_peers {
    size_t mask;
    uint8_t seed[crypto_shorthash_KEYBYTES]; /* random: nobody can aim at one bucket */
    struct http_peer *buckets[];
};

struct http_peers *http_peers_new(unsigned expected)
{
    size_t n = 64;
    while (n < expected && n < 65536)
        n *= 2;
    struct http_peers *t = calloc(1, sizeof *t + n * sizeof(t->buckets[0]));
    if (!t)
        return NULL;
    t->mask = n - 1;
    randombytes_buf(t->seed, sizeof t->seed);
    return t;
}

void http_peers_free(struct http_peers *t)
{
    if (!t)
        return;
    for (size_t i = 0; i <= t->mask; i++) {
        while (t->buckets[i]) {
            struct http_peer *p = t->buckets[i];
            t->buckets[i] = p->next;
            free(p);
        }
    }
    free(t);
}

static struct http_peer **bucket_of(struct http_peers *t, const uint8_t key[KEY_LEN])
{
    uint64_t hash;
    crypto_shorthash((unsigned char *)&hash, key, KEY_LEN, t->seed);
    return &t->buckets[hash & t->mask];
}

struct http_peer *http_peers_add(struct http_peers *t, const struct http_address *address, unsigned max)
{
    if (max == 0)
        return NULL;
    uint8_t key[KEY_LEN];
    http_address_key(address, key);
    struct http_peer **bucket = bucket_of(t, key), *p = *bucket;
    while (p && memcmp(p->key, key, KEY_LEN) != 0)
        p = p->next;
    if (!p) {
        p = calloc(1, sizeof *p);
        if (!p)
            return NULL;
        memcpy(p->key, key, KEY_LEN);
        p->next = *bucket;
        *bucket = p;
    }
    if (p->count >= max)
        return NULL;
    p->count++;
    return p;
}

void http_peers_remove(struct http_peers *t, struct http_peer *p)
{
    if (--p->count > 0)
        return;
    struct http_peer **at = bucket_of(t, p->key);
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    free(p);
}
