/* GET /ofrep/v1/stream: server-sent events of OFREP, opened with the token of a bulk answer. */
#ifndef COHORT_WEB_API_STREAM_H
#define COHORT_WEB_API_STREAM_H

#include "web/api_worker.h"

void stream_get(struct api_context *c);

#endif
