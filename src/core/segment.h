/* The named segments of an environment: lists for {"id": {"$inGroup": "beta"}} and conditions for
 * {"$segment": "germany"}. Made in a plan's arena and used while its conditions are compiled. */
#ifndef COHORT_CORE_SEGMENT_H
#define COHORT_CORE_SEGMENT_H

#include "core/arena.h"
#include "core/attr.h"
#include "core/error.h"

#define SEGMENT_LIST_MAX 1000000 /* values of a list */
#define SEGMENT_ENTRY_MAX 512    /* bytes of a text in it */
#define SEGMENT_LEVELS 8         /* segments that refer to segments that refer to … */

struct condition;
struct segments;
struct value_set;

struct segments *segments_new(struct arena *a); /* NULL when out of memory */

/* A list: an array of texts, numbers, true and false. What is kept is a copy. ERR_INVALID for another shape
 * or a key that is there already, ERR_LIMIT for a list that is too long. */
int segments_add_list(struct segments *s, const char *key, const struct attr *list, struct error *e);

/* A condition, which must live as long as the arena. It is compiled when it is first asked for, so the order
 * of adding doesn't matter. */
int segments_add_condition(struct segments *s, const char *key, const struct attr *definition,
                           struct error *e);

/* The list of that name, or NULL (also when it is a condition). */
const struct value_set *segments_list(const struct segments *s, const char *key, size_t len);

/* The condition of that name, compiled: 0 and *out (NULL for {}); ERR_NOT_FOUND; ERR_INVALID with what is
 * wrong with it, which may be that it refers to itself, over others or not. After adding all of them call it
 * for each, so that the ones nobody uses are checked too. */
int segments_condition(struct segments *s, const char *key, size_t len, const struct condition **out,
                       struct error *e);

#endif
