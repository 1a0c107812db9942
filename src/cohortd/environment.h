/* Options in the environment: COHORTD_ and the name in capitals, as in COHORTD_LOG_LEVEL=debug. */
#ifndef COHORT_COHORTD_ENVIRONMENT_H
#define COHORT_COHORTD_ENVIRONMENT_H

#include "cohortd/config.h"

#define ENVIRONMENT_PREFIX "COHORTD_"
#define ENVIRONMENT_CONFIG ENVIRONMENT_PREFIX "CONFIG" /* names the configuration file */

/* Sets what is there. ERR_INVALID: a value that the option can't have; place is the variable. */
int environment_read(struct config *c, struct error *e);

#endif
