/* The stream that a bulk answer offers: OFREP's eventStreams. */
#ifndef COHORT_WEB_STREAM_OFFER_H
#define COHORT_WEB_STREAM_OFFER_H

#include "codec/json_out.h"
#include "core/stream_token.h"
#include "web/api_worker.h"

struct stream_offer {
    int64_t expires_us;                /* 0: none is offered */
    const char *public_url;            /* "": clients put their own base URL's origin before it */
    const char *mark;                  /* of what the answer was decided with; until the worker's next look */
    char token[STREAM_TOKEN_TEXT + 1]; /* by stream_offer_sign */
};

/* What the request's client is offered now. Two answers during one life of a token have the same
 * expires_us. */
void stream_offer_make(const struct api_context *c, int64_t now_us, struct stream_offer *out);

/* Makes the token, for an answer with a body. */
void stream_offer_sign(const struct api_context *c, struct stream_offer *o);

/* "eventStreams": […], or nothing. */
void stream_offer_write(struct json_out *o, const struct stream_offer *s);

#endif
