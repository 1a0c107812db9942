/* Which targets there are, and what they share. */
#include <sodium.h>
#include <string.h>

#include "base/log.h"
#include "core/plan_set.h"
#include "fuzz.h"
#include "unit/api_bed.h"

static const struct fuzz_target targets[] = {
    {"api", fuzz_api, 4096},           {"condition", fuzz_condition, 4096}, {"decision", fuzz_decision, 4096},
    {"events", fuzz_events, 8192},     {"http", fuzz_http, 4096},           {"key", fuzz_key, 512},
    {"outcomes", fuzz_outcomes, 4096}, {"plan", fuzz_plan, 16384},          {"record", fuzz_record, 2048},
    {"snapshot", fuzz_snapshot, 4096}, {"spool", fuzz_spool, 16384},        {"text", fuzz_text, 1024},
    {"token", fuzz_token, 512},
};

const struct fuzz_target *fuzz_at(size_t i)
{
    return i < sizeof targets / sizeof *targets ? &targets[i] : NULL;
}

const struct fuzz_target *fuzz_find(const char *name)
{
    const struct fuzz_target *t;
    for (size_t i = 0; (t = fuzz_at(i)); i++)
        if (strcmp(t->name, name) == 0)
            return t;
    return NULL;
}

const struct plan_set *fuzz_plans(void)
{
    static struct plan_set *plans;
    if (!plans) {
        FUZZ_CHECK(sodium_init() >= 0);
        log_set_level(LOG_ERROR - 1);
        plans = api_bed_plans();
        FUZZ_CHECK(plans && plan_quarantine_count(plan_set_at(plans, 0)) == 0);
    }
    return plans;
}

const struct plan *fuzz_plan_of_world(void)
{
    return plan_set_find(fuzz_plans(), "production", 10);
}

struct api_bed *fuzz_bed(void)
{
    static struct api_bed bed;
    if (!bed.base) {
        FUZZ_CHECK(api_bed_open(&bed, false, false) == 0);
        api_worker_set_plans(bed.worker, plan_set_ref(fuzz_plans()));
    }
    bed.level = QUEUE_OK;
    bed.push_answer = bed.call_answer = bed.push_code = 0;
    bed.answer = (struct bed_answer){200, "{}", "e1"};
    buffer_clear(&bed.pushed);
    bed.n_records = bed.n_kept = bed.n_calls = 0;
    return &bed;
}
