/* Checks how bandits assign against worked cases.
 *
 *     assignment_bandit [FILE.json]        (default: the project's own file)
 *
 * FILE is what assignment_bandit.py prints, which says what is in it. The experiments are compiled as a plan
 * and each case is decided. One line a failing case, then "N passed, N failed". Exits 1 when one failed and 2
 * when the file could not be read. */
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_in.h"
#include "codec/plan_json.h"
#include "core/arena.h"
#include "core/decide.h"
#include "core/draw.h"
#include "core/policy.h"

static const char *text_of(const json_t *c, const char *name)
{
    const char *s = json_string_value(json_object_get(c, name));
    return s ? s : "";
}

static json_int_t int_of(const json_t *c, const char *name)
{
    return json_integer_value(json_object_get(c, name));
}

/* --- decisions --- */

/* The experiments as a plan, each behind a flag of its name. */
static struct plan *plan_of(const json_t *doc)
{
    struct plan *p;
    struct error e;
    size_t i;
    json_t *x, *flags = json_array();
    json_array_foreach(json_object_get(doc, "experiments"), i, x)
    {
        json_t *rule = json_pack("{s:s, s:O}", "kind", "experiment", "experiment", json_object_get(x, "key"));
        json_array_append_new(flags, json_pack("{s:i, s:O, s:s, s:b, s:s, s:[o]}", "id", (int)i + 1, "key",
                                               json_object_get(x, "key"), "type", "string", "archived", 0,
                                               "default", "off", "rules", rule));
    }
    json_t *plan =
        json_pack("{s:i, s:i, s:i, s:s, s:O, s:O, s:[], s:[], s:o, s:O}", "format", 1, "version", 1,
                  "stop_version", 0, "environment", "vectors", "unit_key", json_object_get(doc, "unit_key"),
                  "hash_key", json_object_get(doc, "hash_key"), "api_keys", "events", "flags", flags,
                  "experiments", json_object_get(doc, "experiments"));
    char *text = json_dumps(plan, JSON_COMPACT);
    json_decref(plan);
    if (!text || plan_from_json(text, strlen(text), &p, &e) != 0 || plan_quarantine_count(p) > 0) {
        fprintf(stderr, "assignment_bandit: the experiments are no plan\n");
        exit(2);
    }
    free(text);
    return p;
}

static bool vector_holds(const json_t *want, const struct decision *d)
{
    for (size_t i = 0; i < d->vector.n; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", plan_variant_id(d->vector.list[i].variant));
        if (!json_is_integer(json_object_get(want, id)) || int_of(want, id) != d->vector.list[i].ppm)
            return false;
    }
    return d->vector.n == json_object_size(want);
}

static bool decision_holds(const json_t *c, const struct decision *d)
{
    char unit[37];
    uuid_format(d->unit.bytes, unit);
    if (strcmp(unit, text_of(c, "unit")) != 0 ||
        strcmp(decide_reason_name(d->reason), text_of(c, "reason")) != 0)
        return false;
    if (!json_object_get(c, "phase"))
        return !d->variant;
    return d->phase && plan_phase_number(d->phase) == int_of(c, "phase") && d->variant &&
           strcmp(plan_variant_key(d->variant), text_of(c, "variant")) == 0 &&
           d->propensity_ppm == int_of(c, "propensity") &&
           vector_holds(json_object_get(c, "probabilities"), d);
}

static bool case_holds(const struct plan *p, const json_t *c)
{
    struct arena *a = arena_new();
    struct attr attributes;
    struct error e;
    struct subject s;
    struct decision d;
    uint8_t id[16];
    const char *raw = text_of(c, "raw"), *key = text_of(c, "experiment");
    bool ok = a && json_in_attr(a, json_object_get(c, "attributes"), &attributes, &e) == 0 &&
              uuid_parse(text_of(c, "decision"), 36, id) == 0 && plan_flag_find(p, key, strlen(key));
    if (ok) {
        subject_init(&s, raw, strlen(raw), &attributes);
        decide(p, plan_flag_find(p, key, strlen(key)), &s, id, int_of(c, "now_us"), 0, &d);
        ok = decision_holds(c, &d);
        if (!ok)
            printf("%s, %s, %s: %s in phase %d, %d ppm, %s\n", key, raw, text_of(c, "decision"),
                   d.variant_name, d.phase ? plan_phase_number(d.phase) : 0, d.propensity_ppm,
                   decide_reason_name(d.reason));
    }
    arena_free(a);
    return ok;
}

/* --- scores --- */

static bool scores_hold(const json_t *c)
{
    double scores[POLICY_ARMS], confidence;
    uint32_t ppm[POLICY_ARMS];
    const json_t *list = json_object_get(c, "scores"), *want = json_object_get(c, "ppm");
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n; i++)
        scores[i] = json_number_value(json_array_get(list, i));
    policy_probabilities(scores, n, json_number_value(json_object_get(c, "gamma")),
                         (uint32_t)int_of(c, "floor_ppm"), ppm, &confidence);
    bool ok = confidence == json_number_value(json_object_get(c, "confidence"));
    for (size_t i = 0; i < n; i++)
        ok = ok && ppm[i] == json_integer_value(json_array_get(want, i));
    if (!ok)
        printf("scores of %zu arms, gamma %g\n", n, json_number_value(json_object_get(c, "gamma")));
    return ok;
}

static bool logistic_holds(const json_t *c)
{
    double z = json_number_value(json_object_get(c, "z"));
    if (policy_logistic(z) == json_number_value(json_object_get(c, "p")))
        return true;
    printf("logistic of %g: %a\n", z, policy_logistic(z));
    return false;
}

/* --- the file --- */

int main(int argc, char **argv)
{
    const char *top = getenv("srcdir");
    char path[4096];
    json_error_t je;
    json_t *c;
    size_t i;
    int passed = 0, failed = 0;
    snprintf(path, sizeof path, "%s/tests/vectors/assignment_bandit.json", top ? top : ".");
    json_t *doc = json_load_file(argc > 1 ? argv[1] : path, 0, &je);
    if (!doc) {
        fprintf(stderr, "assignment_bandit: %s: %s\n", argc > 1 ? argv[1] : path, je.text);
        return 2;
    }
    struct plan *p = plan_of(doc);
    json_array_foreach(json_object_get(doc, "cases"), i, c) case_holds(p, c) ? passed++ : failed++;
    json_array_foreach(json_object_get(doc, "scores"), i, c) scores_hold(c) ? passed++ : failed++;
    json_array_foreach(json_object_get(doc, "logistic"), i, c) logistic_holds(c) ? passed++ : failed++;
    printf("%d passed, %d failed\n", passed, failed);
    plan_unref(p);
    json_decref(doc);
    return failed > 0 || passed == 0;
}
