/* Reads the cells of an imported file: numbers, yes and no, names. Pure. */
#ifndef COHORT_COHORTCTL_VALUES_H
#define COHORT_COHORTCTL_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define KEY_MAX 100

/* A decimal number ("12.5", "-3", "1e3") in millionths, |value| < 9.2e12. Digits behind the sixth decimal are
 * rounded half to even and *rounded says so: exports of binary floats have many, and nothing is lost that a
 * mean could show. */
int value_decimal(const char *s, int64_t *micro, bool *rounded, struct error *e);

/* 0, 1, true, false, yes, no, in any case. */
int value_binary(const char *s, bool *out, struct error *e);

/* A key out of a name people wrote: "Mens E-Mail" becomes "mens_e-mail". Letters go to lower case, runs of
 * anything but a-z 0-9 _ . - become one underscore. ERR_INVALID when nothing is left or it is over KEY_MAX.
 */
int value_key(const char *name, char out[KEY_MAX + 1], struct error *e);

/* A count or a share off the command line: digits only, from min to max. */
int value_count(const char *option, const char *s, int64_t min, int64_t max, int64_t *out, struct error *e);
/* A plain number off the command line, from min to max. */
int value_number(const char *option, const char *s, double min, double max, double *out, struct error *e);

#endif
