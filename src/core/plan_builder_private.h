/* The inside of a builder, shared by plan_build.c, plan_flag.c and plan_link.c. */
#ifndef COHORT_CORE_PLAN_BUILDER_PRIVATE_H
#define COHORT_CORE_PLAN_BUILDER_PRIVATE_H

#include "core/plan_build.h"

/* A growing array of pointers or keys. */
struct list {
    void *items;
    size_t n, cap;
};

struct plan_builder {
    struct arena *arena;
    struct plan_header header;
    struct list flags, experiments, events, api_keys, quarantine;
    bool failed; /* out of memory */
};

/* Room for one more item of that size; NULL (and failed) when out of memory. */
void *list_add(struct plan_builder *b, struct list *l, size_t item);
/* NULL means that making it failed. */
void list_add_pointer(struct plan_builder *b, struct list *l, const void *p);

#endif
