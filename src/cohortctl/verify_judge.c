#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/json_text.h"
#include "cohortctl/table.h"
#include "cohortctl/verify.h"

bool verify_can(const struct verify *v, const char **why)
{
    *why = NULL;
    if (json_is_true(json_object_get(v->evidence, "reasserted")))
        *why = "it was told again by a server to a database that had lost it: its evidence went with the "
               "lost rows";
    else if (strcmp(v->kind, "harm") == 0 && !v->by_values &&
             strncmp(json_text_of(v->evidence, "method"), "EVT", 3) != 0)
        *why = "its evidence names no method that is known here";
    else if (strcmp(v->kind, "harm") != 0 && !json_is_object(json_object_get(v->evidence, "inputs")))
        *why = "its evidence holds nothing that it was judged on";
    return *why == NULL;
}

static void judge_draws(const struct verify *v, struct verify_report *r)
{
    char a[32], b[32];
    table_thousands(v->redrawn, a);
    table_thousands(v->units, b);
    if (v->astray == 0)
        verify_say(r, VERIFY_YES, "draws: %s of %s units are where salts and slots put them", a, b);
    else if (v->sticky)
        verify_say(r, VERIFY_YES,
                   "draws: %s of %s units are where salts and slots put them; %" PRId64
                   " are not, and kept an "
                   "earlier variant by a token (the experiment is sticky), which can't be checked",
                   a, b, v->astray);
    else
        verify_say(r, VERIFY_NO,
                   "draws: %" PRId64 " of %s units are elsewhere than salts and slots put them; one is %s",
                   v->astray, b, v->first_astray);
    if (v->undrawn > 0)
        verify_say(r, VERIFY_YES,
                   "draws: %" PRId64 " units can't be drawn anew: an override, an import or a bandit's time "
                   "phase placed them (cohortctl replay draws decisions); they are counted where they are "
                   "recorded",
                   v->undrawn);
    if (verify_whole(v->doc, "dropped_days") > 0)
        verify_say(r, VERIFY_YES,
                   "%" PRId64
                   " days of outcomes are kept no longer; what each unit had done by then was kept "
                   "and is taken as recorded",
                   verify_whole(v->doc, "dropped_days"));
}

static const json_t *evidence_phase(const struct verify *v, int64_t phase)
{
    const json_t *p;
    size_t i;
    json_array_foreach(json_object_get(v->evidence, "phases"), i, p)
    {
        if (verify_whole(p, "phase") == phase)
            return p;
    }
    return NULL;
}

static void compare(struct verify_report *r, const struct verify_phase *p, const json_t *said,
                    const char *what, const char *member, int64_t found)
{
    if (verify_whole(said, member) != found)
        verify_say(r, VERIFY_NO, "phase %" PRId64 ": %s: the evidence says %" PRId64 ", the rows %" PRId64,
                   p->number, what, verify_whole(said, member), found);
}

/* The counts of one phase; false when it holds no comparison. */
static bool judge_phase(const struct verify *v, const struct verify_phase *p, struct verify_report *r)
{
    int64_t t = verify_share_of(p, json_text_of(v->evidence, "treatment"));
    int64_t c = verify_share_of(p, json_text_of(v->evidence, "control"));
    const json_t *said = evidence_phase(v, p->number);
    size_t before = r->n;
    const struct verify_arm *at = verify_arm_of(p, json_text_of(v->evidence, "treatment"));
    const struct verify_arm *ac = verify_arm_of(p, json_text_of(v->evidence, "control"));
    if (t <= 0 || c <= 0 || !at || !ac)
        return false;
    if (!said) {
        if (at->units + ac->units > 0)
            verify_say(r, VERIFY_NO, "phase %" PRId64 " has units and is missing in the evidence", p->number);
        return false;
    }
    compare(r, p, said, "treatment's share in ppm", "treatment_share_ppm", t);
    compare(r, p, said, "control's share in ppm", "control_share_ppm", c);
    compare(r, p, said, "treatment's units", "treatment_units", at->units);
    compare(r, p, said, "treatment's units with the event", "treatment_events", at->events);
    compare(r, p, said, "control's units", "control_units", ac->units);
    compare(r, p, said, "control's units with the event", "control_events", ac->events);
    if (r->n == before)
        verify_say(r, VERIFY_YES,
                   "phase %" PRId64 ": %" PRId64 " of %" PRId64 " units of %s had the event, %" PRId64
                   " of %" PRId64 " of %s, as the evidence says",
                   p->number, at->events, at->units, json_text_of(v->evidence, "treatment"), ac->events,
                   ac->units, json_text_of(v->evidence, "control"));
    return true;
}

/* The rule in the definition that ran, against the one the evidence was judged by. */
static struct guardrail_rule judge_rule(const struct verify *v, struct verify_report *r)
{
    const json_t *rule = json_object_get(v->doc, "rule"), *def = json_object_get(v->doc, "definition");
    double weight = verify_double(v->evidence, "weight"), alpha = verify_double(v->evidence, "alpha");
    double margin = verify_double(v->evidence, "margin");
    int64_t arms = (int64_t)json_array_size(json_object_get(def, "variants"));
    struct guardrail_rule out = {strcmp(json_text_of(v->evidence, "direction"), "down") == 0 ? EVT_DOWN
                                                                                             : EVT_UP,
                                 margin, alpha, weight, (int)verify_whole(v->evidence, "arms")};
    size_t before = r->n;
    if (!verify_level(v, r))
        return out;
    if (!verify_close(margin, verify_double(rule, "margin")))
        verify_say(r, VERIFY_NO, "rule: the evidence says margin %g, the definition %g", margin,
                   verify_double(rule, "margin"));
    if (strcmp(json_text_of(v->evidence, "count"), json_text_of(rule, "count")) != 0)
        verify_say(r, VERIFY_NO, "rule: the evidence counts %s, the definition %s",
                   json_text_of(v->evidence, "count"), json_text_of(rule, "count"));
    if (verify_whole(v->evidence, "arms") != arms)
        verify_say(r, VERIFY_NO, "rule: the evidence says %" PRId64 " arms, the definition %" PRId64,
                   verify_whole(v->evidence, "arms"), arms);
    if (r->n == before)
        verify_say(r, VERIFY_YES, "rule: margin %g, alpha %g, weight %g, %" PRId64 " arms, as defined",
                   margin, alpha, weight, arms);
    return out;
}

static const json_t *evidence_odds(const struct verify *v, int64_t step)
{
    const json_t *o;
    size_t i;
    json_array_foreach(json_object_get(v->evidence, "odds"), i, o)
    {
        if (verify_whole(o, "odds") == step)
            return o;
    }
    return NULL;
}

/* q at the edge of a step that speaks against harm, as cohort.odds_share() has it. */
static double edge_of(int64_t step, enum evt_harm harm)
{
    double half = harm == EVT_UP ? 0.5 : -0.5, ppm = 1e6 / (1 + exp(-((double)step + half) / 36));
    return (harm == EVT_UP ? ceil(ppm) : floor(ppm)) / 1e6;
}

/* Adds the steps of the odds that have units to events and units, which have room; returns how many. */
static size_t judge_odds(const struct verify *v, struct verify_report *r, enum evt_harm harm,
                         struct evt_phase *events, struct srm_pair *units)
{
    size_t n = 0, before = r->n;
    int64_t counted = 0;
    for (int64_t step = -ODDS_LAST; step <= ODDS_LAST; step++) {
        const struct verify_odds *o = &v->odds[ODDS_LAST + step];
        const json_t *said = evidence_odds(v, step);
        if (!said && o->treatment_units + o->control_units == 0)
            continue;
        if (verify_whole(said, "treatment_units") != o->treatment_units ||
            verify_whole(said, "treatment_events") != o->treatment_events ||
            verify_whole(said, "control_units") != o->control_units ||
            verify_whole(said, "control_events") != o->control_events) {
            if (r->n == before)
                verify_say(r, VERIFY_NO,
                           "odds step %" PRId64 ": the evidence says other units or units with the event "
                           "than the rows (%" PRId64 " of %" PRId64 " against %" PRId64 " of %" PRId64 ")",
                           step, o->treatment_events, o->treatment_units, o->control_events,
                           o->control_units);
        }
        double q = edge_of(step, harm);
        events[n] = (struct evt_phase){o->treatment_events, o->control_events, q};
        units[n++] = (struct srm_pair){0, 0, q};
        counted += o->treatment_units + o->control_units;
    }
    if (n != json_array_size(json_object_get(v->evidence, "odds")))
        verify_say(r, VERIFY_NO, "the evidence has %zu steps of the odds, the rows %zu",
                   json_array_size(json_object_get(v->evidence, "odds")), n);
    if (verify_whole(v->doc, "odds_astray") > 0)
        verify_say(r, VERIFY_NO,
                   "odds: %" PRId64 " units have other odds than their decision in the log says",
                   verify_whole(v->doc, "odds_astray"));
    if (n > 0 && r->n == before)
        verify_say(r, VERIFY_YES,
                   "odds: %" PRId64 " units that a model gave a variant, in %zu steps of the odds, had the "
                   "event as the evidence says",
                   counted, n);
    return n;
}

static void judge_evidence(const struct verify *v, struct verify_report *r, const struct guardrail_rule *rule,
                           struct evt_phase *events, struct srm_pair *units, size_t n)
{
    struct guardrail_verdict verdict;
    guardrail_judge(rule, events, units, n, &verdict);
    verify_number(r, "SRM's ln E", verify_double(v->evidence, "srm_ln_e"), verdict.srm_ln_e);
    if (verdict.counts_broken != json_is_true(json_object_get(v->evidence, "counts_broken")))
        verify_say(r, VERIFY_NO, "the evidence says the counts are %s, computed: %s",
                   verdict.counts_broken ? "sound" : "broken", verdict.counts_broken ? "broken" : "sound");
    for (size_t i = 0, k = 0; i < v->n_phases && k < n; i++) {
        const json_t *said = evidence_phase(v, v->phases[i].number);
        char what[48];
        if (!said || units[k].q <= 0)
            continue;
        snprintf(what, sizeof what, "phase %" PRId64 ": q", v->phases[i].number);
        verify_number(r, what, verify_double(said, "q"), events[k++].q);
    }
    verify_number(r, "ln E, from the rows", verify_double(v->evidence, "ln_e"), verdict.ln_e);
    verify_number(r, "threshold, ln((arms - 1) / (alpha weight))",
                  verify_double(v->evidence, "threshold_ln_e"), verdict.threshold);
    verify_say(r, verdict.reached ? VERIFY_YES : VERIFY_NO, "ln E %.6g is %s the threshold %.6g",
               verdict.ln_e, verdict.reached ? "at or above" : "below", verdict.threshold);
}

static void judge_harm(const struct verify *v, struct verify_report *r)
{
    size_t room = v->n_phases + (size_t)2 * ODDS_LAST + 1;
    struct evt_phase *events = calloc(room, sizeof *events);
    struct srm_pair *units = calloc(room, sizeof *units);
    const struct verify_phase **phases = calloc(v->n_phases + 1, sizeof *phases);
    const char *treatment = json_text_of(v->evidence, "treatment");
    const char *control = json_text_of(v->evidence, "control");
    size_t n = 0;
    struct guardrail_rule rule = judge_rule(v, r);
    for (size_t i = 0; events && units && phases && i < v->n_phases; i++) {
        const struct verify_phase *p = &v->phases[i];
        if (p->model || !judge_phase(v, p, r))
            continue;
        const struct verify_arm *t = verify_arm_of(p, treatment), *c = verify_arm_of(p, control);
        double q = evt_q((double)verify_share_of(p, treatment), (double)verify_share_of(p, control));
        events[n] = (struct evt_phase){t->events, c->events, q};
        units[n] = (struct srm_pair){t->units, c->units, q};
        phases[n++] = p;
    }
    if (n != json_array_size(json_object_get(v->evidence, "phases")))
        verify_say(r, VERIFY_NO, "the evidence has %zu phases, the database %zu",
                   json_array_size(json_object_get(v->evidence, "phases")), n);
    if (!events || !units || !phases)
        verify_say(r, VERIFY_NO, "out of memory");
    else if (v->by_values)
        verify_by_values(v, r, &rule, units, phases, n);
    else
        judge_evidence(v, r, &rule, events, units, n + judge_odds(v, r, rule.harm, events + n, units + n));
    free(events);
    free(units);
    free(phases);
}

void verify_judge(const struct verify *v, struct verify_report *r)
{
    judge_draws(v, r);
    if (strcmp(v->kind, "harm") == 0)
        judge_harm(v, r);
    else
        verify_condition(v, r);
}
