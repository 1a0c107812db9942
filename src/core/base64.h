/* Tokens as text: base64 with the alphabet of URLs and without padding (RFC 4648, 5). */
#ifndef COHORT_CORE_BASE64_H
#define COHORT_CORE_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Characters for n bytes, without the NUL. */
#define BASE64_LEN(n) (((n)*4 + 2) / 3)

/* Writes BASE64_LEN(n) characters and a NUL. Not for secrets: the time tells of the bytes (what is written
 * here is sent to whom it belongs). */
void base64_url(const uint8_t *bytes, size_t n, char *out);

#endif
