#include "store/copy_binary.h"

#include <limits.h>
#include <string.h>

#include "store/pg_wait.h"

/* From 1970 to 2000, where PostgreSQL counts from. */
#define EPOCH_US INT64_C(946684800000000)

/* Of a field of fixed size with its length. */
enum { FIELD_MOST = 4 + 16 };

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
    if (c->missing != 0)
        c->wrong = true;
    c->missing = c->columns;
    uint8_t *to = buffer_reserve(&c->buffer, 2 + (size_t)c->columns * FIELD_MOST);
    if (!to)
        return;
    to[0] = (uint8_t)(c->columns >> 8);
    to[1] = (uint8_t)c->columns;
    c->buffer.len += 2;
}

uint8_t *copy_field(struct copy_binary *c, size_t n)
{
    if (c->missing <= 0) {
        c->wrong = true;
        return NULL;
    }
    c->missing--;
    if (n > INT32_MAX)
        c->buffer.failed = true;
    uint8_t *to =
        c->buffer.failed ? NULL : buffer_reserve(&c->buffer, 4 + n + (size_t)c->missing * FIELD_MOST);
    if (!to)
        return NULL;
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(n >> (8 * (3 - i)));
    c->buffer.len += 4 + n;
    return to + 4;
}

void copy_time(struct copy_binary *c, int64_t us)
{
    int64_t since;
    /* The ends of the range mean infinity there; one beside them is out of range, as it should be. */
    if (__builtin_sub_overflow(us, EPOCH_US, &since) || since == INT64_MIN)
        since = INT64_MIN + 1;
    copy_int8(c, since);
}

void copy_bytes(struct copy_binary *c, const void *p, size_t len)
{
    uint8_t *to = copy_field(c, len);
    if (to && len > 0)
        memcpy(to, p, len);
}

void copy_text(struct copy_binary *c, const char *s, size_t len)
{
    copy_bytes(c, s, len);
}

void copy_jsonb(struct copy_binary *c, const char *s, size_t len)
{
    uint8_t *to = copy_field(c, len + 1);
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
    buffer_add(&c->buffer, "\377\377", 2);
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
