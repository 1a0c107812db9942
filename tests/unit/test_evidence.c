/* The sentences and documents of stops: directions, ratios without a number, error levels, lengths. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "store/evidence.h"

#define PHASES 200

static struct phase_counts counts[PHASES];
static struct evt_phase events[PHASES];
static char text[768];

static struct guard_case guard(enum evt_harm harm, int64_t tu, int64_t te, int64_t cu, int64_t ce)
{
    counts[0] = (struct phase_counts){.number = 1,
                                      .treatment_share_ppm = 500000,
                                      .control_share_ppm = 500000,
                                      .treatment_units = tu,
                                      .treatment_events = te,
                                      .control_units = cu,
                                      .control_events = ce};
    events[0] = (struct evt_phase){te, ce, 0.5};
    return (struct guard_case){.experiment = "shop",
                               .metric = "refund",
                               .event = "refunded",
                               .treatment = "new",
                               .control = "old",
                               .kind = "binary",
                               .action = "stop",
                               .rule = {harm, 1, 0.01, 1, 2},
                               .phases = counts,
                               .n_phases = 1};
}

static const char *sentence(const struct guard_case *g)
{
    struct guardrail_verdict v;
    struct srm_pair units[PHASES];
    for (size_t i = 0; i < g->n_phases; i++)
        units[i] = (struct srm_pair){g->phases[i].treatment_units, g->phases[i].control_units, 0.5};
    guardrail_judge(&g->rule, events, units, g->n_phases, &v);
    ck_assert(v.reached);
    evidence_sentence(g, &v, text, sizeof text);
    return text;
}

START_TEST(words)
{
    struct guard_case g = guard(EVT_UP, 1234567, 60, 1234500, 0);
    ck_assert_str_eq(sentence(&g),
                     "Stopped: refund happened with new and never with old (at least 6.5 ×; 60 of 1,234,567 "
                     "against 0 of 1,234,500). A harmless experiment is stopped like this at most 1 time "
                     "in 100.");
    g = guard(EVT_DOWN, 1000, 0, 999, 60);
    g.rule.alpha = 0.03;
    ck_assert_str_eq(sentence(&g),
                     "Stopped: refund never happened with new and did with old (at most 0.12 ×; 0 of 1,000 "
                     "against 60 of 999). A harmless experiment is stopped like this at most 3 % of the "
                     "time.");
    g = guard(EVT_UP, 10000, 2000, 10000, 100);
    g.rule.margin = 1.5;
    g.at_maturity = true;
    g.action = "alert";
    ck_assert_str_eq(sentence(&g),
                     "Alert: refund rose 20 × with new against old (at least 14 ×, where 1.5 × is tolerated; "
                     "2,000 of 10,000 against 100 of 10,000 whose time to have the event is over). A "
                     "harmless experiment raises such an alert at most 1 time in 100.");
    g = guard(EVT_UP, 20000, 3000, 10000, 500);
    ck_assert(strstr(sentence(&g), "The arms do not hold the units their shares say, and it holds even so."));
}
END_TEST

/* Names of any length and any number of phases: cut sentences stay UTF-8, documents stay whole. */
START_TEST(lengths)
{
    char name[4000];
    for (size_t i = 0; i + 3 < sizeof name; i += 2)
        memcpy(name + i, "é", 3);
    struct guard_case g = guard(EVT_UP, 1000, 300, 1000, 100);
    g.treatment = name;
    struct guardrail_verdict v;
    for (int i = 0; i < PHASES; i++) {
        counts[i] = (struct phase_counts){.number = i,
                                          .treatment_share_ppm = 1000000,
                                          .control_share_ppm = 1000000,
                                          .treatment_units = INT64_MAX,
                                          .treatment_events = 300,
                                          .control_units = INT64_MAX,
                                          .control_events = 100};
        events[i] = (struct evt_phase){300, 100, 1 / 3.0};
    }
    g.n_phases = PHASES;
    struct srm_pair none[PHASES] = {{0, 0, 0}};
    guardrail_judge(&g.rule, events, none, PHASES, &v);
    evidence_sentence(&g, &v, text, sizeof text);
    json_t *s = json_string(text); /* refuses what is not UTF-8 */
    ck_assert(s != NULL);
    json_decref(s);
    char *document = evidence_document(&g, &v, events, "n\"1", 7, 1795000000000001);
    json_t *doc = json_loads(document, JSON_REJECT_DUPLICATES, NULL);
    ck_assert(doc != NULL);
    ck_assert_uint_eq(json_array_size(json_object_get(doc, "phases")), PHASES);
    ck_assert_double_eq(
        json_real_value(json_object_get(json_array_get(json_object_get(doc, "phases"), 9), "q")), 1 / 3.0);
    ck_assert_str_eq(json_string_value(json_object_get(doc, "decided_at")), "2026-11-18T11:06:40.000001Z");
    ck_assert(json_is_null(json_object_get(doc, "e"))); /* e^10000 is no number */
    ck_assert_double_eq(json_real_value(json_object_get(doc, "ln_e")), v.ln_e);
    json_decref(doc);
    free(document);
}
END_TEST

START_TEST(counts_tell_verdicts_apart)
{
    struct guard_case g = guard(EVT_UP, 1000, 300, 1000, 100);
    char *a = evidence_counts(&g);
    counts[0].control_events++;
    char *b = evidence_counts(&g);
    counts[0].control_events--;
    char *c = evidence_counts(&g);
    ck_assert_str_ne(a, b);
    ck_assert_str_eq(a, c);
    free(a);
    free(b);
    free(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("evidence");
    TCase *t = tcase_create("evidence");
    tcase_add_test(t, words);
    tcase_add_test(t, lengths);
    tcase_add_test(t, counts_tell_verdicts_apart);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
