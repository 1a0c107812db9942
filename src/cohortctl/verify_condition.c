/* Stop conditions: what the rows still say is counted again and compared with the inputs in the evidence,
 * from which the verdict is computed by the monitor's own rules. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/json_text.h"
#include "cohortctl/verify.h"
#include "store/condition.h"

static const json_t *inputs_of(const struct verify *v)
{
    return json_object_get(v->evidence, "inputs");
}

static bool is(const struct verify *v, const char *kind)
{
    return strcmp(v->kind, kind) == 0;
}

static bool differs(struct verify_report *r, const char *where, const char *what, double said, double found)
{
    if (isfinite(said) && verify_close(said, found))
        return false;
    verify_say(r, VERIFY_NO, "%s: %s: the evidence says %.12g, the rows %.12g", where, what, said, found);
    return true;
}

static void same_rule(struct verify_report *r, const char *what, double said, double rule)
{
    if ((isnan(said) && isnan(rule)) || verify_close(said, rule))
        return;
    verify_say(r, VERIFY_NO, "rule: the evidence says %s %g, the definition %g", what, said, rule);
}

/* The aim of the metric, and n*. */
static void judge_aim(const struct verify *v, struct verify_report *r)
{
    const json_t *def = json_object_get(v->doc, "definition"), *in = inputs_of(v), *m;
    double planned = verify_double(def, "planned_units");
    size_t i, arms = json_array_size(json_object_get(def, "variants"));
    same_rule(r, "planned_units", verify_double(in, "planned_units"),
              isnan(planned) ? 10000.0 * (double)arms : planned);
    same_rule(r, "variants", verify_double(in, "arms"), (double)arms);
    json_array_foreach(json_object_get(def, "metrics"), i, m)
    {
        if (strcmp(json_text_of(m, "metric"), json_text_of(v->evidence, "metric")) != 0)
            continue;
        same_rule(r, "smallest_effect", verify_double(in, "smallest_effect"),
                  verify_double(m, "smallest_effect"));
        same_rule(r, "smallest_relative", verify_double(in, "smallest_relative"),
                  verify_double(m, "smallest_relative"));
    }
}

static void judge_rule(const struct verify *v, struct verify_report *r)
{
    static const struct {
        const char *kind, *rule, *input;
        double absent;
    } fields[] = {{"max_duration", "seconds", "seconds", NAN},
                  {"max_units", "units", "limit", NAN},
                  {"no_outcomes", "minutes", "minutes", NAN},
                  {"volume_drift", "minutes", "minutes", 60},
                  {"volume_drift", "ratio", "ratio", NAN}};
    const json_t *rule = json_object_get(v->doc, "rule");
    size_t before = r->n;
    if (!verify_level(v, r))
        return;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        double defined = verify_double(rule, fields[i].rule);
        if (is(v, fields[i].kind))
            same_rule(r, fields[i].input, verify_double(inputs_of(v), fields[i].input),
                      isnan(defined) ? fields[i].absent : defined);
    }
    if (is(v, "success") || is(v, "futility"))
        judge_aim(v, r);
    if (r->n == before)
        verify_say(r, VERIFY_YES, "rule: %s, alpha %g, weight %g, as defined", v->kind,
                   verify_double(v->evidence, "alpha"), verify_double(v->evidence, "weight"));
}

static const struct verify_phase *phase_of(const struct verify *v, int64_t number)
{
    for (size_t i = 0; i < v->n_phases; i++)
        if (v->phases[i].number == number)
            return &v->phases[i];
    return NULL;
}

static double item(const json_t *o, const char *list, size_t i)
{
    const json_t *x = json_array_get(json_object_get(o, list), i);
    return json_is_number(x) ? json_number_value(x) : NAN;
}

/* A unit is in the rows with a phase the evidence leaves out: then it judged on less than there was. */
static void judge_missing_phases(const struct verify *v, const json_t *said, struct verify_report *r)
{
    for (size_t i = 0; i < v->n_phases; i++) {
        if (v->phases[i].model)
            continue;
        const json_t *p;
        size_t k;
        int64_t units = 0;
        bool known = false;
        json_array_foreach(said, k, p) known |= verify_whole(p, "phase") == v->phases[i].number;
        for (k = 0; k < v->phases[i].n; k++)
            units += v->phases[i].arms[k].exposed;
        if (!known && units > 0)
            verify_say(r, VERIFY_NO, "phase %" PRId64 " has units and is missing in the evidence",
                       v->phases[i].number);
    }
}

static void say_from_evidence(const struct verify *v, struct verify_report *r, const char *what)
{
    verify_say(r, VERIFY_ONLY,
               "%s: taken from the evidence, not counted again: the metric was changed since, or is counted "
               "no longer by %s",
               what, json_text_of(v->doc, "experiment"));
}

static void recount_units(const struct verify *v, struct verify_report *r)
{
    const json_t *in = inputs_of(v), *names = json_object_get(in, "variants"), *said, *name;
    const json_t *phases = json_object_get(in, "phases");
    bool by_maturity = json_is_string(json_object_get(in, "matured_by"));
    bool kept = json_is_true(json_object_get(v->doc, "metric_kept"));
    size_t i, k, before = r->n;
    json_array_foreach(phases, i, said)
    {
        const struct verify_phase *p = phase_of(v, verify_whole(said, "phase"));
        if (!p) {
            verify_say(r, VERIFY_NO, "phase %" PRId64 " of the evidence doesn't exist",
                       verify_whole(said, "phase"));
            continue;
        }
        json_array_foreach(names, k, name)
        {
            const struct verify_arm none = {0}, *a = verify_arm_of(p, json_string_value(name));
            char where[160];
            snprintf(where, sizeof where, "phase %" PRId64 ": %s", p->number, json_string_value(name));
            a = a ? a : &none;
            differs(r, where, "share in ppm", item(said, "shares_ppm", k),
                    (double)verify_share_of(p, json_string_value(name)));
            differs(r, where, "units", item(said, "units", k), (double)a->exposed);
            if (by_maturity && kept)
                differs(r, where, "units whose time is over", item(said, "matured_units", k),
                        (double)a->matured);
        }
    }
    judge_missing_phases(v, phases, r);
    if (r->n == before)
        verify_say(r, VERIFY_YES, "units: each variant holds in each phase what the evidence says");
    if (by_maturity && !kept)
        say_from_evidence(v, r, "units whose time is over");
}

static bool recount_arm(struct verify_report *r, const struct verify_phase *p, const char *variant,
                        const json_t *said)
{
    const struct verify_arm none = {0}, *found = verify_arm_of(p, variant), *a = found ? found : &none;
    const struct {
        const char *member, *words;
        double found;
    } sums[] = {{"units", "units", (double)a->units},
                {"events", "units with the event", (double)a->events},
                {"amounts", "units with an amount", (double)a->amounts},
                {"sum", "sum of values", (double)a->sum},
                {"sum_sq", "sum of squares", (double)a->sum_sq},
                {"sum_cu", "sum of cubes", (double)a->sum_cu},
                {"den_sum", "sum of denominators", (double)a->den_sum},
                {"den_sum_sq", "sum of squared denominators", (double)a->den_sum_sq},
                {"cross_sum", "sum of products", (double)a->cross_sum}};
    char where[160];
    bool same = true;
    snprintf(where, sizeof where, "phase %" PRId64 ": %s", p->number, variant);
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        same &= !differs(r, where, sums[i].words, verify_double(said, sums[i].member), sums[i].found);
    return same;
}

static void recount_treatment(const struct verify *v, const json_t *t, struct verify_report *r)
{
    const char *treatment = json_text_of(t, "treatment");
    const char *control = json_text_of(inputs_of(v), "control");
    const json_t *said;
    size_t i;
    bool same = true;
    json_array_foreach(json_object_get(t, "phases"), i, said)
    {
        const struct verify_phase *p = phase_of(v, verify_whole(said, "phase"));
        char where[40];
        if (!p) {
            verify_say(r, VERIFY_NO, "phase %" PRId64 " of the evidence doesn't exist",
                       verify_whole(said, "phase"));
            same = false;
            continue;
        }
        snprintf(where, sizeof where, "phase %" PRId64, p->number);
        same &= !differs(r, where, "treatment's share in ppm", verify_double(said, "treatment_share_ppm"),
                         (double)verify_share_of(p, treatment));
        same &= !differs(r, where, "control's share in ppm", verify_double(said, "control_share_ppm"),
                         (double)verify_share_of(p, control));
        same &= recount_arm(r, p, treatment, json_object_get(said, "treatment"));
        same &= recount_arm(r, p, control, json_object_get(said, "control"));
    }
    if (same)
        verify_say(r, VERIFY_YES, "%s and %s: units and sums of values are those the evidence says",
                   treatment, control);
}

static void recount_effects(const struct verify *v, struct verify_report *r)
{
    const json_t *t;
    size_t i;
    if (!json_is_true(json_object_get(v->doc, "metric_kept"))) {
        say_from_evidence(v, r, "units and sums of values");
        return;
    }
    json_array_foreach(json_object_get(inputs_of(v), "treatments"), i, t) recount_treatment(v, t, r);
}

/* The times of batches tell when a unit first counted, unless an exposure was replaced or a batch's record is
 * gone. */
static bool batches_known(const struct verify *v, struct verify_report *r, const char *what)
{
    bool replaced = verify_whole(v->doc, "replaced") > 0, pruned = verify_whole(v->doc, "unbatched") > 0;
    bool kept = json_is_true(json_object_get(v->doc, "metric_kept"));
    if (!replaced && !pruned && kept)
        return true;
    verify_say(r, VERIFY_ONLY, "%s: taken from the evidence, not counted again: %s", what,
               !kept    ? "the metric was changed since, or is counted no longer"
               : pruned ? "when some of its units were counted is kept no longer"
                        : "some exposures were replaced by earlier ones since");
    return false;
}

static void recount_stretches(const struct verify *v, struct verify_report *r)
{
    const json_t *said = json_object_get(inputs_of(v), "intervals");
    const json_t *rows = json_object_get(v->doc, "stretches");
    size_t n = json_array_size(said), before = r->n;
    bool known = batches_known(v, r, "what each stretch held");
    before += !known;
    if (json_array_size(rows) != n)
        verify_say(r, VERIFY_NO, "stretches: the evidence has %zu, the database %zu", n,
                   json_array_size(rows));
    for (size_t i = 0; i < n && r->n < before + 5; i++) {
        const json_t *pair = json_array_get(rows, i);
        char where[40];
        snprintf(where, sizeof where, "stretch %zu", i + 1);
        double counted = json_number_value(json_array_get(said, i));
        if (differs(r, where, "as written down", counted, json_number_value(json_array_get(pair, 0))))
            continue;
        if (known)
            differs(r, where, "counted again", counted, json_number_value(json_array_get(pair, 1)));
    }
    if (r->n == before)
        verify_say(r, VERIFY_YES, "stretches: %zu, each with what the evidence says", n);
}

static bool silent(const struct verify *v, struct verify_report *r)
{
    const json_t *in = inputs_of(v), *rows = json_object_get(v->doc, "silence");
    double minutes = verify_double(in, "minutes"), passed = verify_double(v->doc, "silent_seconds") / 60;
    bool ever = json_is_true(json_object_get(in, "ever"));
    if (!(passed >= minutes))
        verify_say(r, VERIFY_NO, "silence: it had lasted %.6g minutes, less than %g", passed, minutes);
    if (batches_known(v, r, "silence")) {
        int64_t after = verify_whole(rows, "after"), earlier = verify_whole(rows, "before");
        if (after > 0)
            verify_say(r, VERIFY_NO, "silence: outcomes of %" PRId64 " units were counted in it", after);
        if (ever != (earlier > 0))
            verify_say(r, VERIFY_NO,
                       "silence: the evidence says there %s outcomes before, the rows: of "
                       "%" PRId64 " units",
                       ever ? "were" : "were no", earlier);
        if (after == 0 && ever == (earlier > 0))
            verify_say(r, VERIFY_YES, "silence: nothing was counted in it, for %.6g minutes", passed);
    }
    return passed >= minutes;
}

/* Of conditions that only count or wait: whether they hold, from the rows. */
static void judge_plain(const struct verify *v, struct verify_report *r)
{
    const json_t *in = inputs_of(v);
    double ran = verify_double(v->doc, "ran_seconds"), units = 0;
    bool reached = false;
    for (size_t i = 0; i < v->n_phases; i++)
        for (size_t k = 0; k < v->phases[i].n; k++)
            units += (double)v->phases[i].arms[k].exposed;
    if (is(v, "max_duration")) {
        reached = ran >= verify_double(in, "seconds");
        verify_say(r, reached ? VERIFY_YES : VERIFY_NO, "it had run for %.9g seconds, of %.9g it may", ran,
                   verify_double(in, "seconds"));
        if (strcmp(json_text_of(in, "started_at"), json_text_of(v->doc, "started_at")) != 0)
            verify_say(r, VERIFY_NO, "the evidence says it started at %s, the record %s",
                       json_text_of(in, "started_at"), json_text_of(v->doc, "started_at"));
    } else if (is(v, "max_units")) {
        differs(r, "the experiment", "units", verify_double(in, "units"), units);
        reached = units >= verify_double(in, "limit");
        verify_say(r, reached ? VERIFY_YES : VERIFY_NO, "%.9g units are exposed, of %.9g it may have", units,
                   verify_double(in, "limit"));
    } else
        reached = silent(v, r);
    if (json_is_true(json_object_get(in, "reached")) != reached)
        verify_say(r, VERIFY_NO, "the evidence says it %s reached, computed: it %s",
                   reached ? "is not" : "is", reached ? "is" : "is not");
}

/* What the evidence says was computed, against what is computed now; false at the first difference. */
static bool same_found(struct verify_report *r, const char *path, const json_t *said, const json_t *found)
{
    char deeper[160];
    const char *key;
    json_t *x;
    size_t i;
    if (json_is_object(found)) {
        json_object_foreach((json_t *)(uintptr_t)found, key, x)
        {
            snprintf(deeper, sizeof deeper, "%.100s%s%.50s", path, *path ? "." : "", key);
            if (!same_found(r, deeper, json_object_get(said, key), x))
                return false;
        }
        return true;
    }
    if (json_is_array(found)) {
        bool whole = json_array_size(found) == json_array_size(said);
        json_array_foreach(found, i, x)
        {
            snprintf(deeper, sizeof deeper, "%.120s[%zu]", path, i);
            if (!same_found(r, deeper, json_array_get(said, i), x))
                return false;
        }
        if (!whole)
            verify_say(r, VERIFY_NO, "%s: the evidence has another number of them", path);
        return whole;
    }
    bool same = json_is_number(found)
                    ? json_is_number(said) && verify_close(json_number_value(said), json_number_value(found))
                    : json_equal(said, found);
    if (!same) {
        char *a = said ? json_dumps(said, JSON_ENCODE_ANY) : NULL, *b = json_dumps(found, JSON_ENCODE_ANY);
        verify_say(r, VERIFY_NO, "found, %s: the evidence says %.80s, computed %.80s", path,
                   a ? a : "nothing", b ? b : "nothing");
        free(a);
        free(b);
    }
    return same;
}

static void judge_again(const struct verify *v, struct verify_report *r)
{
    const struct condition c = {.kind = v->kind,
                                .action = json_text_of(v->evidence, "action"),
                                .metric = json_text_of(v->evidence, "metric"),
                                .experiment = json_text_of(v->evidence, "experiment"),
                                .alpha = verify_double(v->evidence, "alpha"),
                                .weight = verify_double(v->evidence, "weight"),
                                .inputs = inputs_of(v)};
    struct condition_verdict found;
    condition_judge(&c, &found);
    if (!found.found)
        verify_say(r, VERIFY_NO, "out of memory");
    else if (same_found(r, "", json_object_get(v->evidence, "found"), found.found) &&
             json_object_size(found.found) > 0)
        verify_say(r, VERIFY_YES, "what was computed on the way is computed again");
    if (found.has_ln_e && isinf(found.ln_e))
        verify_say(r, json_is_null(json_object_get(v->evidence, "ln_e")) ? VERIFY_YES : VERIFY_NO,
                   "ln E: beyond all bounds");
    else if (found.has_ln_e)
        verify_number(r, "ln E", verify_double(v->evidence, "ln_e"), found.ln_e);
    if (found.has_ln_e)
        verify_number(r, "threshold", verify_double(v->evidence, "threshold_ln_e"), found.threshold);
    if (found.has_ln_e)
        verify_say(r, found.reached ? VERIFY_YES : VERIFY_NO, "ln E %.6g: %s, threshold %.6g", found.ln_e,
                   found.reached ? "reached" : "not reached", found.threshold);
    else if (!found.reached)
        verify_say(r, VERIFY_NO, "the condition is not reached");
    condition_verdict_fini(&found);
}

void verify_condition(const struct verify *v, struct verify_report *r)
{
    if (strcmp(v->kind, json_text_of(v->evidence, "kind")) != 0)
        verify_say(r, VERIFY_NO, "the verdict is one of %s, its evidence says %s", v->kind,
                   json_text_of(v->evidence, "kind"));
    judge_rule(v, r);
    if (is(v, "srm"))
        recount_units(v, r);
    else if (is(v, "success") || is(v, "futility"))
        recount_effects(v, r);
    else if (is(v, "volume_drift"))
        recount_stretches(v, r);
    else
        judge_plain(v, r);
    judge_again(v, r);
}
