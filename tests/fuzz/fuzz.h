/* The fuzz targets: each takes any bytes and gives up (abort) when something that must always hold does not.
 * Two programs run them: `fuzz`, built by clang for libFuzzer, and `replay`, which any compiler builds. */
#ifndef COHORT_TESTS_FUZZ_H
#define COHORT_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef void fuzz_fn(const uint8_t *data, size_t len);

fuzz_fn fuzz_api, fuzz_condition, fuzz_decision, fuzz_events, fuzz_http, fuzz_key, fuzz_outcomes, fuzz_plan,
    fuzz_record, fuzz_snapshot, fuzz_spool, fuzz_text, fuzz_token;

struct fuzz_target {
    const char *name;
    fuzz_fn *run;
    size_t max_len; /* bytes of an input */
};

/* NULL: there is none of that name. */
const struct fuzz_target *fuzz_find(const char *name);
const struct fuzz_target *fuzz_at(size_t i); /* NULL behind the last */

/* Ends the process with a line that says what did not hold. */
#define FUZZ_CHECK(condition)                                                                                \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);                   \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* Bytes that steer a target, taken from the front; zeros when there are no more. */
struct fuzz_input {
    const uint8_t *p;
    size_t left;
};
static inline uint8_t fuzz_byte(struct fuzz_input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->p++;
}
static inline unsigned fuzz_u16(struct fuzz_input *in)
{
    unsigned high = fuzz_byte(in);
    return high << 8 | fuzz_byte(in);
}
/* The next n bytes, or what is left of them. */
static inline const uint8_t *fuzz_take(struct fuzz_input *in, size_t *n)
{
    const uint8_t *p = in->p;
    if (*n > in->left)
        *n = in->left;
    in->p += *n;
    in->left -= *n;
    return p;
}

/* The same for every input, made at first use. */
struct api_bed;
struct plan;
struct plan_set;
const struct plan_set *fuzz_plans(void);
const struct plan *fuzz_plan_of_world(void); /* "production" */
/* The API, ready and idle, with those plans. */
struct api_bed *fuzz_bed(void);

#endif
