#include "store/ship_batch.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void batch_clear(struct ship_batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        free(b->entries[i].replaced);
    b->n = 0;
}

void ship_batch_free(struct ship_batch *b)
{
    batch_clear(b);
    free(b->entries);
    *b = (struct ship_batch){0};
}

static struct ship_entry *add_entry(struct ship_batch *b)
{
    if (b->n == b->cap) {
        size_t cap = b->cap ? 2 * b->cap : 1024;
        struct ship_entry *entries = realloc(b->entries, cap * sizeof *entries);
        if (!entries)
            return NULL;
        b->entries = entries;
        b->cap = cap;
    }
    struct ship_entry *entry = &b->entries[b->n];
    entry->replaced = NULL;
    return entry;
}

int ship_batch_decode(struct ship_batch *b, uint64_t first, uint64_t last, const uint8_t *bytes, size_t len,
                      size_t *lost)
{
    struct record_reader reader;
    record_reader_init(&reader, bytes, len);
    batch_clear(b);
    b->first = first;
    b->last = last;
    *lost = 0;
    for (;;) {
        struct ship_entry *entry = add_entry(b);
        if (!entry)
            return ERR_NOMEM;
        int got = record_next(&reader, &entry->record);
        if (got == 0)
            return ERR_OK;
        if (got < 0) {
            *lost = record_unread(&reader);
            return ERR_DAMAGED;
        }
        b->n++;
    }
}

static const char *kind_name(enum record_kind kind)
{
    switch (kind) {
    case RECORD_EXPOSURE:
        return "exposure";
    case RECORD_OUTCOME:
        return "outcome";
    case RECORD_DECISION:
        return "decision";
    case RECORD_DEAD_LETTER:
        break;
    }
    return "dead_letter";
}

static struct record_text text(const char *s)
{
    return (struct record_text){s, strlen(s)};
}

/* One piece of memory: the detail, then the body {"record":"<hex>"}, which PostgreSQL can always store.
 * place: more of its members, or empty. */
static int make_letter(struct record_dead_letter *l, char **memory, const char *detail, const uint8_t *raw,
                       size_t raw_len, const char *place)
{
    size_t head = strlen(detail) + 1;
    char *m = malloc(head + 2 * raw_len + strlen(place) + 32);
    if (!m)
        return ERR_NOMEM;
    memcpy(m, detail, head);
    *memory = m;
    l->detail = text(m);
    if (!raw)
        return ERR_OK;
    char *body = m + head;
    size_t n = (size_t)sprintf(body, "{\"record\":\"");
    sodium_bin2hex(body + n, 2 * raw_len + 1, raw, raw_len);
    n += 2 * raw_len;
    n += (size_t)sprintf(body + n, "\"%s}", place);
    l->body = (struct record_text){body, n};
    l->body_length = raw_len > INT32_MAX ? INT32_MAX : (int32_t)raw_len;
    crypto_hash_sha256(l->body_hash, raw, raw_len);
    return ERR_OK;
}

/* The record by itself, without its neighbours, as hex in the letter's body; and of which flag or experiment
 * it is, by which the database finds its environment. */
static int make_letter_of(struct record_dead_letter *l, char **memory, const char *detail,
                          const struct record *r)
{
    char place[40] = "";
    if (r->kind == RECORD_DECISION)
        snprintf(place, sizeof place, ",\"flag_id\":%" PRId32, r->u.decision.flag_id);
    else if (r->kind == RECORD_EXPOSURE)
        snprintf(place, sizeof place, ",\"experiment_id\":%" PRId32, r->u.exposure.experiment_id);
    size_t n = record_size(r);
    uint8_t *bytes = malloc(n);
    int code = ERR_NOMEM;
    if (bytes && record_write(r, bytes, n) == n)
        code = make_letter(l, memory, detail, bytes, n, place);
    free(bytes);
    return code;
}

int ship_batch_refuse(struct ship_batch *b, size_t i, const char *words, int64_t now_us)
{
    struct ship_entry *entry = &b->entries[i];
    struct record letter = {.kind = RECORD_DEAD_LETTER};
    struct record_dead_letter *l = &letter.u.dead_letter;
    if (entry->replaced)
        return ERR_STATE;
    l->received_us = now_us;
    l->kind = text(kind_name(entry->record.kind));
    l->reason = text("refused_by_database");
    const uint8_t *id = entry->record.kind == RECORD_EXPOSURE  ? entry->record.u.exposure.event_id
                        : entry->record.kind == RECORD_OUTCOME ? entry->record.u.outcome.event_id
                                                               : NULL;
    l->has_event_id = id != NULL;
    if (id)
        memcpy(l->event_id, id, 16);
    int code = make_letter_of(l, &entry->replaced, words, &entry->record);
    if (code == ERR_OK)
        entry->record = letter;
    return code;
}

static int add_letter(struct ship_batch *b, const char *reason, const char *detail, const uint8_t *bytes,
                      size_t len, int64_t now_us)
{
    struct ship_entry *entry = add_entry(b);
    if (!entry)
        return ERR_NOMEM;
    entry->record = (struct record){.kind = RECORD_DEAD_LETTER};
    struct record_dead_letter *l = &entry->record.u.dead_letter;
    l->received_us = now_us;
    l->kind = text("group");
    l->reason = text(reason);
    int code = make_letter(l, &entry->replaced, detail, bytes, len, "");
    if (code == ERR_OK)
        b->n++;
    return code;
}

int ship_batch_add_damage(struct ship_batch *b, const uint8_t *bytes, size_t len, size_t n, int64_t now_us)
{
    char detail[160];
    int code = ERR_OK;
    snprintf(detail, sizeof detail, "group %" PRIu64 ": after %zu records come %zu bytes that are no record",
             b->last, b->n, len);
    for (size_t i = 0; code == ERR_OK && i < n; i++)
        code = add_letter(b, "damaged", detail, i == 0 ? bytes : NULL, i == 0 ? len : 0, now_us);
    return code;
}

int ship_batch_add_lost(struct ship_batch *b, uint64_t after, size_t n, int64_t now_us)
{
    char detail[200];
    int code = ERR_OK;
    snprintf(detail, sizeof detail,
             "accepted into a group after %" PRIu64 " and not in the spool any more: damaged there, or lost"
             " by the database and deleted here after spool_grace_seconds",
             after);
    for (size_t i = 0; code == ERR_OK && i < n; i++)
        code = add_letter(b, "lost", detail, NULL, 0, now_us);
    return code;
}
