/* A customer of the command line, as OFREP's evaluation context. */
#ifndef COHORT_COHORTCTL_CONTEXT_H
#define COHORT_COHORTCTL_CONTEXT_H

#include <jansson.h>

#include "cohortctl/cli.h"

/* {"targetingKey": unit, attributes…}; NULL after an error. An attribute is name=value: JSON where it is JSON
 * (5, true, "5"), else a string. */
json_t *context_make(const char *unit, const struct cli_list *attributes, struct error *e);

#endif
