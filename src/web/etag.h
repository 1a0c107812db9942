/* Entity tags of requests. */
#ifndef COHORT_WEB_ETAG_H
#define COHORT_WEB_ETAG_H

#include <stdbool.h>

/* Whether an If-None-Match header (or NULL) names the tag, which has its quotes: the header may hold a list,
 * weak tags and a star. */
bool etag_matches(const char *header, const char *etag);

#endif
