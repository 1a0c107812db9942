/* Records: what travels from the workers through the spool to PostgreSQL, as bytes. The format is versioned:
 * a spool written by an older cohortd is read by a newer one. */
#ifndef COHORT_CODEC_RECORD_H
#define COHORT_CODEC_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/unit.h"

enum record_kind { RECORD_EXPOSURE = 1, RECORD_OUTCOME = 2, RECORD_DECISION = 3, RECORD_DEAD_LETTER = 4 };

/* A text inside a record: not NUL-terminated, may be empty. */
struct record_text {
    const char *s;
    size_t len;
};

enum exposure_origin { ORIGIN_EVALUATED = 0, ORIGIN_REPORTED = 1, ORIGIN_IMPORTED = 2 };

struct record_exposure {
    struct unit unit;
    int32_t experiment_id, variant_id, phase_id;
    int32_t propensity_ppm, inclusion_ppm; /* -1: null */
    int64_t ts_us;
    uint8_t event_id[16];
    bool has_decision;
    uint8_t decision_id[16];
    bool trusted;
    enum exposure_origin origin;
    struct record_text segments; /* a JSON object: declared attributes and their values as texts; or empty */
};

/* One outcome of one unit; an event that names three units is three of these. */
struct record_outcome {
    struct unit unit;
    uint8_t event_id[16];
    int64_t ts_us;
    struct record_text name;
    bool has_value;
    int64_t value_micro; /* millionths */
    bool has_decision;
    uint8_t decision_id[16];
    bool trusted;
    struct record_text attributes; /* a JSON object, or empty */
};

/* MODE_READ: a single evaluation that asked not to be enrolled. */
enum decision_mode { MODE_SINGLE = 0, MODE_BULK = 1, MODE_READ = 2 };

struct record_decision {
    struct unit unit;
    uint8_t decision_id[16];
    int64_t ts_us;
    int32_t flag_id;
    int32_t experiment_id, variant_id, phase_id, counterfactual_id; /* 0: none */
    struct record_text reason;
    int32_t propensity_ppm, inclusion_ppm; /* -1: null */
    enum decision_mode mode;
    int64_t plan_version;
    struct record_text inputs; /* JSON object of the attributes used, or empty */
    int32_t holdout_id;        /* the holdout that kept the unit out; 0: none */
    int32_t model_id;          /* the model that decided; 0: none */
    /* A JSON object {"variant id": ppm}: the probabilities it drew from; empty: the shares of the phase. */
    struct record_text eligible;
};

struct record_dead_letter {
    int64_t received_us;
    struct record_text kind;   /* "outcome", "exposure" */
    struct record_text reason; /* a code: "unknown_event" */
    struct record_text detail; /* the sentence the sender got */
    bool has_event_id;
    uint8_t event_id[16];
    struct record_text
        body;              /* the item as JSON with its units hashed, or empty when it could not be parsed */
    uint8_t body_hash[32]; /* SHA-256 of the item as sent */
    int32_t body_length;   /* bytes of the item as sent */
    struct record_text environment; /* to which it was sent; empty: not told */
};

struct record {
    enum record_kind kind;
    union {
        struct record_exposure exposure;
        struct record_outcome outcome;
        struct record_decision decision;
        struct record_dead_letter dead_letter;
    } u;
};

/* Bytes the record takes when written; and a number that is never smaller, told at once. */
size_t record_size(const struct record *r);
size_t record_most(const struct record *r);

/* Writes it; returns its size, or 0 when cap is too small. */
size_t record_write(const struct record *r, uint8_t *out, size_t cap);

/* Reads records, one after the other, and decisions that were written as one record one by one. */
struct record_reader {
    const uint8_t *record, *end;    /* the record that is being read, or comes next */
    const uint8_t *next, *list_end; /* the next decision of its list; NULL: in none */
    struct record_decision last;    /* the one before it */
};

/* bytes may be NULL when there are none. They must outlive the reader and what it read. */
void record_reader_init(struct record_reader *r, const uint8_t *bytes, size_t len);

/* 1: read, texts point into the bytes; 0: at the end; ERR_DAMAGED: not a record, now and ever. Never reads
 * behind the end. */
int record_next(struct record_reader *r, struct record *out);

/* How many bytes are left, from the beginning of the record that is not read to its end. */
size_t record_unread(const struct record_reader *r);

#endif
