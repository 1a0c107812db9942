/* Bytes as the small texts that strangers send: JSON values, times, UUIDs, parameters, versions. What is read
 * and written again is the same. */
#include <string.h>

#include "codec/json_attr.h"
#include "codec/json_in.h"
#include "codec/json_tame.h"
#include "core/semver.h"
#include "core/unit.h"
#include "fuzz.h"
#include "web/query.h"

static const struct json_limits limits = {4096, 32, 500};

static void value(const char *text, size_t len)
{
    struct error e;
    struct arena *a = arena_new();
    struct attr v, again;
    json_t *doc = NULL, *second = NULL;
    int rc = json_in_parse(text, len, &limits, &doc, &e);
    FUZZ_CHECK(rc == ERR_OK || ((rc == ERR_INVALID || rc == ERR_LIMIT) && e.text[0]));
    if (rc == ERR_OK) {
        char out[65536];
        struct json_out o;
        FUZZ_CHECK(json_in_attr(a, doc, &v, &e) == ERR_OK);
        json_out_init(&o, out, sizeof out);
        json_out_attr(&o, &v);
        FUZZ_CHECK(!o.overflow && json_in_parse(out, o.len, &limits, &second, &e) == ERR_OK);
        FUZZ_CHECK(json_in_attr(a, second, &again, &e) == ERR_OK && attr_equal(&v, &again));
    }
    json_decref(doc);
    json_decref(second);
    arena_free(a);
}

static void time_of(const char *text, size_t len)
{
    int64_t us, again;
    char out[28];
    if (time_parse(text, len, &us) != 0)
        return;
    time_format(us, out);
    FUZZ_CHECK(time_parse(out, strlen(out), &again) == 0 && us == again);
}

static void uuid(const char *text, size_t len)
{
    uint8_t id[16], again[16];
    char out[37];
    if (uuid_parse(text, len, id) != 0)
        return;
    uuid_format(id, out);
    FUZZ_CHECK(uuid_parse(out, 36, again) == 0 && memcmp(id, again, 16) == 0);
}

static void parameters(const char *text, size_t len)
{
    struct query_param p;
    char *query = strndup(text, len);
    const char *at = query;
    int rc;
    FUZZ_CHECK(query);
    while ((rc = query_next(&at, &p)) == 1)
        FUZZ_CHECK(strlen(p.name) <= QUERY_NAME_MAX && utf8_valid(p.name, strlen(p.name)) &&
                   utf8_valid(p.value, strlen(p.value)) && at <= query + strlen(query));
    FUZZ_CHECK(rc == 0 || rc == -1);
    free(query);
}

/* Numbers that no double holds, made into ones that can be read. */
static void numbers(const char *text, size_t len)
{
    json_error_t e;
    size_t n, n_strings;
    char *copy = strndup(text, len),
         *tame = copy ? json_tame_numbers(copy, strlen(copy), &n, &n_strings) : NULL;
    FUZZ_CHECK(tame && strlen(tame) == n);
    json_t *before = json_loads(copy, JSON_DECODE_ANY, NULL);
    json_t *after = json_loads(tame, JSON_DECODE_ANY, &e);
    FUZZ_CHECK(!before || (after && n_strings == 0));
    json_decref(before);
    json_decref(after);
    free(copy);
    free(tame);
}

void fuzz_text(const uint8_t *data, size_t len)
{
    struct fuzz_input in = {data, len};
    static void (*const readers[])(const char *, size_t) = {value, time_of, uuid, parameters, numbers};
    readers[fuzz_byte(&in) % (sizeof readers / sizeof *readers)]((const char *)in.p, in.left);
}
