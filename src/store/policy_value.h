/* What a challenger would have earned, as a document. Internal to store. */
#ifndef COHORT_STORE_POLICY_VALUE_H
#define COHORT_STORE_POLICY_VALUE_H

#include "stats/off_policy.h"

/* The answer, its words and what it came from: cohort.policy_stat.body. malloc'ed; NULL without memory. */
char *policy_value_document(const struct off_policy_sums *sums, const struct asympcs_rule *rule,
                            bool by_decision, const char *method);

#endif
