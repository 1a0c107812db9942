/* Targeting conditions, MongoDB-style: {"country": "DE", "plan": {"$in": ["pro", "team"]}}. */
#ifndef COHORT_CORE_CONDITION_H
#define COHORT_CORE_CONDITION_H

#include "core/arena.h"
#include "core/attr.h"
#include "core/error.h"

#define CONDITION_PATH_MAX 256   /* bytes of a path */
#define CONDITION_DEPTH_MAX 32   /* conditions and operators within each other, without segments */
#define CONDITION_INPUTS_MAX 256 /* attributes a condition may look at */
#define CONDITION_ALL_MAX 1024   /* values of an $all */
#define CONDITION_STEPS 250000u  /* what one evaluation may cost: about 5 ms, at worst 20 */

struct condition;
struct segments;

/* Compiles a definition into the arena. The condition keeps pointers into `definition`, whose arena must live
 * as long. *out is NULL for {}. `segments` may be NULL: there are none.
 *
 * ERR_INVALID names the first operator, path or pattern that can't be compiled; *out is then a condition all
 * the same, in which what was refused is met by nobody: fit to be shown, not to be served.
 *
 *   {"country": "DE", "age": {"$gte": 18, "$lt": 65}}   every field and every operator must be met
 *   {"$and": […]} {"$or": […]} {"$nor": […]} {"$not": {…}}   conditions combined; an empty $or is met
 *   {"$segment": "germany"}                              the condition of that segment
 *
 * A path is a top-level name, or names joined by dots that walk into objects ("address.city") and, by number,
 * into arrays ("tags.0"). A name that begins with $ is an attribute where operators follow. What is missing
 * is the same as null. Operators on the value there:
 *
 *   value, $eq, $ne              same type and same value, deep
 *   $in, $nin                    (not) one of a list; an array needs one item that is
 *   $ini, $nini                  the same; texts without regard to case (fold.h)
 *   $inGroup, $notInGroup        (not) in the list of a segment, by name
 *   $all, $alli                  an array in which every one of these is met: values, or operators
 *   $gt, $gte, $lt, $lte         texts by their bytes, numbers; where one of the two is no text both are
 *                                numbers: a text that reads as a decimal, true 1, false 0, null 0
 *   $veq, $vne, $vgt, $vgte, $vlt, $vlte   as versions (semver.h); a number is its text, the rest "0"
 *   $regex, $regexi              a text in which the pattern is found (pattern.h)
 *   $exists, $type, $size        $size takes a number or operators on the number of items
 *   $elemMatch                   an array with an item that meets these operators or this condition
 *   $not                         a value or operators that are not met
 */
int condition_compile(struct arena *a, const struct attr *definition, struct segments *segments,
                      const struct condition **out, struct error *e);

/* True when the attributes (an object, or NULL for none) meet it. NULL condition: true. Allocates nothing,
 * never fails; what costs more than CONDITION_STEPS, or a pattern that gives up, is false as a whole. */
bool condition_eval(const struct condition *c, const struct attr *attributes);

/* The top-level attributes it looks at, itself or by its segments, each once. NULL: none. */
size_t condition_input_count(const struct condition *c);
const char *condition_input(const struct condition *c, size_t i);

#endif
