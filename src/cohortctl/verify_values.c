/* Harm by the histogram tilt: buckets of the rows against those of the evidence, then ln E from the rows. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/json_text.h"
#include "cohortctl/verify.h"
#include "stats/verdict.h"

/* The scores are frozen before the first verdict: those of the evidence must be those that were registered.
 */
static struct scores judge_scores(const struct verify *v, struct verify_report *r)
{
    static const char *const names[] = {"centre", "scale", "clip"};
    const json_t *said = json_object_get(v->evidence, "scores");
    const json_t *frozen = json_object_get(v->doc, "scores");
    size_t before = r->n;
    if (!json_is_object(frozen)) {
        verify_say(r, VERIFY_NO, "scores: none are registered for this version of the metric");
        return (struct scores){0};
    }
    for (size_t i = 0; i < 3; i++)
        if (!verify_close(verify_double(said, names[i]), verify_double(frozen, names[i])))
            verify_say(r, VERIFY_NO, "scores: the evidence says %s %.12g, registered is %.12g", names[i],
                       verify_double(said, names[i]), verify_double(frozen, names[i]));
    if (r->n == before)
        verify_say(r, VERIFY_YES, "scores: centre %.9g, scale %.9g, clip %.9g, as registered",
                   verify_double(said, "centre"), verify_double(said, "scale"), verify_double(said, "clip"));
    return (struct scores){verify_double(frozen, "centre"), verify_double(frozen, "scale"),
                           verify_double(frozen, "clip")};
}

static bool same_buckets(struct verify_report *r, const struct verify_phase *p, const char *variant,
                         const json_t *said)
{
    const struct verify_arm *a = verify_arm_of(p, variant);
    char bucket[16];
    size_t filled = 0;
    for (int b = -BUCKET_LAST; b <= BUCKET_LAST; b++) {
        int64_t found = a->buckets[BUCKET_LAST + b];
        snprintf(bucket, sizeof bucket, "%d", b);
        filled += json_object_get(said, bucket) != NULL;
        if (verify_whole(said, bucket) == found)
            continue;
        verify_say(r, VERIFY_NO,
                   "phase %" PRId64 ": bucket %d of %s: the evidence says %" PRId64
                   " units, the rows %" PRId64,
                   p->number, b, variant, verify_whole(said, bucket), found);
        return false;
    }
    if (filled == json_object_size(said))
        return true;
    verify_say(r, VERIFY_NO, "phase %" PRId64 ": the evidence has buckets of %s that don't exist", p->number,
               variant);
    return false;
}

static size_t list_buckets(const struct verify_arm *a, struct bucket_count *out)
{
    size_t n = 0;
    for (int b = -BUCKET_LAST; b <= BUCKET_LAST; b++)
        if (a->buckets[BUCKET_LAST + b] > 0)
            out[n++] = (struct bucket_count){b, a->buckets[BUCKET_LAST + b]};
    return n;
}

static const json_t *said_phase(const struct verify *v, int64_t number)
{
    const json_t *p;
    size_t i;
    json_array_foreach(json_object_get(v->evidence, "phases"), i, p)
    {
        if (verify_whole(p, "phase") == number)
            return p;
    }
    return NULL;
}

static void add_phase(struct tilt *tilt, const struct scores *s, double q, const struct verify_arm *t,
                      const struct verify_arm *c)
{
    struct bucket_count in_t[2 * BUCKET_LAST + 1], in_c[2 * BUCKET_LAST + 1];
    struct arm_sums treatment = {.buckets = in_t, .bucket_count = list_buckets(t, in_t)};
    struct arm_sums control = {.buckets = in_c, .bucket_count = list_buckets(c, in_c)};
    tilt_add_phase(tilt, s, q, &treatment, &control);
}

void verify_by_values(const struct verify *v, struct verify_report *r, const struct guardrail_rule *rule,
                      const struct srm_pair *units, const struct verify_phase *const *phases, size_t n)
{
    const char *treatment = json_text_of(v->evidence, "treatment");
    const char *control = json_text_of(v->evidence, "control");
    enum verdict_way way = rule->harm == EVT_UP ? VERDICT_ABOVE : VERDICT_BELOW;
    struct verdict_rule harm = {VERDICT_HARM, way, 1, rule->alpha, rule->weight, rule->arms};
    struct scores s = judge_scores(v, r);
    struct tilt tilt = {0};
    bool same = true, broken = verdict_counts_broken(units, n);
    if (rule->margin != 1)
        verify_say(r, VERIFY_NO, "rule: the histogram tilt knows no margin but 1");
    for (size_t i = 0; i < n; i++) {
        const json_t *said = said_phase(v, phases[i]->number);
        double q = broken ? verdict_widened_q(way, units[i].q, &units[i], n) : units[i].q;
        char what[48];
        same &= same_buckets(r, phases[i], treatment, json_object_get(said, "treatment_buckets"));
        same &= same_buckets(r, phases[i], control, json_object_get(said, "control_buckets"));
        snprintf(what, sizeof what, "phase %" PRId64 ": q", phases[i]->number);
        verify_number(r, what, verify_double(said, "q"), q);
        add_phase(&tilt, &s, q, verify_arm_of(phases[i], treatment), verify_arm_of(phases[i], control));
    }
    if (same)
        verify_say(r, VERIFY_YES, "values: the units lie in the buckets the evidence says");
    struct verdict found = verdict_of_tilt(&harm, &tilt, units, n);
    verify_number(r, "SRM's ln E", verify_double(v->evidence, "srm_ln_e"), found.srm_ln_e);
    verify_number(r, "ln E, from the rows", verify_double(v->evidence, "ln_e"), found.ln_e);
    verify_number(r, "threshold, ln((arms - 1) / (alpha weight))",
                  verify_double(v->evidence, "threshold_ln_e"), found.threshold);
    verify_say(r, found.reached ? VERIFY_YES : VERIFY_NO, "ln E %.6g is %s the threshold %.6g", found.ln_e,
               found.reached ? "at or above" : "below", found.threshold);
}
