/* Who a decision is about, as the client's files see it. */
#ifndef COHORT_CLIENT_CONTEXT_H
#define COHORT_CLIENT_CONTEXT_H

#include "base/buffer.h"
#include "clients/c/cohort_client.h"
#include "core/arena.h"
#include "core/decide.h"
#include "core/token.h"

struct cohort_context {
    struct arena *arena;
    struct attr_field *fields; /* targetingKey first */
    bool *is_unit;             /* of each field */
    size_t n, cap;
    struct attr attributes; /* an object of the fields */
    struct buffer body;     /* {"context": {…}} for requests; empty: to be written */

    /* Decisions here: the plan it was last asked under, one reference, and what was drawn under it. */
    const struct plan *plan;
    const struct cohort_client *client;
    unsigned long generation;
    struct subject subject;

    /* The last evaluation. */
    struct cohort_details details;
    const char *unit_type; /* of its experiment, or NULL */
    struct buffer value;   /* a text that was served */
    struct buffer texts;   /* what details point to, after a request */
    char token[TOKEN_TEXT_MAX + 1];
    char decision[37];
    char event_token[200]; /* what a client key shows with the units' events; "" none */
    char error_text[300];
};

/* {"context": {…}} of the context; false: out of memory. */
bool context_body(struct cohort_context *x);

/* The raw id of a unit type, or NULL. */
const char *context_id(const struct cohort_context *x, const char *type);

/* Writes "units":{"user":"c-17",…}: all that it has, or the one of a type. */
void context_units(const struct cohort_context *x, const char *type, struct buffer *out);

/* Writes any attribute as JSON. */
void context_value(const struct attr *a, struct buffer *out);

#endif
