/* Takes the chunked transfer coding off a body, piece by piece (RFC 9112, 7.1). Pure. */
#ifndef COHORT_WEB_HTTP_CHUNK_H
#define COHORT_WEB_HTTP_CHUNK_H

#include "base/buffer.h"
#include "web/http_head.h"

#define HTTP_MAX_CHUNK_LINE 256  /* bytes of a chunk's size with its extensions */
#define HTTP_MAX_EXTENSIONS 4096 /* bytes of extensions in a whole body */
#define HTTP_MAX_TRAILERS 4096   /* bytes of trailer fields, which are checked and dropped */

/* Zero-initialise for each body. */
struct http_chunk {
    int state;
    uint32_t left;     /* bytes of the chunk still to come */
    unsigned line;     /* bytes of the current chunk-size line */
    unsigned digits;   /* of the current size */
    size_t extensions; /* bytes in all */
    size_t trailers;   /* bytes in all */
};

/* Takes bytes from p and appends data to out, which never gets longer than max. *used: bytes taken; after
 * HTTP_DONE the rest belongs to the next request. When out has failed for want of memory: 503. */
enum http_progress http_chunk_feed(struct http_chunk *d, const char *p, size_t n, size_t *used,
                                   struct buffer *out, size_t max, struct http_refusal *why);

#endif
