#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/json_text.h"
#include "cohortctl/table.h"
#include "cohortctl/verify.h"

struct report {
    struct verify_line *lines;
    size_t n;
};

static void say(struct report *r, bool good, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void say(struct report *r, bool good, const char *fmt, ...)
{
    va_list args;
    if (r->n == VERIFY_LINES) { /* a "no" is never lost */
        r->lines[r->n - 1].good = r->lines[r->n - 1].good && good;
        return;
    }
    va_start(args, fmt);
    vsnprintf(r->lines[r->n].text, sizeof r->lines[r->n].text, fmt, args);
    va_end(args);
    r->lines[r->n++].good = good;
}

static double number(const json_t *o, const char *member)
{
    const json_t *v = json_object_get(o, member);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static int64_t whole(const json_t *o, const char *member)
{
    return json_integer_value(json_object_get(o, member));
}

static bool close_to(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fmax(1, fmax(fabs(a), fabs(b)));
}

bool verify_can(const struct verify *v, const char **why)
{
    *why = NULL;
    if (json_is_true(json_object_get(v->evidence, "reasserted")))
        *why = "it was told again by a server to a database that had lost it: its evidence went with the "
               "lost rows";
    else if (strncmp(json_text_of(v->evidence, "method"), "EVT", 3) != 0)
        *why =
            "only stops by the event-mark test of binary guardrails can be computed again here; its evidence "
            "is in cohort.stop_event";
    return *why == NULL;
}

static void judge_draws(const struct verify *v, struct report *r)
{
    char a[32], b[32];
    table_thousands(v->redrawn, a);
    table_thousands(v->units, b);
    if (v->astray == 0)
        say(r, true, "draws: %s of %s units are where salts and slots put them", a, b);
    else if (v->sticky)
        say(r, true,
            "draws: %s of %s units are where salts and slots put them; %" PRId64 " are not, and kept an "
            "earlier variant by a token (the experiment is sticky), which can't be checked",
            a, b, v->astray);
    else
        say(r, false, "draws: %" PRId64 " of %s units are elsewhere than salts and slots put them; one is %s",
            v->astray, b, v->first_astray);
    if (v->undrawn > 0)
        say(r, true,
            "draws: %" PRId64 " units can't be drawn anew: an override or an import placed them; they are "
            "counted where they are recorded",
            v->undrawn);
    if (whole(v->doc, "dropped_days") > 0)
        say(r, true,
            "%" PRId64 " days of outcomes are kept no longer; what each unit had done by then was kept "
            "and is taken as recorded",
            whole(v->doc, "dropped_days"));
}

static const json_t *evidence_phase(const struct verify *v, int64_t phase)
{
    const json_t *p;
    size_t i;
    json_array_foreach(json_object_get(v->evidence, "phases"), i, p)
    {
        if (whole(p, "phase") == phase)
            return p;
    }
    return NULL;
}

static int64_t share_of(const struct verify_phase *p, const char *variant)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->keys[i], variant) == 0)
            return p->shares[i];
    return 0;
}

static void compare(struct report *r, const struct verify_phase *p, const json_t *said, const char *what,
                    const char *member, int64_t found)
{
    if (whole(said, member) != found)
        say(r, false, "phase %" PRId64 ": %s: the evidence says %" PRId64 ", the rows %" PRId64, p->number,
            what, whole(said, member), found);
}

/* The counts of one phase; false when it holds no comparison. */
static bool judge_phase(const struct verify *v, const struct verify_phase *p, struct report *r)
{
    int64_t t = share_of(p, json_text_of(v->evidence, "treatment"));
    int64_t c = share_of(p, json_text_of(v->evidence, "control"));
    const json_t *said = evidence_phase(v, p->number);
    size_t before = r->n;
    if (t <= 0 || c <= 0)
        return false;
    if (!said) {
        if (p->treatment.units + p->control.units > 0)
            say(r, false, "phase %" PRId64 " has units and is missing in the evidence", p->number);
        return false;
    }
    compare(r, p, said, "treatment's share in ppm", "treatment_share_ppm", t);
    compare(r, p, said, "control's share in ppm", "control_share_ppm", c);
    compare(r, p, said, "treatment's units", "treatment_units", p->treatment.units);
    compare(r, p, said, "treatment's units with the event", "treatment_events", p->treatment.events);
    compare(r, p, said, "control's units", "control_units", p->control.units);
    compare(r, p, said, "control's units with the event", "control_events", p->control.events);
    if (r->n == before)
        say(r, true,
            "phase %" PRId64 ": %" PRId64 " of %" PRId64 " units of %s had the event, %" PRId64 " of %" PRId64
            " of %s, as the evidence says",
            p->number, p->treatment.events, p->treatment.units, json_text_of(v->evidence, "treatment"),
            p->control.events, p->control.units, json_text_of(v->evidence, "control"));
    return true;
}

static void judge_number(struct report *r, const char *what, double said, double found)
{
    bool same = isfinite(said) && close_to(said, found);
    if (same)
        say(r, true, "%s: %.9g", what, found);
    else
        say(r, false, "%s: the evidence says %.12g, computed %.12g", what, said, found);
}

/* The rule in the definition that ran, against the one the evidence was judged by. */
static struct guardrail_rule judge_rule(const struct verify *v, struct report *r)
{
    const json_t *rule = json_object_get(v->doc, "rule"), *def = json_object_get(v->doc, "definition");
    double weight = number(v->evidence, "weight"), alpha = number(v->evidence, "alpha");
    double margin = number(v->evidence, "margin");
    int64_t arms = (int64_t)json_array_size(json_object_get(def, "variants"));
    struct guardrail_rule out = {strcmp(json_text_of(v->evidence, "direction"), "down") == 0 ? EVT_DOWN
                                                                                             : EVT_UP,
                                 margin, alpha, weight, (int)whole(v->evidence, "arms")};
    size_t before = r->n;
    if (!json_is_object(rule)) {
        say(r, false, "rule: the definition that ran has no such guardrail");
        return out;
    }
    if (!close_to(margin, number(rule, "margin")))
        say(r, false, "rule: the evidence says margin %g, the definition %g", margin, number(rule, "margin"));
    if (!close_to(alpha, number(def, "alpha")))
        say(r, false, "rule: the evidence says alpha %g, the definition %g", alpha, number(def, "alpha"));
    if (!close_to(weight, number(rule, "weight_of_action")) &&
        !close_to(weight, number(rule, "weight_of_all")))
        say(r, false, "rule: the evidence says weight %g, the definition %g", weight,
            number(rule, "weight_of_action"));
    if (strcmp(json_text_of(v->evidence, "count"), json_text_of(rule, "count")) != 0)
        say(r, false, "rule: the evidence counts %s, the definition %s", json_text_of(v->evidence, "count"),
            json_text_of(rule, "count"));
    if (whole(v->evidence, "arms") != arms)
        say(r, false, "rule: the evidence says %" PRId64 " arms, the definition %" PRId64,
            whole(v->evidence, "arms"), arms);
    if (r->n == before)
        say(r, true, "rule: margin %g, alpha %g, weight %g, %" PRId64 " arms, as defined", margin, alpha,
            weight, arms);
    return out;
}

static void judge_evidence(const struct verify *v, struct report *r, const struct guardrail_rule *rule,
                           struct evt_phase *events, struct srm_pair *units, size_t n)
{
    struct guardrail_verdict verdict;
    guardrail_judge(rule, events, units, n, &verdict);
    judge_number(r, "SRM's ln E", number(v->evidence, "srm_ln_e"), verdict.srm_ln_e);
    if (verdict.counts_broken != json_is_true(json_object_get(v->evidence, "counts_broken")))
        say(r, false, "the evidence says the counts are %s, computed: %s",
            verdict.counts_broken ? "sound" : "broken", verdict.counts_broken ? "broken" : "sound");
    for (size_t i = 0, k = 0; i < v->n_phases && k < n; i++) {
        const json_t *said = evidence_phase(v, v->phases[i].number);
        char what[48];
        if (!said || units[k].q <= 0)
            continue;
        snprintf(what, sizeof what, "phase %" PRId64 ": q", v->phases[i].number);
        judge_number(r, what, number(said, "q"), events[k++].q);
    }
    judge_number(r, "ln E, from the rows", number(v->evidence, "ln_e"), verdict.ln_e);
    judge_number(r, "threshold, ln((arms - 1) / (alpha weight))", number(v->evidence, "threshold_ln_e"),
                 verdict.threshold);
    say(r, verdict.reached, "ln E %.6g is %s the threshold %.6g", verdict.ln_e,
        verdict.reached ? "at or above" : "below", verdict.threshold);
}

size_t verify_judge(const struct verify *v, struct verify_line lines[VERIFY_LINES])
{
    struct report r = {lines, 0};
    struct evt_phase *events = calloc(v->n_phases + 1, sizeof *events);
    struct srm_pair *units = calloc(v->n_phases + 1, sizeof *units);
    size_t n = 0;
    judge_draws(v, &r);
    struct guardrail_rule rule = judge_rule(v, &r);
    for (size_t i = 0; events && units && i < v->n_phases; i++) {
        const struct verify_phase *p = &v->phases[i];
        if (!judge_phase(v, p, &r))
            continue;
        double q = evt_q((double)share_of(p, json_text_of(v->evidence, "treatment")),
                         (double)share_of(p, json_text_of(v->evidence, "control")));
        events[n] = (struct evt_phase){p->treatment.events, p->control.events, q};
        units[n++] = (struct srm_pair){p->treatment.units, p->control.units, q};
    }
    if (n != json_array_size(json_object_get(v->evidence, "phases")))
        say(&r, false, "the evidence has %zu phases, the database %zu",
            json_array_size(json_object_get(v->evidence, "phases")), n);
    if (events && units)
        judge_evidence(v, &r, &rule, events, units, n);
    else
        say(&r, false, "out of memory");
    free(events);
    free(units);
    return r.n;
}
