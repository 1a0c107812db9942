/* Cross-origin rules: which web pages may ask for decisions and report events. */
#ifndef COHORT_WEB_CORS_H
#define COHORT_WEB_CORS_H

#include "web/http.h"

/* Adds the headers when the request's Origin is allowed. allowed: "*" or origins with blanks between them. */
void cors_add(struct http_request *r, const char *allowed);

/* Answers a preflight: 204 with what may be sent. methods: "POST, OPTIONS". */
void cors_preflight(struct http_request *r, const char *allowed, const char *methods);

#endif
