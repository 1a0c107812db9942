/* A decision as OFREP's answer for one flag. */
#ifndef COHORT_WEB_DECISION_JSON_H
#define COHORT_WEB_DECISION_JSON_H

#include "base/buffer.h"
#include "codec/json_out.h"
#include "core/decide.h"

/* {"key", "reason", "variant", "value", "metadata"}; decision_id may be NULL (a preview), and so may
 * event_token. */
void decision_json(struct json_out *o, const struct plan *p, const struct decision *d,
                   const uint8_t decision_id[16], int64_t now_us, const char *event_token);
/* The members alone, for an object that has more. */
void decision_json_members(struct json_out *o, const struct plan *p, const struct decision *d,
                           const uint8_t decision_id[16], int64_t now_us, const char *event_token);

/* Runs a writer with the buffer, again with more room when it was too small; false: out of memory. */
typedef void json_write_fn(struct json_out *o, void *arg);
bool json_write(struct buffer *b, json_write_fn *write, void *arg);

#endif
