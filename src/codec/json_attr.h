/* Core's attributes back to JSON. */
#ifndef COHORT_CODEC_JSON_ATTR_H
#define COHORT_CODEC_JSON_ATTR_H

#include "codec/json_out.h"
#include "core/attr.h"

void json_out_attr(struct json_out *o, const struct attr *a);

#endif
