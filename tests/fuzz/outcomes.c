/* A body of outcomes: the quick reader and the usual one agree. The first byte says who reports. */
#include "fuzz.h"
#include "unit/event_readers.h"

#define NOW_US INT64_C(1793620000000000)

void fuzz_outcomes(const uint8_t *data, size_t len)
{
    static const struct api_options options = {.event_max_age_us = INT64_C(86400000000) * 30,
                                               .event_max_future_us = INT64_C(3600000000),
                                               .max_body = 1 << 20};
    struct fuzz_input in = {data, len};
    struct event_readers_tally tally = {0};
    unsigned who = fuzz_byte(&in);
    struct event_rules rules = {.plan = fuzz_plan_of_world(),
                                .options = &options,
                                .now_us = NOW_US,
                                .trusted = who & 1,
                                .need_token = who & 2};
    FUZZ_CHECK(event_readers_agree((const char *)in.p, in.left, &rules, false, &tally));
}
