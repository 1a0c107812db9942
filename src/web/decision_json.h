/* A decision as OFREP's answer for one flag. */
#ifndef COHORT_WEB_DECISION_JSON_H
#define COHORT_WEB_DECISION_JSON_H

#include "base/buffer.h"
#include "codec/json_out.h"
#include "core/decide.h"
#include "core/event_token.h"

/* What an answer says whomever it is given to: {"key", "reason", "variant", "value", "metadata", up to where
 * the answer ends, without what is the decision's own. */
struct decision_shared {
    const char *text;
    size_t id_at;  /* where in it the decision's id stands */
    size_t own_at; /* where its holdouts and its token stand */
    size_t len;
};

/* How every flag's answer to one request ends: event token and plan version. */
struct decision_end {
    size_t len;
    char text[EVENT_TOKEN_TEXT + 80];
};

/* Writes the text, and sets all of `out` but where it is. Depends on the decision's flag, reason, experiment,
 * phase, holdout, model, variant's name, value, propensity and inclusion. */
void decision_json_shared(struct json_out *o, const struct decision *d, struct decision_shared *out);
/* event_token may be NULL. */
void decision_json_end(const struct plan *p, const char *event_token, struct decision_end *out);

/* The whole object. */
void decision_json(struct json_out *o, const struct plan *p, const struct decision *d,
                   const struct decision_shared *shared, const struct decision_end *end,
                   const uint8_t decision_id[16], int64_t now_us);

/* The members of a decision that nobody gets: without an id, in an object that has more. */
void decision_json_preview(struct json_out *o, const struct plan *p, const struct decision *d,
                           int64_t now_us);

/* Runs a writer with the buffer, again with more room when it was too small; false: out of memory. */
typedef void json_write_fn(struct json_out *o, void *arg);
bool json_write(struct buffer *b, json_write_fn *write, void *arg);

#endif
