/* Targeting conditions, MongoDB-style: {"country": "DE", "plan": {"$in": ["pro", "team"]}}. */
#ifndef COHORT_CORE_CONDITION_H
#define COHORT_CORE_CONDITION_H

#include "core/arena.h"
#include "core/attr.h"
#include "core/error.h"

#define CONDITION_PATH_MAX 256 /* bytes of a path */

struct condition;

/* Compiles a definition into the arena. ERR_INVALID names the operator or path that can't be compiled.
 * The condition keeps pointers into `definition`, whose arena must live as long. *out is NULL for {}.
 *
 *   {"country": "DE", "plan": {"$in": ["pro", "team"]}}    every field must be met
 *   "path": value               same type and same value, deep
 *   "path": {"$eq": value}      the same, spelled out
 *   "path": {"$in": [v, …]}     one of them; an array attribute needs one item that is among them
 *
 * A path is a top-level name, or names joined by dots that walk into objects ("address.city"). */
int condition_compile(struct arena *a, const struct attr *definition, const struct condition **out,
                      struct error *e);

/* True when the attributes (an object) meet it; missing attributes meet nothing but $exists:false and
 * negations. NULL condition: true. Allocates nothing, never fails. */
bool condition_eval(const struct condition *c, const struct attr *attributes);

/* The top-level attribute names it looks at, one for each clause (names can repeat). NULL: none. */
size_t condition_clause_count(const struct condition *c);
const char *condition_clause_attribute(const struct condition *c, size_t i);

#endif
