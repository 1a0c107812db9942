/* Decisions in this process, by the code and the definitions of the server. */
#include <string.h>

#include "base/clock.h"
#include "clients/c/evaluate.h"
#include "codec/json_in.h"

/* The context's own reference to the newest plan, so that deciding takes no lock. False: there is none yet.
 */
static bool follow_plan(struct cohort_client *c, struct cohort_context *x)
{
    unsigned long newest = atomic_load_explicit(&c->plan_generation, memory_order_acquire);
    if (x->client == c && x->generation == newest && x->plan)
        return true;
    pthread_mutex_lock(&c->plan_lock);
    const struct plan *p = c->plan ? plan_ref(c->plan) : NULL;
    x->generation = atomic_load(&c->plan_generation);
    pthread_mutex_unlock(&c->plan_lock);
    plan_unref(x->plan);
    x->plan = p;
    x->client = c;
    const struct attr *key = &x->fields[0].value;
    subject_init(&x->subject, key->u.string.s, key->u.string.len, &x->attributes);
    return p != NULL;
}

static int64_t blind_us(const struct cohort_client *c)
{
    int64_t heard = atomic_load_explicit(&c->monitor_heard_us, memory_order_relaxed);
    return heard == INT64_MIN ? INT64_MAX : clock_monotonic_us() - heard;
}

/* id: NULL when no draw of the decision's own was made. */
static void tell(struct cohort_context *x, const struct decision *d, const uint8_t *id, int64_t now_us)
{
    if (id)
        uuid_format(id, x->decision);
    x->unit_type = d->experiment ? plan_experiment_unit_type(d->experiment) : NULL;
    x->details = (struct cohort_details){
        .phase = d->phase ? plan_phase_number(d->phase) : 0,
        .propensity = d->propensity_ppm,
        .inclusion = d->inclusion_ppm,
        .plan_version = plan_version(x->plan),
        .variant = d->variant_name,
        .reason = decide_reason_name(d->reason),
        .experiment = d->experiment ? plan_experiment_key(d->experiment) : "",
        .decision_id = id ? x->decision : "",
        .token = token_of_decision(x->plan, d, id, now_us, x->token) ? x->token : "",
    };
}

const char *evaluate_here(struct cohort_client *c, struct cohort_context *x, const char *flag)
{
    struct decision d;
    x->unit_type = NULL;
    if (!follow_plan(c, x))
        return evaluate_fail(x, "PROVIDER_NOT_READY", "the definitions have not been fetched yet");
    const struct plan_flag *f = plan_flag_find(x->plan, flag, strlen(flag));
    if (!f)
        return evaluate_fail(x, "FLAG_NOT_FOUND", "there is no flag \"%.100s\"", flag);
    int64_t now_us = client_now_us(c);
    uint8_t id[16];
    bool bandit = plan_flag_has_bandit(f);
    if (bandit)
        uuid7(now_us, id);
    decide(x->plan, f, &x->subject, bandit ? id : NULL, now_us, blind_us(c), &d);
    tell(x, &d, bandit ? id : NULL, now_us);
    if (!c->no_exposures)
        report_decided(c, x, &d);
    return d.value_json;
}
