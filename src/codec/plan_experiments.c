/* Experiments of a plan document. */
#include <string.h>

#include "codec/json_in.h"
#include "codec/plan_fields.h"

static const struct variant_def *read_variants(struct reader *r, const json_t *obj, enum plan_kind kind,
                                               size_t *n)
{
    static const char *const gives[] = {"nothing", "rules", "shipped", "everything", NULL};
    const json_t *list = array_field(r, obj, "variants");
    size_t size = json_array_size(list);
    struct variant_def *out = scratch_array(r, size, sizeof *out);
    for (size_t i = 0; out && i < size; i++) {
        const json_t *v = json_array_get(list, i);
        out[i].id = int_field(r, v, "id");
        out[i].key = text_field(r, v, "key", NULL);
        out[i].value_json = value_field(r, v, "value");
        out[i].control = bool_field(r, v, "control");
        out[i].dropped = bool_field(r, v, "dropped");
        int word = kind == KIND_HOLDOUT ? word_field(r, v, "gives", gives) : -1;
        out[i].gives = word < 0 ? GIVES_NOTHING : (enum plan_gives)word;
    }
    *n = out ? size : 0;
    return out;
}

static const struct phase_variant_def *read_phase_variants(struct reader *r, const json_t *obj, size_t *n)
{
    const json_t *list = array_field(r, obj, "variants");
    size_t size = json_array_size(list);
    struct phase_variant_def *out = scratch_array(r, size, sizeof *out);
    for (size_t i = 0; out && i < size; i++) {
        const json_t *v = json_array_get(list, i);
        out[i].variant = text_field(r, v, "variant", NULL);
        out[i].share_ppm = int_field(r, v, "share_ppm");
        out[i].slots = ranges_field(r, v, "slots", &out[i].n_slots);
    }
    *n = out ? size : 0;
    return out;
}

/* Of a time phase. */
static void read_time(struct reader *r, const json_t *v, struct phase_def *out)
{
    static const char *const kinds[] = {"traffic", "time", NULL};
    const json_t *model = json_object_get(v, "model");
    out->timed = json_object_get(v, "kind") && word_field(r, v, "kind", kinds) == 1;
    if (out->timed && !json_is_integer(json_object_get(v, "from_us")))
        refuse(r, "from_us", "microseconds since 1970, a whole number");
    out->from_us = time_field(r, v, "from_us", 0);
    out->model_id = model && !json_is_null(model) ? int_field(r, v, "model") : 0;
}

static const struct phase_def *read_phases(struct reader *r, const json_t *obj, size_t *n)
{
    const json_t *list = array_field(r, obj, "phases");
    size_t size = json_array_size(list);
    struct phase_def *out = scratch_array(r, size, sizeof *out);
    for (size_t i = 0; out && i < size; i++) {
        const json_t *v = json_array_get(list, i);
        out[i].id = int_field(r, v, "id");
        out[i].number = int_field(r, v, "number");
        read_time(r, v, &out[i]);
        salt_field(r, v, out[i].salt);
        out[i].traffic = ranges_field(r, v, "traffic_slots", &out[i].n_traffic);
        out[i].closed = ranges_field(r, v, "closed", &out[i].n_closed);
        out[i].variants = read_phase_variants(r, v, &out[i].n_variants);
    }
    *n = out ? size : 0;
    return out;
}

/* --- what an experiment says of others, and of some units --- */

static const struct prerequisite_def *read_prerequisites(struct reader *r, const json_t *obj, size_t *n)
{
    const json_t *list = array_field(r, obj, "prerequisites");
    size_t size = json_array_size(list);
    struct prerequisite_def *out = scratch_array(r, size, sizeof *out);
    for (size_t i = 0; out && i < size; i++) {
        const json_t *v = json_array_get(list, i), *keys = array_field(r, v, "variants");
        const char **variants = scratch_array(r, json_array_size(keys), sizeof *variants);
        out[i].experiment = text_field(r, v, "experiment", NULL);
        for (size_t k = 0; variants && k < json_array_size(keys); k++)
            variants[k] = json_string_value(json_array_get(keys, k));
        out[i].variants = variants;
        out[i].n_variants = variants ? json_array_size(keys) : 0;
    }
    *n = out ? size : 0;
    return out;
}

static const struct override_def *read_overrides(struct reader *r, const json_t *obj, size_t *n)
{
    const json_t *list = array_field(r, obj, "overrides");
    size_t size = json_array_size(list);
    struct override_def *out = scratch_array(r, size, sizeof *out);
    for (size_t i = 0; out && i < size; i++) {
        const json_t *v = json_array_get(list, i);
        const char *unit = optional_text_field(r, v, "unit");
        out[i].has_unit = unit != NULL;
        if (unit && uuid_parse(unit, strlen(unit), out[i].unit.bytes) != 0)
            refuse(r, "an override's unit", "a uuid");
        out[i].segment = optional_text_field(r, v, "segment");
        out[i].variant = text_field(r, v, "variant", NULL);
        out[i].expires_us = time_field(r, v, "expires_at_us", PLAN_NEVER);
    }
    *n = out ? size : 0;
    return out;
}

static const int32_t *read_holdouts(struct reader *r, const json_t *obj, size_t *n)
{
    const json_t *list = array_field(r, obj, "holdouts");
    size_t size = json_array_size(list);
    int32_t *out = scratch_array(r, size, sizeof *out);
    for (size_t i = 0; out && i < size; i++) {
        const json_t *v = json_array_get(list, i);
        json_int_t id = json_is_integer(v) ? json_integer_value(v) : 0;
        if (id <= 0 || id > INT32_MAX)
            refuse(r, "holdouts", "ids of experiments");
        else
            out[i] = (int32_t)id;
    }
    *n = out ? size : 0;
    return out;
}

static const struct ship_def *read_shipped(struct reader *r, const json_t *obj)
{
    const json_t *v = object_field(r, obj, "shipped");
    struct ship_def *out = v ? scratch_array(r, 1, sizeof *out) : NULL;
    if (!out)
        return NULL;
    out->variant = text_field(r, v, "variant", NULL);
    out->holdback_ppm = int_field(r, v, "holdback_ppm");
    salt_field(r, v, out->salt);
    return out;
}

/* Names of attributes; one that is no text is refused. */
static const char *const *read_names(struct reader *r, const json_t *obj, const char *name, size_t *n)
{
    const json_t *list = array_field(r, obj, name);
    size_t size = json_array_size(list);
    const char **out = scratch_array(r, size, sizeof *out);
    for (size_t i = 0; out && i < size; i++) {
        const json_t *v = json_array_get(list, i);
        out[i] = json_is_string(v) ? json_string_value(v) : "";
        if (!out[i][0])
            refuse(r, name, "names of attributes");
    }
    *n = out ? size : 0;
    return out;
}

/* --- the whole --- */

static enum plan_status status_field(struct reader *r, const json_t *obj)
{
    static const char *const words[] = {"draft",     "running", "stopped", "archived",
                                        "scheduled", "paused",  "shipped", NULL};
    int i = word_field(r, obj, "status", words);
    if (i < 0)
        return STATUS_RUNNING; /* running and refused: shows as quarantined */
    bool paused = bool_field(r, obj, "paused");
    return i == STATUS_RUNNING && paused ? STATUS_PAUSED : (enum plan_status)i;
}

static enum plan_kind kind_field(struct reader *r, const json_t *obj)
{
    static const char *const words[] = {"ab", "holdout", "bandit", "contextual", NULL};
    int i = json_object_get(obj, "kind") ? word_field(r, obj, "kind", words) : 0;
    return i < 0 ? KIND_AB : (enum plan_kind)i; /* refused, when it is not known */
}

static void read_model(struct reader *r, const json_t *v, struct experiment_def *def)
{
    /* A holdout's times stand beside its scope. */
    const json_t *holdout = object_field(r, v, "holdout");
    const json_t *times = holdout && json_object_get(holdout, "starts_at_us") ? holdout : v;
    def->has_window = true;
    def->starts_us = time_field(r, times, "starts_at_us", PLAN_ALWAYS);
    def->ends_us = time_field(r, times, "ends_at_us", PLAN_NEVER);
    def->layer = optional_text_field(r, v, "layer");
    def->layer_slots = ranges_field(r, v, "layer_slots", &def->n_layer_slots);
    def->sticky = bool_field(r, v, "sticky");
    def->shipped = read_shipped(r, v);
    def->prerequisites = read_prerequisites(r, v, &def->n_prerequisites);
    def->overrides = read_overrides(r, v, &def->n_overrides);
    def->holdouts = read_holdouts(r, v, &def->n_holdouts);
    def->segments = read_names(r, v, "segments", &def->n_segments);
}

/* 0: off. What is not understood must not mean that nobody need watch. */
static int64_t blind_field(struct reader *r, const json_t *obj)
{
    int64_t us = time_field(r, obj, "guard_max_blind_us", 0);
    const json_t *v = json_object_get(obj, "guard_max_blind_us");
    if (v && json_is_integer(v) && us <= 0)
        refuse(r, "guard_max_blind_us", "microseconds, more than 0, or null");
    return us;
}

void read_experiment(struct reader *r, const json_t *v)
{
    static const char *const exposures[] = {"on_evaluation", "reported", NULL};
    struct experiment_def def = {0};
    r->refused = NULL;
    def.kind = kind_field(r, v);
    def.id = int_field(r, v, "id");
    def.key = text_field(r, v, "key", NULL);
    def.status = status_field(r, v);
    def.guard_stopped = bool_field(r, v, "guard_stopped");
    def.guard_max_blind_us = blind_field(r, v);
    def.on_evaluation = word_field(r, v, "exposure", exposures) == 0;
    def.unit_type = text_field(r, v, "unit_type", "user");
    salt_field(r, v, def.salt);
    def.condition = condition_field(r, v);
    def.variants = read_variants(r, v, def.kind, &def.n_variants);
    def.phases = read_phases(r, v, &def.n_phases);
    def.bandit = read_bandit(r, v);
    def.contextual = read_contextual(r, v);
    read_model(r, v, &def);
    def.refused = r->refused;
    if (!r->no_memory)
        plan_builder_experiment(r->builder, &def);
    arena_reset(r->scratch);
}
