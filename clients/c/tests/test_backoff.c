/* tests/vectors/event_retries.json: what a Retry-After counts for, and how long a wait is. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/backoff.h"

static int failed;

static long long whole(const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);
    return json_is_integer(v) ? (long long)json_integer_value(v) : -1;
}

static void check_told(const char *header, const json_t *want)
{
    long got = backoff_told_s(header), right = json_is_integer(want) ? (long)json_integer_value(want) : -1;
    if (got != right)
        failed = printf("Retry-After '%s': %ld, not %ld\n", header, got, right);
}

static void check_wait(const json_t *pace, const json_t *c)
{
    static const uint32_t chances[] = {0, 1, 0x40000000, 0x80000000, 0xFFFFFFFF};
    for (size_t i = 0; i < sizeof chances / sizeof *chances; i++) {
        struct backoff b = {(unsigned)whole(pace, "min_ms"), (unsigned)whole(pace, "max_ms"),
                            (unsigned)whole(c, "failures")};
        long long us = backoff_next_us(&b, (long)whole(c, "retry_after"), chances[i]);
        if (us < whole(c, "least_ms") * 1000 || us > whole(c, "most_ms") * 1000)
            failed = printf("after %lld failures, told %lld: %lld us\n", whole(c, "failures"),
                            whole(c, "retry_after"), us);
    }
}

int main(void)
{
    char path[4096];
    const char *srcdir = getenv("srcdir");
    snprintf(path, sizeof path, "%s/tests/vectors/event_retries.json", srcdir ? srcdir : ".");
    json_error_t e;
    json_t *doc = json_load_file(path, 0, &e), *told = json_object_get(doc, "retry_after");
    json_t *waits = json_object_get(doc, "waits"), *cases = json_object_get(waits, "cases"), *c;
    const char *header;
    size_t i;
    if (!json_is_object(told) || !json_is_array(cases)) {
        printf("%s: %s\n", path, doc ? "no retry_after, or no waits" : e.text);
        return 1;
    }
    json_object_foreach(told, header, c) check_told(header, c);
    json_array_foreach(cases, i, c) check_wait(waits, c);
    json_decref(doc);
    return failed != 0;
}
