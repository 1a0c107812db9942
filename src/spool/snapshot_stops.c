/* The stops: a file of sealed entries, in two copies. Each entry is judged by itself, so that a damaged one
 * takes no other with it, and what one copy lost the other has. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "spool/snapshot_private.h"

enum { FORMAT = 1, HEAD = 16, TEXTS = 101 + 101 + 512, ENTRY = TEXTS + 16 + 8, ENTRY_SEAL = 16 };
static const char *const names[2] = {"stops", "stops.2"};

static void put_i64(uint8_t *to, int64_t v)
{
    for (int i = 0; i < 8; i++)
        to[i] = (uint8_t)((uint64_t)v >> (8 * i));
}

static int64_t get_i64(const uint8_t *from)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v |= (uint64_t)from[i] << (8 * i);
    return (int64_t)v;
}

static void seal(const struct snapshots *s, const uint8_t *entry, uint8_t out[ENTRY_SEAL])
{
    crypto_generichash(out, ENTRY_SEAL, entry, ENTRY, s->key, sizeof s->key);
}

static void write_entry(const struct snapshots *s, const struct snapshot_stop *stop, uint8_t *to)
{
    memcpy(to, stop->environment, 101);
    memcpy(to + 101, stop->experiment, 101);
    memcpy(to + 202, stop->sentence, 512);
    memcpy(to + TEXTS, stop->salt, 16);
    put_i64(to + TEXTS + 16, stop->at_us);
    seal(s, to, to + ENTRY);
}

static void read_entry(const uint8_t *from, struct snapshot_stop *stop)
{
    memcpy(stop->environment, from, 101);
    memcpy(stop->experiment, from + 101, 101);
    memcpy(stop->sentence, from + 202, 512);
    memcpy(stop->salt, from + TEXTS, 16);
    stop->at_us = get_i64(from + TEXTS + 16);
}

static bool is_known(const struct snapshots *s, const uint8_t salt[16])
{
    for (size_t i = 0; i < s->n_stops; i++) {
        if (memcmp(s->stops[i].salt, salt, 16) == 0)
            return true;
    }
    return false;
}

static int remember(struct snapshots *s, const struct snapshot_stop *stop, struct error *e)
{
    if (s->n_stops == s->stops_cap) {
        size_t cap = 2 * s->stops_cap + 16;
        struct snapshot_stop *stops = realloc(s->stops, cap * sizeof *stops);
        if (!stops)
            return error_set(e, ERR_NOMEM, s->dir, "out of memory for the stops");
        s->stops = stops;
        s->stops_cap = cap;
    }
    s->stops[s->n_stops++] = *stop;
    return ERR_OK;
}

/* Takes from one copy what it has; false: something in it was not what was written. */
static bool take_copy(struct snapshots *s, const uint8_t *body, size_t len, struct error *e)
{
    bool whole = len >= HEAD && memcmp(body, "csst", 4) == 0;
    uint64_t promised = whole ? (uint64_t)get_i64(body + 8) : 0, found = 0;
    for (size_t at = HEAD; at + ENTRY + ENTRY_SEAL <= len; at += ENTRY + ENTRY_SEAL) {
        uint8_t sum[ENTRY_SEAL];
        struct snapshot_stop stop;
        seal(s, body + at, sum);
        if (memcmp(sum, body + at + ENTRY, sizeof sum) != 0)
            continue;
        found++;
        read_entry(body + at, &stop);
        if (!is_known(s, stop.salt) && remember(s, &stop, e) != ERR_OK)
            return false;
    }
    return whole && found == promised;
}

static int write_copies(struct snapshots *s, struct error *e)
{
    size_t len = HEAD + s->n_stops * (ENTRY + ENTRY_SEAL);
    uint8_t *body = calloc(1, len);
    if (!body)
        return error_set(e, ERR_NOMEM, s->dir, "out of memory for the stops");
    memcpy(body, "csst", 4);
    body[4] = FORMAT;
    put_i64(body + 8, (int64_t)s->n_stops);
    for (size_t i = 0; i < s->n_stops; i++)
        write_entry(s, &s->stops[i], body + HEAD + i * (ENTRY + ENTRY_SEAL));
    int code = ERR_OK;
    for (int i = 0; i < 2 && code == ERR_OK; i++)
        code = snapshot_write(s->dir, names[i], s->key, body, len, e);
    free(body);
    return code;
}

/* A copy whose file seal does not match is still read entry by entry. */
static int read_copy(struct snapshots *s, const char *name, bool *whole, struct error *e)
{
    uint8_t *body = NULL;
    size_t len = 0;
    error_clear(e);
    int code = snapshot_read(s->dir, name, s->key, &body, &len, e);
    *whole = code == ERR_OK;
    if (code == ERR_DAMAGED) {
        log_error("snapshot", "%s", e->text);
        code = snapshot_read(s->dir, name, NULL, &body, &len, e);
        if (code == ERR_DAMAGED) /* shorter than a seal */
            return ERR_OK;
    }
    error_clear(e);
    if (code == ERR_OK && !take_copy(s, body, len, e)) {
        *whole = false;
        code = e->code; /* out of memory, or nothing */
    }
    free(body);
    return code;
}

int snapshot_stops_read(struct snapshots *s, struct error *e)
{
    bool whole[2];
    int code[2];
    for (int i = 0; i < 2; i++) {
        code[i] = read_copy(s, names[i], &whole[i], e);
        if (code[i] != ERR_OK && code[i] != ERR_NOT_FOUND)
            return code[i];
    }
    if ((whole[0] && whole[1]) || (code[0] == ERR_NOT_FOUND && code[1] == ERR_NOT_FOUND))
        return ERR_OK;
    if (!whole[0] && !whole[1])
        log_error("snapshot", "%s: both copies of the stops are damaged: %zu of them could be read", s->dir,
                  s->n_stops);
    else
        log_warn("snapshot", "%s: one copy of the stops was damaged or missing; it is made again", s->dir);
    return write_copies(s, e);
}

int snapshots_add_stop(struct snapshots *s, const struct snapshot_stop *stop, struct error *e)
{
    int code = ERR_OK;
    struct snapshot_stop clean = {.at_us = stop->at_us};
    memcpy(clean.salt, stop->salt, sizeof clean.salt);
    snprintf(clean.environment, sizeof clean.environment, "%s", stop->environment);
    snprintf(clean.experiment, sizeof clean.experiment, "%s", stop->experiment);
    snprintf(clean.sentence, sizeof clean.sentence, "%s", stop->sentence);
    pthread_mutex_lock(&s->lock);
    if (!is_known(s, stop->salt)) {
        code = remember(s, &clean, e);
        if (code == ERR_OK && (code = write_copies(s, e)) != ERR_OK)
            s->n_stops--; /* so that the caller's next attempt writes it */
    }
    pthread_mutex_unlock(&s->lock);
    return code;
}

int snapshots_each_stop(const struct snapshots *s, snapshot_stop_fn *fn, void *arg)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&s->lock; /* reading is const to the caller */
    int code = ERR_OK;
    pthread_mutex_lock(lock);
    for (size_t i = 0; i < s->n_stops && code == ERR_OK; i++)
        code = fn(arg, &s->stops[i]);
    pthread_mutex_unlock(lock);
    return code;
}
