/* Rows in PostgreSQL's COPY BINARY format. Errors stick: write all fields, ask once at the end. */
#ifndef COHORT_STORE_COPY_BINARY_H
#define COHORT_STORE_COPY_BINARY_H

#include "base/buffer.h"
#include "store/pg.h"

/* Zero-initialised is valid; copy_free gives the memory back. */
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

void copy_null(struct copy_binary *c);
void copy_bool(struct copy_binary *c, bool v);
void copy_int2(struct copy_binary *c, int16_t v);
void copy_int4(struct copy_binary *c, int32_t v);
void copy_int8(struct copy_binary *c, int64_t v);
void copy_uuid(struct copy_binary *c, const uint8_t id[16]);
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
