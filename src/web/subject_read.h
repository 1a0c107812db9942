/* Who a decision is for, from a request's context. */
#ifndef COHORT_WEB_SUBJECT_READ_H
#define COHORT_WEB_SUBJECT_READ_H

#include <jansson.h>

#include "core/arena.h"
#include "core/decide.h"

/* Why a context can't be used: OFREP's error code, and a sentence. */
struct subject_refusal {
    const char *code;
    struct error error;
};

/* context: the value of the member of that name, or NULL. The attributes and the subject's texts are copied
 * into the arena. False with *why. */
bool subject_read(struct arena *a, const json_t *context, struct attr *attributes, struct subject *s,
                  struct subject_refusal *why);

#endif
