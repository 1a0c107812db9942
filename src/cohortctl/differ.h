/* What two documents of a definition differ in, field by field. */
#ifndef COHORT_COHORTCTL_DIFFER_H
#define COHORT_COHORTCTL_DIFFER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "cohortctl/definitions.h"

/* Prints a line for each field that differs ("  variants[1].share_ppm: 500000 → 400000") and returns how many
 * there are. Both as kind_normal makes them. Numbers of equal size are equal (1 and 1.0), but not in values.
 */
size_t differ_documents(const json_t *from, const json_t *to, FILE *out);

/* How a definition stands to what a server has. */
enum change { CHANGE_NONE, CHANGE_NEW, CHANGE_FIELDS };

/* Compares what is wanted to what is there, and prints it: "experiments/cta" and what `words` says of it,
 * then its fields. words: of CHANGE_NEW and CHANGE_FIELDS. out NULL: prints nothing. */
struct change_words {
    const char *is_new, *differs;
};
int differ_definition(const struct definition *wanted, const struct definitions *there,
                      const struct change_words *words, FILE *out, enum change *change, struct error *e);

#endif
