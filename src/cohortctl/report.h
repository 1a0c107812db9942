/* Results as a person reads them, out of the document of GET /v1/experiments/KEY/results. */
#ifndef COHORT_COHORTCTL_REPORT_H
#define COHORT_COHORTCTL_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/error.h"

/* Prints the document; fixed: with the fixed-horizon numbers instead. ERR_DAMAGED when it is not one. */
int report_results(const json_t *doc, bool fixed, FILE *out, struct error *e);

/* Prints the document of GET …/results/series. */
int report_series(const json_t *doc, FILE *out, struct error *e);

#endif
