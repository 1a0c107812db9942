/* Fields of the plan document, for plan_*.c alone. */
#ifndef COHORT_CODEC_PLAN_FIELDS_H
#define COHORT_CODEC_PLAN_FIELDS_H

#include <jansson.h>
#include <stdbool.h>

#include "core/plan_build.h"

/* Reading goes on where it can: what is wrong with one definition is noted in its `refused`. */
struct reader {
    struct plan_builder *builder;
    struct arena *scratch; /* definitions until the builder has copied them; emptied after each */
    bool no_memory;
    const char *refused; /* the first thing wrong with the definition being read */
};

void refuse(struct reader *r, const char *what, const char *must);
void *scratch_array(struct reader *r, size_t n, size_t item); /* NULL (no_memory) when there is none */

/* A text; NULL (refused) when it is another type or, with no default, absent. */
const char *text_field(struct reader *r, const json_t *obj, const char *name, const char *absent);
int32_t int_field(struct reader *r, const json_t *obj, const char *name);
/* Microseconds since 1970; `absent` when it is null or not there. */
int64_t time_field(struct reader *r, const json_t *obj, const char *name, int64_t absent);
bool bool_field(struct reader *r, const json_t *obj, const char *name); /* absent: false */
/* A text, or NULL when it is null or not there. */
const char *optional_text_field(struct reader *r, const json_t *obj, const char *name);
/* The object of that name, or NULL when it is null or not there. */
const json_t *object_field(struct reader *r, const json_t *obj, const char *name);
/* The place of a word in a list that ends in NULL; -1 (refused) when it is not there. */
int word_field(struct reader *r, const json_t *obj, const char *name, const char *const *words);
bool hex_bytes(const json_t *obj, const char *name, uint8_t *out, size_t n);
void salt_field(struct reader *r, const json_t *obj, uint8_t out[SALT_BYTES]);
/* The array of that name, or NULL: json_array_size(NULL) is 0. */
const json_t *array_field(struct reader *r, const json_t *obj, const char *name);
/* In the builder's arena, because the compiled condition points into it. NULL when absent. */
const struct attr *condition_field(struct reader *r, const json_t *obj);
/* Any value in the scratch arena; NULL (no_memory) when there is no room. */
const struct attr *scratch_attr(struct reader *r, const json_t *v);
/* The value as JSON text again; NULL when absent. */
const char *value_field(struct reader *r, const json_t *obj, const char *name);
const struct slot_range *ranges_field(struct reader *r, const json_t *obj, const char *name, size_t *n);

/* plan_bandit.c: "bandit" and "contextual" of an experiment, NULL when it has none; and their parts. */
const struct bandit_def *read_bandit(struct reader *r, const json_t *obj);
const struct contextual_def *read_contextual(struct reader *r, const json_t *obj);
const struct feature_def *read_features(struct reader *r, const json_t *obj, size_t *n);
void read_model_def(struct reader *r, const json_t *v, struct model_def *out);

/* plan_experiments.c: one item of "experiments". */
void read_experiment(struct reader *r, const json_t *v);

#endif
