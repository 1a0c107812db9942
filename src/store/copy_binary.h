/* Rows in PostgreSQL's COPY BINARY format. Errors stick: write all fields, ask once at the end. */
#ifndef COHORT_STORE_COPY_BINARY_H
#define COHORT_STORE_COPY_BINARY_H

#include <string.h>

#include "base/buffer.h"
#include "store/pg.h"

/* Zero-initialised is valid; copy_free gives the memory back. While a row is written the buffer has room for
 * its missing fields, as far as they are of a fixed size. */
struct copy_binary {
    struct buffer buffer;
    int columns; /* of each row */
    int missing; /* fields the current row still needs */
    bool wrong;  /* a row had too many or too few */
};

/* Starts anew and keeps the memory. */
void copy_begin(struct copy_binary *c, int columns);
void copy_free(struct copy_binary *c);

/* A new row; exactly `columns` fields must follow. */
void copy_row(struct copy_binary *c);

/* Where a field of n bytes goes, whose length is written; NULL when it can't be. For the functions below. */
uint8_t *copy_field(struct copy_binary *c, size_t n);

/* The same when n is at most 16, for which copy_row made room. */
static inline uint8_t *copy_small_field(struct copy_binary *c, size_t n)
{
    if (c->missing <= 0 || c->buffer.failed)
        return copy_field(c, n);
    c->missing--;
    uint8_t *to = c->buffer.data + c->buffer.len;
    c->buffer.len += 4 + n;
    memcpy(to, (uint8_t[]){0, 0, 0, (uint8_t)n}, 4);
    return to + 4;
}

/* Big-endian. */
static inline void copy_uint(struct copy_binary *c, uint64_t v, size_t n)
{
    uint8_t *to = copy_small_field(c, n);
    for (size_t i = 0; to && i < n; i++)
        to[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

static inline void copy_null(struct copy_binary *c)
{
    uint8_t *to = copy_small_field(c, 0);
    if (to)
        memset(to - 4, 0xFF, 4);
}

static inline void copy_bool(struct copy_binary *c, bool v)
{
    copy_uint(c, v, 1);
}

static inline void copy_int2(struct copy_binary *c, int16_t v)
{
    copy_uint(c, (uint16_t)v, 2);
}

static inline void copy_int4(struct copy_binary *c, int32_t v)
{
    copy_uint(c, (uint32_t)v, 4);
}

static inline void copy_int8(struct copy_binary *c, int64_t v)
{
    copy_uint(c, (uint64_t)v, 8);
}

static inline void copy_uuid(struct copy_binary *c, const uint8_t id[16])
{
    uint8_t *to = copy_small_field(c, 16);
    if (to)
        memcpy(to, id, 16);
}

/* Microseconds since 1970. A time PostgreSQL can't hold is refused there, not changed here. */
void copy_time(struct copy_binary *c, int64_t us);
void copy_text(struct copy_binary *c, const char *s, size_t len);
void copy_jsonb(struct copy_binary *c, const char *s, size_t len);
void copy_bytes(struct copy_binary *c, const void *p, size_t len);

/* Ends the data. ERR_NOMEM, or ERR_STATE when some row did not have its fields. */
int copy_end(struct copy_binary *c, struct error *e);

/* Runs "copy … from stdin (format binary)" with the data of an ended copy; wait_ms: pg_copy_within. */
int copy_send(struct pg *p, const char *sql, const struct copy_binary *c, int wait_ms, struct pg_error *e);

#endif
