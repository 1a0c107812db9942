/* A body of outcomes or of reported exposures, through the API: every event has its result, every record that
 * is kept can be read, and a raw id is in none of them. The first byte says which. */
#include <jansson.h>
#include <string.h>

#include "codec/record.h"
#include "fuzz.h"
#include "unit/api_bed.h"

#define RAW "raw-id-of-somebody"

static void request_of(struct buffer *out, unsigned how, const uint8_t *body, size_t len)
{
    char head[200];
    snprintf(head, sizeof head,
             "POST /v1/%s HTTP/1.1\r\nHost: h\r\nX-API-Key: %s\r\nContent-Length: %zu\r\n\r\n",
             how & 1 ? "outcomes" : "exposures", api_bed_key(how & 2 ? BED_CLIENT : BED_EVENTS), len);
    buffer_add_str(out, head);
    buffer_add(out, body, len);
}

/* The results name each event once, in order, and their counts are right. */
static unsigned check_results(const char *text, size_t len)
{
    json_t *doc = json_loadb(text, len, 0, NULL), *v;
    const json_t *list = json_object_get(doc, "results");
    size_t i, accepted = 0;
    FUZZ_CHECK(json_is_array(list) && json_array_size(list) > 0);
    json_array_foreach((json_t *)list, i, v)
    {
        const char *status = json_string_value(json_object_get(v, "status"));
        FUZZ_CHECK(json_integer_value(json_object_get(v, "index")) == (json_int_t)i && status);
        bool ok = strcmp(status, "accepted") == 0;
        FUZZ_CHECK(ok || (strcmp(status, "rejected") == 0 && json_object_get(v, "code") &&
                          *json_string_value(json_object_get(v, "reason"))));
        accepted += ok;
    }
    FUZZ_CHECK(json_integer_value(json_object_get(doc, "accepted")) == (json_int_t)accepted);
    FUZZ_CHECK(json_integer_value(json_object_get(doc, "rejected")) == (json_int_t)(i - accepted));
    json_decref(doc);
    return (unsigned)i;
}

static unsigned count_records(const struct buffer *pushed)
{
    struct record_reader reader;
    struct record r;
    unsigned n = 0;
    int rc;
    record_reader_init(&reader, pushed->data, pushed->len);
    while ((rc = record_next(&reader, &r)) != 0) {
        FUZZ_CHECK(rc == 1 &&
                   (r.kind == RECORD_OUTCOME || r.kind == RECORD_EXPOSURE || r.kind == RECORD_DEAD_LETTER));
        n++;
    }
    return n;
}

/* Where the id stands once, as a unit, and nothing else of the body has it. */
static bool is_unit_once(const uint8_t *body, size_t len)
{
    static const char unit[] = "\"units\":{\"user\":\"" RAW "\"";
    const uint8_t *at = len > 0 ? memmem(body, len, unit, sizeof unit - 1) : NULL;
    const uint8_t *first = at ? memmem(body, len, RAW, sizeof RAW - 1) : NULL;
    return at && first > at && !memmem(first + 1, len - (size_t)(first + 1 - body), RAW, sizeof RAW - 1);
}

void fuzz_events(const uint8_t *data, size_t len)
{
    struct fuzz_input in = {data, len};
    struct buffer request = {0}, got = {0};
    struct api_bed *bed = fuzz_bed();
    unsigned how = fuzz_byte(&in);
    const char *body;
    size_t at = 0, n;
    request_of(&request, how, in.p, in.left);
    FUZZ_CHECK(api_bed_ask(bed, request.data, request.len, &got));
    int status = api_bed_answer(&got, &at, false, &body, &n);
    FUZZ_CHECK((status == 202 || status == 400) && at == got.len);
    FUZZ_CHECK(count_records(&bed->pushed) == bed->n_records);
    if (status == 202)
        FUZZ_CHECK(check_results(body, n) <= bed->n_records);
    else
        FUZZ_CHECK(bed->n_records == 0);
    if (bed->pushed.len > 0 && is_unit_once(in.p, in.left))
        FUZZ_CHECK(!memmem(bed->pushed.data, bed->pushed.len, RAW, sizeof RAW - 1));
    buffer_free(&request);
    buffer_free(&got);
}
