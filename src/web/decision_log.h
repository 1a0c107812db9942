/* What the log keeps of a decision: what was known, what was chosen, with which probability, and what a
 * fallback kept the subject from. */
#ifndef COHORT_WEB_DECISION_LOG_H
#define COHORT_WEB_DECISION_LOG_H

#include "codec/record.h"
#include "core/decide.h"

struct api_context;

/* Records the decision of a single evaluation. exposes: with the exposure it is when it drew a variant, and
 * those to the holdouts that were asked, whatever their arm. */
void decision_log(const struct api_context *c, const struct decision *d, const uint8_t decision_id[16],
                  int64_t now_us, bool exposes, const struct attr *attributes);

/* Records the n decisions of a bulk answer. That is a prefetch: no exposure, and flags without any rule are
 * not worth a row. */
void decision_log_bulk(const struct api_context *c, const struct decision *list, const uint8_t (*ids)[16],
                       size_t n, int64_t now_us, const struct attr *attributes);

#endif
