/* Who a decision is for, from a request's context. */
#ifndef COHORT_WEB_SUBJECT_READ_H
#define COHORT_WEB_SUBJECT_READ_H

#include "core/decide.h"

/* Why a context can't be used: OFREP's error code, and a sentence. */
struct subject_refusal {
    const char *code;
    struct error error;
};

/* context: the value of the member of that name, or NULL; the subject borrows it. False with *why. */
bool subject_read(const struct attr *context, struct subject *s, struct subject_refusal *why);

#endif
