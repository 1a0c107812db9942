/* Bytes that grow. A failed growth sticks: write all, check once. */
#ifndef COHORT_BASE_BUFFER_H
#define COHORT_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialised is empty and valid; buffer_free gives the memory back. */
struct buffer {
    uint8_t *data;
    size_t len, cap;
    bool failed;
};

void buffer_free(struct buffer *b);
void buffer_clear(struct buffer *b); /* keeps the memory and forgets a failure */
/* Room for n more bytes at data + len; NULL (and failed) when out of memory. The caller adds to len. */
uint8_t *buffer_reserve(struct buffer *b, size_t n);
void buffer_add(struct buffer *b, const void *p, size_t n);
void buffer_add_str(struct buffer *b, const char *s);
void buffer_printf(struct buffer *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
