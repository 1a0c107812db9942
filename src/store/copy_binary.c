#include "store/copy_binary.h"

#include <limits.h>
#include <string.h>

#include "store/pg_wait.h"

/* From 1970 to 2000, where PostgreSQL counts from. */
#define EPOCH_US INT64_C(946684800000000)

/* Big-endian. n is known where this is inlined. */
static inline void write_be(uint8_t *to, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
}

/* n more bytes; NULL when there is no memory. */
static inline uint8_t *extend(struct copy_binary *c, size_t n)
{
    struct buffer *b = &c->buffer;
    if ((b->failed || b->cap - b->len < n) && !buffer_reserve(b, n))
        return NULL;
    b->len += n;
    return b->data + b->len - n;
}

void copy_begin(struct copy_binary *c, int columns)
{
    buffer_clear(&c->buffer);
    c->columns = columns;
    c->missing = 0;
    c->wrong = false;
    buffer_add(&c->buffer, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
}

void copy_free(struct copy_binary *c)
{
    buffer_free(&c->buffer);
}

void copy_row(struct copy_binary *c)
{
    uint8_t *to = extend(c, 2);
    if (c->missing != 0)
        c->wrong = true;
    c->missing = c->columns;
    if (to)
        write_be(to, (uint64_t)c->columns, 2);
}

/* Where the field's bytes go; NULL when there is no memory for them. */
static inline uint8_t *begin_field(struct copy_binary *c, size_t len)
{
    if (c->missing-- <= 0)
        c->wrong = true;
    if (len > INT32_MAX) {
        c->buffer.failed = true;
        return NULL;
    }
    uint8_t *to = extend(c, 4 + len);
    if (!to)
        return NULL;
    write_be(to, len, 4);
    return to + 4;
}

void copy_null(struct copy_binary *c)
{
    uint8_t *to = begin_field(c, 0);
    if (to)
        memset(to - 4, 0xFF, 4);
}

static inline void put_int(struct copy_binary *c, uint64_t v, size_t n)
{
    uint8_t *to = begin_field(c, n);
    if (to)
        write_be(to, v, n);
}

void copy_bool(struct copy_binary *c, bool v)
{
    put_int(c, v, 1);
}

void copy_int2(struct copy_binary *c, int16_t v)
{
    put_int(c, (uint16_t)v, 2);
}

void copy_int4(struct copy_binary *c, int32_t v)
{
    put_int(c, (uint32_t)v, 4);
}

void copy_int8(struct copy_binary *c, int64_t v)
{
    put_int(c, (uint64_t)v, 8);
}

void copy_time(struct copy_binary *c, int64_t us)
{
    int64_t since;
    /* The ends of the range mean infinity there; one beside them is out of range, as it should be. */
    if (__builtin_sub_overflow(us, EPOCH_US, &since) || since == INT64_MIN)
        since = INT64_MIN + 1;
    put_int(c, (uint64_t)since, 8);
}

void copy_bytes(struct copy_binary *c, const void *p, size_t len)
{
    uint8_t *to = begin_field(c, len);
    if (to && len > 0)
        memcpy(to, p, len);
}

void copy_uuid(struct copy_binary *c, const uint8_t id[16])
{
    uint8_t *to = begin_field(c, 16);
    if (to)
        memcpy(to, id, 16);
}

void copy_text(struct copy_binary *c, const char *s, size_t len)
{
    copy_bytes(c, s, len);
}

void copy_jsonb(struct copy_binary *c, const char *s, size_t len)
{
    uint8_t *to = begin_field(c, len + 1);
    if (!to)
        return;
    *to++ = 1; /* the format's version */
    if (len > 0)
        memcpy(to, s, len);
}

int copy_end(struct copy_binary *c, struct error *e)
{
    if (c->missing != 0)
        c->wrong = true;
    uint8_t *to = extend(c, 2);
    if (to)
        write_be(to, 0xFFFF, 2);
    if (c->buffer.failed)
        return error_set(e, ERR_NOMEM, NULL, "out of memory for rows to send");
    if (c->wrong)
        return error_set(e, ERR_STATE, NULL, "a row to send does not have %d fields", c->columns);
    return ERR_OK;
}

int copy_send(struct pg *p, const char *sql, const struct copy_binary *c, int wait_ms, struct pg_error *e)
{
    return pg_copy_within(p, sql, c->buffer.data, c->buffer.len, wait_ms, e);
}
