/* Results as a person reads them, out of the document of GET /v1/experiments/KEY/results. */
#ifndef COHORT_COHORTCTL_REPORT_H
#define COHORT_COHORTCTL_REPORT_H

#include <jansson.h>
#include <stdio.h>

#include "core/error.h"

/* Prints the document. ERR_DAMAGED when it is not one. */
int report_results(const json_t *doc, FILE *out, struct error *e);

#endif
