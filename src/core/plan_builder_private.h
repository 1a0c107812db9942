/* The inside of a builder, shared by plan_build.c, plan_flag.c and plan_link.c. */
#ifndef COHORT_CORE_PLAN_BUILDER_PRIVATE_H
#define COHORT_CORE_PLAN_BUILDER_PRIVATE_H

#include "core/plan_build.h"
#include "core/plan_private.h"
#include "core/segment.h"

/* A growing array of pointers or keys. */
struct list {
    void *items;
    size_t n, cap;
};

struct plan_builder {
    struct arena *arena;
    struct segments *segments; /* in the arena */
    struct plan_header header;
    struct list flags, experiments, layers, events, event_attributes, api_keys, quarantine, conditions;
    char *document; /* in the arena, or NULL */
    size_t document_len;
    uint8_t document_hash[PLAN_HASH_BYTES];
    bool failed; /* out of memory */
};

/* Room for one more item of that size; NULL (and failed) when out of memory. */
void *list_add(struct plan_builder *b, struct list *l, size_t item);
/* NULL means that making it failed. */
void list_add_pointer(struct plan_builder *b, struct list *l, const void *p);

void sort_pointers(struct list *l, int (*order)(const void *, const void *));
int text_order(const void *a, const void *b); /* of const char * */

/* The flags' inputs: the attributes their rules look at, without those that are raw ids; and the attributes
 * that exposures and outcomes keep, without those either (plan_inputs.c). */
void plan_set_inputs(struct plan_builder *b, struct plan *p);
/* Layers, holdouts and prerequisites of experiments become pointers (plan_relations.c). What can't be found
 * quarantines the experiment. */
void plan_link_layers(struct plan_builder *b, struct plan *p);
void plan_link_holdouts(struct plan_builder *b, struct plan *p);
void plan_link_prerequisites(struct plan_builder *b, struct plan *p);

/* Quarantines an experiment with a reason. */
void quarantine(struct plan_builder *b, struct plan_experiment *x, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
