/* The quick reader of outcomes beside the usual one. */
#ifndef COHORT_TESTS_UNIT_EVENT_READERS_H
#define COHORT_TESTS_UNIT_EVENT_READERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "web/event_item.h"

struct event_readers_tally {
    uint64_t quick, usual; /* batches accepted */
};

/* What the quick one accepts the usual one accepts too, with the same records and the same answer; and a
 * plain batch that the usual one accepts the quick one must accept. */
bool event_readers_agree(const char *body, size_t len, const struct event_rules *rules, bool plain,
                         struct event_readers_tally *t);

#endif
