#include "bandit_fixture.h"

#include <string.h>

#include "plan_fixture.h"

static const struct slot_range slice[] = {{0, 100000, 0}};
static const struct slot_range rest[] = {{100000, SLOTS, 0}};

static struct phase_def *add_phase(struct bandit_fixture *f, const int32_t shares[BANDIT_ARMS])
{
    size_t i = f->x.n_phases++;
    uint32_t lo = 0;
    for (size_t k = 0; k < BANDIT_ARMS; k++) {
        f->slots[i][k] = (struct slot_range){lo, lo + (uint32_t)shares[k], 0};
        f->arms[i][k] =
            (struct phase_variant_def){f->variants[k].key, shares[k], &f->slots[i][k], shares[k] > 0 ? 1 : 0};
        lo += (uint32_t)shares[k];
    }
    f->phases[i] = (struct phase_def){.id = 101 + (int32_t)i,
                                      .number = 1 + (int32_t)i,
                                      .traffic = slice,
                                      .n_traffic = 1,
                                      .variants = f->arms[i],
                                      .n_variants = BANDIT_ARMS};
    memset(f->phases[i].salt, 'p' + (int)i + 1, SALT_BYTES);
    return &f->phases[i];
}

void bandit_fixture(struct bandit_fixture *f, enum plan_assign assign, int64_t stick_us)
{
    static const int32_t thirds[] = {333334, 333333, 333333};
    memset(f, 0, sizeof *f);
    f->variants[0] =
        (struct variant_def){.id = 11, .key = "control", .value_json = "\"control\"", .control = true};
    f->variants[1] = (struct variant_def){.id = 12, .key = "b", .value_json = "\"b\""};
    f->variants[2] = (struct variant_def){.id = 13, .key = "c", .value_json = "\"c\""};
    f->bandit = (struct bandit_def){assign, stick_us};
    f->x = (struct experiment_def){.kind = KIND_BANDIT,
                                   .id = 1,
                                   .key = "cta",
                                   .status = STATUS_RUNNING,
                                   .on_evaluation = true,
                                   .unit_type = "user",
                                   .variants = f->variants,
                                   .n_variants = BANDIT_ARMS,
                                   .phases = f->phases,
                                   .bandit = &f->bandit};
    memset(f->x.salt, 'e' + 1, SALT_BYTES);
    add_phase(f, thirds);
}

struct phase_def *bandit_fixture_phase(struct bandit_fixture *f, int64_t from_us, int32_t control, int32_t b,
                                       int32_t c)
{
    const int32_t shares[] = {control, b, c};
    struct phase_def *ph = add_phase(f, shares);
    ph->timed = true;
    ph->from_us = from_us;
    ph->traffic = rest;
    return ph;
}

struct plan *bandit_fixture_plan(const struct bandit_fixture *f)
{
    static const char *const experiments[] = {"cta", NULL};
    struct plan_builder *b = fixture_builder();
    plan_builder_experiment(b, &f->x);
    fixture_flag(b, 1, "f", experiments);
    return fixture_finish(b);
}
