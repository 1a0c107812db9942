/* docs/openapi.json, made into an array by the build. */
#ifndef COHORT_WEB_OPENAPI_DATA_H
#define COHORT_WEB_OPENAPI_DATA_H

#include <stddef.h>

extern const unsigned char openapi_json[];
extern const size_t openapi_json_len;

#endif
