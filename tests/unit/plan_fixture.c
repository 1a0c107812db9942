#include "plan_fixture.h"

#include <check.h>
#include <string.h>

#define EXPERIMENTS 9

struct stored {
    struct experiment_def experiment;
    struct variant_def variants[2];
    struct phase_def phase;
    struct phase_variant_def arms[2];
};

static struct stored stored[EXPERIMENTS];

static const struct slot_range all_slots[] = {{0, SLOTS, 0}};
static const struct slot_range first_half[] = {{0, SLOTS / 2, 0}};
static const struct slot_range second_half[] = {{SLOTS / 2, SLOTS, 0}};

struct experiment_def *fixture_experiment(int32_t id, const char *key)
{
    struct stored *s = &stored[id];
    s->variants[0] = (struct variant_def){.id = 10 * id + 1, .key = "control", .value_json = "\"c\""};
    s->variants[1] = (struct variant_def){.id = 10 * id + 2, .key = "treatment", .value_json = "\"t\""};
    s->arms[0] = (struct phase_variant_def){"control", SLOTS / 2, first_half, 1};
    s->arms[1] = (struct phase_variant_def){"treatment", SLOTS / 2, second_half, 1};
    s->phase = (struct phase_def){.id = 100 * id + 1,
                                  .number = 1,
                                  .traffic = all_slots,
                                  .n_traffic = 1,
                                  .variants = s->arms,
                                  .n_variants = 2};
    memset(s->phase.salt, 'p' + id, SALT_BYTES);
    s->experiment = (struct experiment_def){.id = id,
                                            .key = key,
                                            .status = STATUS_RUNNING,
                                            .on_evaluation = true,
                                            .unit_type = "user",
                                            .variants = s->variants,
                                            .n_variants = 2,
                                            .phases = &s->phase,
                                            .n_phases = 1};
    memset(s->experiment.salt, 'e' + id, SALT_BYTES);
    return &s->experiment;
}

struct experiment_def *fixture_holdout(int32_t id, const char *key, uint32_t out_ppm, enum plan_gives gives)
{
    static struct slot_range ranges[EXPERIMENTS][2];
    struct experiment_def *x = fixture_experiment(id, key);
    struct stored *s = &stored[id];
    ranges[id][0] = (struct slot_range){0, out_ppm, 0};
    ranges[id][1] = (struct slot_range){out_ppm, SLOTS, 0};
    s->variants[0] = (struct variant_def){.id = 10 * id + 1, .key = "out", .gives = gives, .control = true};
    s->variants[1] = (struct variant_def){.id = 10 * id + 2, .key = "in", .gives = GIVES_EVERYTHING};
    s->arms[0] = (struct phase_variant_def){"out", (int32_t)out_ppm, &ranges[id][0], 1};
    s->arms[1] = (struct phase_variant_def){"in", (int32_t)(SLOTS - out_ppm), &ranges[id][1], 1};
    x->kind = KIND_HOLDOUT;
    return x;
}

struct variant_def *fixture_variants(int32_t id)
{
    return stored[id].variants;
}

struct phase_def *fixture_phase(int32_t id)
{
    return &stored[id].phase;
}

struct phase_variant_def *fixture_arms(int32_t id)
{
    return stored[id].arms;
}

struct plan_builder *fixture_builder(void)
{
    struct plan_header h = {.environment = "production", .version = 12, .stop_version = 3};
    memset(h.unit_key, 'u', sizeof h.unit_key);
    memset(h.hash_key, 'h', sizeof h.hash_key);
    struct plan_builder *b = plan_builder_new(&h);
    ck_assert_ptr_nonnull(b);
    return b;
}

struct plan *fixture_finish(struct plan_builder *b)
{
    struct plan *p;
    struct error e;
    ck_assert_msg(plan_builder_finish(b, &p, &e) == 0, "%s", e.text);
    plan_builder_free(b);
    return p;
}

void fixture_flag(struct plan_builder *b, int32_t id, const char *key, const char *const *experiments)
{
    struct rule_def rules[3];
    size_t n = 0;
    memset(rules, 0, sizeof rules);
    while (experiments[n]) {
        rules[n].kind = RULE_EXPERIMENT;
        rules[n].experiment = experiments[n];
        n++;
    }
    struct flag_def def = {
        .id = id, .key = key, .type = VALUE_STRING, .default_json = "\"off\"", .rules = rules, .n_rules = n};
    plan_builder_flag(b, &def);
}

const struct attr *fixture_condition(struct plan_builder *b, const char *name, const char *value)
{
    struct arena *a = plan_builder_arena(b);
    struct attr_field *f = arena_alloc(a, sizeof *f);
    struct attr *object = arena_alloc(a, sizeof *object);
    f->name = arena_copy(a, name, strlen(name));
    f->name_len = strlen(name);
    f->value.type = ATTR_STRING;
    f->value.u.string.s = arena_copy(a, value, strlen(value));
    f->value.u.string.len = strlen(value);
    object->type = ATTR_OBJECT;
    object->u.object.fields = f;
    object->u.object.n = 1;
    return object;
}
