/* Bytes as an API key in a header, or in a body: whoever does not present a key exactly is not let in. The
 * first byte says where the key stands. */
#include <string.h>

#include "fuzz.h"
#include "unit/api_bed.h"

static void in_header(struct buffer *request, const char *before, const uint8_t *key, size_t len)
{
    buffer_add_str(request, "GET /v1/experiments HTTP/1.1\r\nHost: h\r\nConnection: close\r\n");
    buffer_add_str(request, before);
    buffer_add(request, key, len);
    buffer_add_str(request, "\r\n\r\n");
}

static void in_body(struct buffer *request, const char *before, const char *after, const uint8_t *key,
                    size_t len)
{
    char head[120];
    snprintf(head, sizeof head,
             "POST /v1/outcomes HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
             strlen(before) + len + strlen(after));
    buffer_add_str(request, head);
    buffer_add_str(request, before);
    buffer_add(request, key, len);
    buffer_add_str(request, after);
}

static bool holds_a_key(const uint8_t *p, size_t len)
{
    for (enum bed_key k = 0; k < BED_KEYS; k++) {
        const char *key = api_bed_key(k);
        if (len >= strlen(key) && memmem(p, len, key, strlen(key)))
            return true;
    }
    return false;
}

void fuzz_key(const uint8_t *data, size_t len)
{
    struct fuzz_input in = {data, len};
    unsigned where = fuzz_byte(&in) % 4;
    struct buffer request = {0}, got = {0};
    struct api_bed *bed = fuzz_bed();
    const char *body;
    size_t at = 0, n;
    switch (where) {
    case 0:
        in_header(&request, "Authorization: Bearer ", in.p, in.left);
        break;
    case 1:
        in_header(&request, "Authorization:", in.p, in.left);
        break;
    case 2:
        in_header(&request, "X-API-Key: ", in.p, in.left);
        break;
    default:
        in_body(&request, "{\"key\":\"", "\",\"events\":[]}", in.p, in.left);
    }
    FUZZ_CHECK(api_bed_ask(bed, request.data, request.len, &got));
    int status = api_bed_answer(&got, &at, false, &body, &n);
    /* With a line end in it it is more than a key: other fields, and perhaps a body that never comes. */
    bool lines = in.left > 0 && memchr(in.p, '\n', in.left);
    FUZZ_CHECK(lines || (status >= 200 && status < 500));
    if (!holds_a_key(in.p, in.left))
        FUZZ_CHECK(lines || status >= 400);
    else if (bed->n_calls > 0)
        FUZZ_CHECK(where != 3);
    FUZZ_CHECK(bed->n_calls == 0 || holds_a_key(in.p, in.left));
    buffer_free(&request);
    buffer_free(&got);
}
