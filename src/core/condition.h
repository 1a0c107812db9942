/* Targeting conditions, MongoDB-style: {"country": "DE", "plan": {"$in": ["pro", "team"]}}. */
#ifndef COHORT_CORE_CONDITION_H
#define COHORT_CORE_CONDITION_H

#include "core/arena.h"
#include "core/attr.h"
#include "core/error.h"

struct condition;

/* Compiles a definition into the arena. ERR_INVALID names the operator or path that can't be compiled.
 * The condition keeps pointers into `definition`, whose arena must live as long. */
int condition_compile(struct arena *a, const struct attr *definition, const struct condition **out,
                      struct error *e);

/* True when the attributes (an object) meet it; missing attributes meet nothing but $exists:false and
 * negations. NULL condition: true. Allocates nothing, never fails. */
bool condition_eval(const struct condition *c, const struct attr *attributes);

#endif
