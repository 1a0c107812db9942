/* The OpenFeature Remote Evaluation Protocol 0.3.0: any OpenFeature SDK is a client. */
#ifndef COHORT_WEB_API_OFREP_H
#define COHORT_WEB_API_OFREP_H

struct api_context;

/* POST /ofrep/v1/evaluate/flags/{key}: one flag. An exposure, unless the experiment says otherwise. */
void ofrep_single(struct api_context *c);

/* POST /ofrep/v1/evaluate/flags: all flags. A prefetch: logged as decisions, never an exposure. */
void ofrep_bulk(struct api_context *c);

/* {"key", "errorCode", "errorDetails"}; code is one of OFREP's words. The bulk route has no key. */
void ofrep_error(const struct api_context *c, int status, const char *code, const char *details);

#endif
