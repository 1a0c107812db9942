/* The fields of records as bytes: little-endian numbers, texts behind their length. Shared by the files that
 * write and read records only. */
#ifndef COHORT_CODEC_RECORD_BYTES_H
#define COHORT_CODEC_RECORD_BYTES_H

#include <string.h>

#include "codec/record.h"

/* In front of each record: u32 size of the whole, u8 kind, u8 version, u16 flags. */
enum { RECORD_HEADER = 8 };
#define RECORD_MAX 0x40000000u /* no honest record comes near: a size beyond is damage */

/* Writes or, without `to`, only counts: so size and bytes can't disagree. */
struct writer {
    uint8_t *to;
    size_t at;
};

static inline void put_bytes(struct writer *w, const void *p, size_t n)
{
    if (w->to && n > 0)
        memcpy(w->to + w->at, p, n);
    w->at += n;
}

static inline void put_uint(struct writer *w, uint64_t v, size_t n)
{
    uint8_t b[8];
    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)(v >> (8 * i));
    put_bytes(w, b, n);
}

static inline void put_header(struct writer *w, size_t size, unsigned kind, unsigned version, unsigned flags)
{
    put_uint(w, size, 4);
    put_uint(w, kind, 1);
    put_uint(w, version, 1);
    put_uint(w, flags, 2);
}

/* The first field that does not fit sticks: read all, check once. */
struct reader {
    const uint8_t *p, *end;
    bool failed;
};

static inline const uint8_t *get_bytes(struct reader *r, size_t n)
{
    static const uint8_t nothing[32];
    if (r->failed || n > (size_t)(r->end - r->p)) {
        r->failed = true;
        return n <= sizeof nothing ? nothing : NULL;
    }
    const uint8_t *p = r->p;
    r->p += n;
    return p;
}

static inline uint64_t get_uint(struct reader *r, size_t n)
{
    const uint8_t *p = get_bytes(r, n);
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static inline void get_id(struct reader *r, uint8_t *out, size_t n)
{
    memcpy(out, get_bytes(r, n), n);
}

static inline unsigned get_enum(struct reader *r, unsigned max)
{
    unsigned v = (unsigned)get_uint(r, 1);
    if (v > max)
        r->failed = true;
    return v;
}

#endif
