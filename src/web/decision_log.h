/* What the log keeps of a decision: what was known, what was chosen, with which probability, and what a
 * fallback kept the subject from. */
#ifndef COHORT_WEB_DECISION_LOG_H
#define COHORT_WEB_DECISION_LOG_H

#include "codec/record.h"
#include "core/decide.h"

struct api_context;

/* Records the decision and, for a single evaluation that drew a variant, the exposure it is; also those to
 * the holdouts that were asked, whatever their arm. A bulk answer is a prefetch: no exposure, and flags
 * without any rule are not worth a row. */
void decision_log(const struct api_context *c, const struct decision *d, const uint8_t decision_id[16],
                  int64_t now_us, enum decision_mode mode, const struct attr *attributes);

#endif
