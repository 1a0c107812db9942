#include "cohortctl/kind.h"

#include <stdio.h>
#include <string.h>

#include "cohortctl/path.h"

static const char *const metric_read_only[] = {"version", "versions", "notice", NULL};
static const char *const none_read_only[] = {NULL};
static const char *const segment_read_only[] = {"entries", NULL};
static const char *const experiment_read_only[] = {
    "id",         "status",  "kind",     "origin",   "iteration",       "phases",
    "history",    "stop",    "verdicts", "open_ppm", "layer_slots_ppm", "ramp_state",
    "iterations", "shipped", NULL};
static const char *const holdout_read_only[] = {"id", "kind", "status", "iteration", "history", "stop", NULL};

#define GUARDRAIL_DEFAULTS                                                                                   \
    "\"guardrails\":[{\"direction\":\"up\",\"margin\":1,\"weight\":1,\"count\":\"at_event\",\"action\":"     \
    "\"stop\"}]"
#define EXPERIMENT_DEFAULTS                                                                                  \
    "\"unit_type\":\"user\",\"exposure\":\"on_evaluation\",\"alpha\":0.01,\"alert_alpha\":0."                \
    "05,\"success_alpha\":0.05,\"metrics\":[{\"role\":\"secondary\"}],\"stop_conditions\":[{\"action\":"     \
    "\"stop\",\"weight\":1}]," GUARDRAIL_DEFAULTS

/* A list in defaults has one item, which stands for each, or for the object where it is one; "" stands for
 * the key. */
static const struct kind kinds[] = {
    {"metrics",
     "items",
     metric_read_only,
     "{\"event\":\"\",\"kind\":\"binary\",\"direction_good\":\"none\",\"window_start_s\":0,\"cuped_days\":0,"
     "\"trusted_only\":true}",
     {NULL}},
    {"layers", "items", none_read_only, "{}", {NULL}},
    {"segments", "items", segment_read_only, "{}", {NULL}},
    {"flags", "items", none_read_only, "{\"rules\":[{\"unit_type\":\"user\"}]}", {"type", "rules"}},
    {"experiments",
     "experiments",
     experiment_read_only,
     "{" EXPERIMENT_DEFAULTS
     ",\"flag\":\"\",\"traffic_ppm\":1000000,\"layer_ppm\":1000000,\"ramp_tolerance\":2,"
     "\"guard_max_blind_seconds\":900,\"ramp_on_alert\":\"hold\",\"ramp\":[{\"wait_s\":86400}],"
     "\"bandit\":[{\"floor_ppm\":10000,\"every_s\":3600,\"warm_up\":100,\"uniform_ppm\":50000,"
     "\"promote\":\"person\"}],\"contextual\":[{\"threshold_ppm\":0,\"ridge\":1}]}",
     {"type"}},
    {"holdouts",
     "items",
     holdout_read_only,
     "{" EXPERIMENT_DEFAULTS ",\"scope\":\"global\",\"exempts_running\":true}",
     {NULL}},
};
#define N_KINDS (sizeof kinds / sizeof *kinds)

const struct kind *kind_all(size_t *n)
{
    *n = N_KINDS;
    return kinds;
}

const struct kind *kind_find(const char *name, size_t len)
{
    for (size_t i = 0; i < N_KINDS; i++)
        if (strlen(kinds[i].name) == len && memcmp(kinds[i].name, name, len) == 0)
            return &kinds[i];
    return NULL;
}

int kind_path(const struct kind *k, const char *place, const char *key, char *out, size_t cap,
              struct error *e)
{
    int rc = path_check_key(place, key, e);
    if (rc == 0)
        snprintf(out, cap, "/v1/%s/%s", k->name, key);
    return rc;
}

bool kind_is_value(const char *member)
{
    return strcmp(member, "value") == 0 || strcmp(member, "default") == 0;
}

/* Arms that were dropped have no share left: a definition is without them. */
static void drop_dropped(json_t *doc)
{
    json_t *arms = json_object_get(doc, "variants");
    for (size_t i = json_array_size(arms); i-- > 0;) {
        json_t *arm = json_array_get(arms, i);
        const json_t *share = json_object_get(arm, "share_ppm");
        json_object_del(arm, "dropped");
        if (json_is_integer(share) && json_integer_value(share) == 0)
            json_array_remove(arms, i);
    }
}

json_t *kind_writable(const struct kind *k, const json_t *doc)
{
    json_t *copy = json_deep_copy(doc);
    const char *name;
    json_t *v;
    void *next;
    if (!copy)
        return NULL;
    for (size_t i = 0; k->read_only[i]; i++)
        json_object_del(copy, k->read_only[i]);
    json_object_foreach_safe(copy, next, name, v)
    {
        if (json_is_null(v))
            json_object_del(copy, name);
    }
    drop_dropped(copy);
    return copy;
}

/* Each item of the list, or the object itself, gets the members of the one that stands for all. */
static void fill_items(json_t *list, json_t *item_defaults)
{
    size_t i;
    json_t *item;
    if (json_is_object(list))
        json_object_update_missing(list, item_defaults);
    json_array_foreach(list, i, item)
    {
        if (json_is_object(item))
            json_object_update_missing(item, item_defaults);
    }
}

static void fill(json_t *doc, json_t *defaults, const char *key)
{
    const char *name;
    json_t *v;
    json_object_foreach(defaults, name, v)
    {
        if (json_is_array(v))
            fill_items(json_object_get(doc, name), json_array_get(v, 0));
        else if (!json_object_get(doc, name))
            json_object_set_new(doc, name,
                                json_is_string(v) && *json_string_value(v) == '\0' ? json_string(key)
                                                                                   : json_deep_copy(v));
    }
}

/* Where no variant is marked, the one that is called control is the control. */
static void mark_control(json_t *doc)
{
    const json_t *arms = json_object_get(doc, "variants");
    json_t *control = NULL, *arm;
    size_t i;
    json_array_foreach(arms, i, arm)
    {
        const char *key = json_string_value(json_object_get(arm, "key"));
        if (json_is_true(json_object_get(arm, "control")))
            return;
        if (key && strcmp(key, "control") == 0)
            control = arm;
    }
    if (control)
        json_object_set_new(control, "control", json_true());
}

/* A bandit assigns units, with features decisions, and begins with equal shares, a millionth more for the
 * first ones where they don't divide. */
static void fill_bandit(json_t *doc)
{
    json_t *bandit = json_object_get(doc, "bandit"), *arms = json_object_get(doc, "variants"), *arm;
    size_t i, n = json_array_size(arms);
    if (!json_is_object(bandit))
        return;
    if (!json_object_get(bandit, "assign"))
        json_object_set_new(bandit, "assign",
                            json_string(json_object_get(doc, "contextual") ? "decision" : "unit"));
    json_array_foreach(arms, i, arm)
    {
        if (json_is_object(arm) && !json_object_get(arm, "share_ppm"))
            json_object_set_new(arm, "share_ppm",
                                json_integer(1000000 / (json_int_t)n + (i < 1000000 % n ? 1 : 0)));
    }
}

static bool says_nothing(const json_t *v)
{
    return json_is_null(v) || json_is_false(v) || (json_is_string(v) && json_string_length(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0) || (json_is_object(v) && json_object_size(v) == 0);
}

static void strip(json_t *v)
{
    const char *name;
    json_t *member;
    void *next;
    size_t i;
    json_object_foreach_safe(v, next, name, member)
    {
        if (kind_is_value(name))
            continue;
        if (says_nothing(member))
            json_object_del(v, name);
        else if (strcmp(name, "condition") != 0)
            strip(member);
    }
    if (json_is_array(v)) {
        json_array_foreach(v, i, member) strip(member);
    }
}

json_t *kind_normal(const struct kind *k, const char *key, const json_t *doc)
{
    json_t *copy = kind_writable(k, doc), *defaults = json_loads(k->defaults, 0, NULL);
    if (copy && defaults) {
        json_object_del(copy, "key");
        fill(copy, defaults, key);
        fill_bandit(copy);
        mark_control(copy);
        strip(copy);
    }
    json_decref(defaults);
    return copy;
}
