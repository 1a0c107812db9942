/* The plan document: read as written, damaged in every way, and far too large. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "codec/json_tame.h"
#include "codec/plan_json.h"
#include "core/decide.h"
#include "suite.h"

#define UNIT_KEY "f90f48f03c28dc866d91b62c99a0ea47a4423959838711ca3133f19b0abb0915"
#define HASH_KEY "6c4009295861905c0d1bba597699b22be85e092ae7b45f9861fe325d00a5c764"
#define SALT_1 "76bce11275840801ed52ecf58867412e"
#define SALT_2 "991a1558b4401e9a2dae93e6ac4e8a1d"

#define HEAD                                                                                                 \
    "{\"format\":1,\"environment\":\"production\",\"version\":12,\"stop_version\":3,\"unit_key\":"           \
    "\"" UNIT_KEY "\",\"hash_key\":\"" HASH_KEY "\","

#define VARIANTS "[{\"id\":1,\"key\":\"control\",\"value\":5.0},{\"id\":2,\"key\":\"treatment\",\"value\":5}]"

#define PHASES                                                                                               \
    "[{\"id\":1,\"number\":1,\"salt\":\"" SALT_2 "\",\"traffic_slots\":[[0,400000],[600000,1000000]],"       \
    "\"variants\":[{\"variant\":\"control\",\"share_ppm\":500000,\"slots\":[[0,500000]]},"                   \
    "{\"variant\":\"treatment\",\"share_ppm\":500000,\"slots\":[[500000,1000000]]}]}]"

#define EXPERIMENT "{" EXPERIMENT_FIELDS
#define EXPERIMENT_FIELDS                                                                                    \
    "\"id\":4,\"key\":\"cta\",\"status\":\"running\",\"guard_stopped\":false,\"unit_type\":\"user\","        \
    "\"exposure\":\"on_evaluation\",\"salt\":\"" SALT_1 "\",\"condition\":{\"country\":{\"$in\":[\"DE\","    \
    "\"FR\"]}},\"variants\":" VARIANTS ",\"phases\":" PHASES "}"

#define FLAG                                                                                                 \
    "{\"id\":9,\"key\":\"cta\",\"type\":\"number\",\"default\":1.5,\"archived\":false,\"rules\":["           \
    "{\"kind\":\"force\",\"condition\":{\"plan\":\"vip\"},\"value\":-2},"                                    \
    "{\"kind\":\"experiment\",\"experiment\":\"cta\",\"condition\":{}},"                                     \
    "{\"kind\":\"rollout\",\"condition\":{\"beta\":true},\"value\":7,\"share_ppm\":250000,\"salt\":"         \
    "\"" SALT_2 "\",\"unit_type\":\"device\"}]}"

#define KEYS                                                                                                 \
    "[{\"id\":1,\"role\":\"admin\",\"hash\":"                                                                \
    "\"17beaa3ef7aeb4689bb304ebe783e7137785067864832c14852efe5354f20d26\"}]"

#define DOCUMENT                                                                                             \
    HEAD "\"api_keys\":" KEYS ",\"events\":[\"complaint\",\"refund\"],\"flags\":[" FLAG                      \
         "],\"experiments\":[" EXPERIMENT "]}"

/* --- helpers --- */

static struct plan *read_plan(const char *text)
{
    struct plan *p;
    struct error e;
    error_clear(&e);
    ck_assert_msg(plan_from_json(text, strlen(text), &p, &e) == 0, "%s: %s", e.place, e.text);
    return p;
}

/* text with the first `old` replaced; the caller frees it. */
static char *with(const char *text, const char *old, const char *new)
{
    const char *at = strstr(text, old);
    ck_assert_msg(at != NULL, "%s", old);
    char *out = malloc(strlen(text) + strlen(new) + 1);
    ck_assert_ptr_nonnull(out);
    memcpy(out, text, (size_t)(at - text));
    strcpy(stpcpy(out + (at - text), new), at + strlen(old));
    return out;
}

static const struct attr *country(struct attr_field *f, struct attr *object, const char *name)
{
    *f = (struct attr_field){"country", 7, {.type = ATTR_STRING, .u.string = {name, strlen(name)}}};
    *object = (struct attr){.type = ATTR_OBJECT, .u.object = {f, 1}};
    return object;
}

/* Uses everything a plan has. */
static void exercise(const struct plan *p)
{
    const char *names[4];
    struct attr_field f;
    struct attr object;
    for (size_t i = 0; i < plan_flag_count(p) && i < 8; i++) {
        const struct plan_flag *flag = plan_flag_at(p, i);
        for (int u = 0; u < 4; u++) {
            struct subject s;
            struct decision d;
            char user[8];
            snprintf(user, sizeof user, "c-%d", u);
            subject_init(&s, user, strlen(user), country(&f, &object, u % 2 ? "DE" : "US"));
            decide(p, flag, &s, NULL, 0, 0, &d);
            ck_assert_ptr_nonnull(d.variant_name);
            ck_assert_ptr_nonnull(decide_reason_name(d.reason));
        }
        decide_inputs(flag, names, 4);
        plan_flag_find(p, plan_flag_key(flag), strlen(plan_flag_key(flag)));
    }
    for (size_t i = 0; i < plan_quarantine_count(p); i++)
        ck_assert(utf8_valid(plan_quarantine_at(p, i), strlen(plan_quarantine_at(p, i))));
    plan_api_key_find(p, "ck_admin_x", 10);
    plan_event_declared(p, "refund", 6);
}

/* --- attributes that are kept --- */

static const struct plan_experiment *cta_of(const struct plan *p)
{
    return plan_experiment_find(p, "cta", 3);
}

START_TEST(kept_attributes_are_read)
{
    struct plan *p = read_plan(
        HEAD
        "\"api_keys\":[],\"events\":[\"refund\",\"visit\"],\"flags\":[" FLAG "],"
        "\"event_attributes\":{\"visit\":[\"page\"],\"refund\":[\"plan\",\"amount\",\"device\"],\"odd\":[5]},"
        "\"experiments\":[{\"segments\":[\"country\",\"user\",\"plan\"]," EXPERIMENT_FIELDS "]}");
    const char *const *names;
    ck_assert_uint_eq(plan_experiment_segments(cta_of(p), &names), 2);
    ck_assert_str_eq(names[0], "country");
    ck_assert_str_eq(names[1], "plan");
    ck_assert_uint_eq(plan_event_attributes(p, "refund", 6, &names), 2);
    ck_assert_str_eq(names[1], "amount");
    ck_assert_uint_eq(plan_event_attributes(p, "visit", 5, &names), 1);
    ck_assert_uint_eq(plan_event_attributes(p, "vis", 3, &names), 0);
    ck_assert_uint_eq(plan_event_attributes(p, "odd", 3, &names), 0);
    /* Ids of units are never kept, and that is said. */
    ck_assert_uint_eq(plan_quarantine_count(p), 3);
    plan_unref(p);
}
END_TEST

START_TEST(older_documents_keep_none)
{
    struct plan *p = read_plan(DOCUMENT);
    const char *const *names;
    ck_assert_uint_eq(plan_experiment_segments(cta_of(p), &names), 0);
    ck_assert_uint_eq(plan_event_attributes(p, "refund", 6, &names), 0);
    plan_unref(p);
}
END_TEST

START_TEST(too_many_segments_quarantine_the_experiment)
{
    const char *const *names;
    struct plan *p =
        read_plan(HEAD "\"api_keys\":[],\"events\":[],\"flags\":[],\"experiments\":["
                       "{\"segments\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"]," EXPERIMENT_FIELDS "]}");
    ck_assert_uint_eq(plan_quarantine_count(p), 1);
    ck_assert_uint_eq(plan_experiment_segments(cta_of(p), &names), 0);
    plan_unref(p);
}
END_TEST

/* --- as written --- */

START_TEST(the_document_is_read)
{
    struct plan *p = read_plan(DOCUMENT);
    ck_assert_uint_eq(plan_quarantine_count(p), 0);
    ck_assert_int_eq(plan_version(p), 12);
    ck_assert_int_eq(plan_stop_version(p), 3);
    ck_assert_str_eq(plan_environment(p), "production");
    ck_assert(plan_event_declared(p, "refund", 6));
    ck_assert(!plan_event_declared(p, "unsubscribe", 11));
    ck_assert_uint_eq(plan_flag_count(p), 1);
    ck_assert_int_eq(plan_flag_id(plan_flag_at(p, 0)), 9);
    const struct plan_experiment *x = plan_experiment_find(p, "cta", 3);
    ck_assert_ptr_nonnull(x);
    ck_assert_int_eq(plan_experiment_id(x), 4);
    ck_assert(plan_experiment_exposes(x));
    ck_assert_int_eq(plan_variant_id(plan_variant_find(x, "treatment", 9)), 2);
    plan_unref(p);
}
END_TEST

/* The unit of the first case of the assignment vectors; 80 % of traffic; values as they were typed. */
START_TEST(it_decides_by_the_contract)
{
    struct plan *p = read_plan(DOCUMENT);
    struct unit u;
    struct attr_field f;
    struct attr object;
    int seen[3] = {0};
    unit_from_raw(plan_unit_key(p), "account", 7, "user-1", 6, &u);
    ck_assert_uint_eq(u.bytes[0], 0xCA);
    ck_assert_uint_eq(u.bytes[15], 0xDD);
    for (int i = 0; i < 1000; i++) {
        struct subject s;
        struct decision d;
        char user[16];
        snprintf(user, sizeof user, "c-%d", i);
        subject_init(&s, user, strlen(user), country(&f, &object, "FR"));
        decide(p, plan_flag_at(p, 0), &s, NULL, 0, 0, &d);
        bool in = d.reason == REASON_VARIANT, treated = in && plan_variant_id(d.variant) == 2;
        if (!in && d.reason != REASON_NOT_IN_TRAFFIC)
            ck_abort_msg("%s: %s", user, decide_reason_name(d.reason));
        const char *value = !in ? "1.5" : treated ? "5" : "5.0";
        if (strcmp(d.value_json, value) != 0 || d.inclusion_ppm != (in ? 800000 : -1))
            ck_abort_msg("%s: %s", user, d.value_json);
        seen[!in ? 0 : treated ? 1 : 2]++;
    }
    ck_assert_int_gt(seen[0], 140);
    ck_assert_int_lt(seen[0], 260);
    ck_assert_int_gt(seen[1], 320);
    ck_assert_int_gt(seen[2], 320);
    plan_unref(p);
}
END_TEST

static const char *value_of(struct plan *p)
{
    struct subject s;
    struct decision d;
    subject_init(&s, "c-1", 3, NULL);
    decide(p, plan_flag_at(p, 0), &s, NULL, 0, 0, &d);
    return d.value_json;
}

/* HMAC-SHA-256 of "ck_admin_x" under HASH_KEY. */
#define KEY_HASH "4b451d6034e53a3813c82eb38a84bc92f3d77bd7f856e9469bfa1596259a0116"

/* What a key with these fields is. */
static bool is_low(const char *fields)
{
    char item[200];
    snprintf(item, sizeof item, "[{\"id\":1,%s,\"hash\":\"" KEY_HASH "\"}]", fields);
    char *text = with(DOCUMENT, KEYS, item);
    struct plan *p = read_plan(text);
    const struct plan_api_key *k = plan_api_key_find(p, "ck_admin_x", 10);
    ck_assert_uint_eq(plan_quarantine_count(p), 0);
    ck_assert_ptr_nonnull(k);
    bool low = k->low;
    plan_unref(p);
    free(text);
    return low;
}

START_TEST(keys_have_a_priority)
{
    ck_assert(!is_low("\"role\":\"admin\""));
    ck_assert(is_low("\"role\":\"client\"")); /* documents of before: by the role */
    ck_assert(is_low("\"role\":\"events\",\"priority\":\"low\""));
    ck_assert(!is_low("\"role\":\"client\",\"priority\":\"normal\""));
}
END_TEST

static enum reason reason_when_blind(const char *field, int64_t blind_us)
{
    struct attr_field f;
    struct attr object;
    struct subject s;
    struct decision d;
    char *text = with(DOCUMENT, "\"guard_stopped\":false", field);
    struct plan *p = read_plan(text);
    ck_assert_uint_eq(plan_quarantine_count(p), 0);
    subject_init(&s, "c-1", 3, country(&f, &object, "DE"));
    decide(p, plan_flag_at(p, 0), &s, NULL, 0, blind_us, &d);
    enum reason r = d.reason;
    plan_unref(p);
    free(text);
    return r;
}

START_TEST(experiments_say_how_long_they_go_unwatched)
{
    static const char limited[] = "\"guard_max_blind_us\":900000000";
    ck_assert_int_eq(reason_when_blind("\"guard_stopped\":false", INT64_MAX), REASON_VARIANT);
    ck_assert_int_eq(reason_when_blind("\"guard_max_blind_us\":null", INT64_MAX), REASON_VARIANT);
    ck_assert_int_eq(reason_when_blind(limited, 900000000), REASON_VARIANT);
    ck_assert_int_eq(reason_when_blind(limited, 900000001), REASON_GUARD_BLIND);
}
END_TEST

START_TEST(values_keep_their_text)
{
    static const struct {
        const char *type, *json, *expected;
    } cases[] = {
        {"number", "5.0", "5.0"},
        {"number", "5", "5"},
        {"number", "0.1", "0.1"},
        {"number", "9007199254740993", "9007199254740993"},
        {"number", "-0.25", "-0.25"},
        {"boolean", "false", "false"},
        {"string", "\"\\u00fc \\\"x\\\" \xE2\x82\xAC\"", "\"\xC3\xBC \\\"x\\\" \xE2\x82\xAC\""},
        {"object", "{ \"b\" : [1, 2.50, null], \"a\" : {\"x\":true} }",
         "{\"b\":[1,2.5,null],\"a\":{\"x\":true}}"},
        {"object", "{}", "{}"},
        {"number", "null", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1024];
        snprintf(text, sizeof text,
                 HEAD "\"api_keys\":[],\"events\":[],\"experiments\":[],\"flags\":[{\"id\":1,\"key\":\"f\","
                      "\"type\":\"%s\",\"default\":%s,\"archived\":false,\"rules\":[]}]}",
                 cases[i].type, cases[i].json);
        struct plan *p = read_plan(text);
        ck_assert_uint_eq(plan_quarantine_count(p), 0);
        if (cases[i].expected)
            ck_assert_str_eq(value_of(p), cases[i].expected);
        else
            ck_assert_ptr_null(value_of(p));
        plan_unref(p);
    }
}
END_TEST

/* --- one bad definition --- */

static void quarantined(const char *old, const char *new, const char *reason)
{
    char *text = with(DOCUMENT, old, new);
    struct plan *p = read_plan(text);
    ck_assert_msg(plan_quarantine_count(p) >= 1, "%s", new);
    ck_assert_msg(strstr(plan_quarantine_at(p, 0), reason) != NULL, "%s", plan_quarantine_at(p, 0));
    exercise(p);
    plan_unref(p);
    free(text);
}

START_TEST(one_bad_definition_is_quarantined)
{
    quarantined("\"$in\":[\"DE\",\"FR\"]", "\"$near\":1", "cta: country: unknown operator $near");
    quarantined("\"$in\":[\"DE\",\"FR\"]", "\"$in\":1", "cta: country: $in takes an array");
    quarantined("\"condition\":{\"country\"", "\"condition\":7,\"c\":{\"x\"",
                "a condition must be an object");
    quarantined("\"running\"", "\"asleep\"", "cta: status must be one of the known words");
    quarantined("\"running\"", "7", "cta: status must be");
    quarantined("\"on_evaluation\"", "\"sometimes\"", "cta: exposure must be");
    quarantined("\"salt\":\"" SALT_1, "\"salt\":\"76", "cta: salt must be 32 hexadecimal digits");
    quarantined("\"salt\":\"" SALT_1 "\"", "\"salt\":null", "cta: salt must be");
    quarantined("\"unit_type\":\"user\"", "\"unit_type\":[]", "cta: unit_type must be a string");
    quarantined("\"unit_type\":\"user\"", "\"unit_type\":\"Us er\"", "cta: a unit type must be");
    quarantined("\"guard_stopped\":false", "\"guard_stopped\":0", "cta: guard_stopped must be true or false");
    quarantined("\"guard_stopped\":false", "\"guard_max_blind_us\":0",
                "cta: guard_max_blind_us must be microseconds, more than 0");
    quarantined("\"guard_stopped\":false", "\"guard_max_blind_us\":\"900\"",
                "cta: guard_max_blind_us must be microseconds");
    quarantined(VARIANTS, "{}", "cta: variants must be an array");
    quarantined(VARIANTS, "[7]", "cta: id must be a whole number");
    quarantined(VARIANTS, "[]", "names a variant that the experiment doesn't have");
    quarantined(PHASES, "[]", "cta: it is running without a phase");
    quarantined(PHASES, "\"x\"", "cta: phases must be an array");
    quarantined("[[0,400000],[600000,1000000]]", "[[600000,1000000],[0,600001]]", "overlap");
    quarantined("[[0,400000],[600000,1000000]]", "[[400000,0]]", "not a range");
    quarantined("[[0,400000],[600000,1000000]]", "[[0,1000001]]", "traffic_slots must be ranges");
    quarantined("[[0,400000],[600000,1000000]]", "[[-1,1]]", "traffic_slots must be ranges");
    quarantined("[[0,400000],[600000,1000000]]", "[[0,1,2]]", "traffic_slots must be ranges");
    quarantined("[[0,400000],[600000,1000000]]", "[[0.5,1]]", "traffic_slots must be ranges");
    quarantined("[[0,400000],[600000,1000000]]", "[[4294967296,4294967297]]", "traffic_slots must be ranges");
    quarantined("[[500000,1000000]]", "[[400000,900000]]", "overlap");
    quarantined("\"variant\":\"treatment\"", "\"variant\":\"nobody\"", "doesn't have");
    quarantined("\"variant\":\"treatment\"", "\"variant\":7", "variant must be a string");
    quarantined("\"share_ppm\":500000", "\"share_ppm\":5", "share of 5 ppm but owns 500000 slots");
    quarantined("\"share_ppm\":500000", "\"share_ppm\":50000000000", "share_ppm must be a whole number");
    quarantined("\"value\":5.0", "\"value\":\"5.0\"", "control is not of the type of flag cta, number");
    quarantined("\"value\":5.0", "\"value\":1e400", "1 numbers are too large");
    quarantined("\"id\":4", "\"id\":\"4\"", "cta: the experiment has no id");
    quarantined("\"id\":4,\"key\":\"cta\"", "\"id\":4,\"key\":[]", "experiments: the key \"\" is not valid");
    quarantined(EXPERIMENT, "null", "experiments: the key");
    quarantined(EXPERIMENT, EXPERIMENT "," EXPERIMENT, "cta: two experiments have this key");
}
END_TEST

START_TEST(one_bad_flag_is_quarantined)
{
    quarantined("\"type\":\"number\"", "\"type\":\"integer\"", "cta: the flag is left out: type must be");
    quarantined("\"id\":9", "\"id\":-9", "cta: the flag is left out: id must be a whole number");
    quarantined("\"id\":9,\"key\":\"cta\"", "\"id\":9,\"key\":\"C\"", "flags: the key \"C\" is not valid");
    quarantined("\"default\":1.5", "\"default\":true", "cta: the default value is not of the flag's type");
    quarantined("\"archived\":false", "\"archived\":\"no\"", "archived must be true or false");
    quarantined("\"kind\":\"force\"", "\"kind\":\"bandit\"", "rule 1 of the flag: kind must be");
    quarantined("\"condition\":{\"plan\"", "\"condition\":{\"$plan\"", "rule 1 of the flag: $plan: unknown");
    quarantined("\"value\":-2", "\"value\":{}", "rule 1 of the flag: its value is not");
    quarantined("\"experiment\":\"cta\"", "\"experiment\":\"ctb\"", "there is no experiment ctb");
    quarantined("\"experiment\":\"cta\"", "\"experiment\":{}", "rule 2 of the flag: experiment must be");
    quarantined("\"share_ppm\":250000", "\"share_ppm\":1000001", "rule 3 of the flag: its share is 1000001");
    quarantined("\"unit_type\":\"device\"", "\"unit_type\":\"De\"", "rule 3 of the flag: a unit type");
    quarantined(FLAG, "7", "flags: the flag is left out");
    quarantined("\"rules\":[", "\"rules\":7,\"x\":[", "rules must be an array");
    quarantined("\"role\":\"admin\"", "\"role\":\"root\"", "api_keys: a key is left out: role must be");
    quarantined("\"role\":\"admin\"", "\"role\":\"admin\",\"priority\":\"high\"",
                "api_keys: a key is left out: priority must be");
    quarantined("\"hash\":\"17", "\"hash\":\"g7", "api_keys: a key is left out: hash must be");
    quarantined("\"refund\"", "7", "events: a name is not a text");
}
END_TEST

/* --- a document that can't be read at all --- */

static void damaged(const char *text, size_t len)
{
    struct plan *p;
    struct error e;
    error_clear(&e);
    ck_assert_msg(plan_from_json(text, len, &p, &e) == ERR_DAMAGED, "%.100s", text);
    ck_assert_ptr_null(p);
    ck_assert_int_eq(e.code, ERR_DAMAGED);
    ck_assert_str_ne(e.text, "");
    ck_assert_int_eq(plan_from_json(text, len, &p, NULL), ERR_DAMAGED);
}

static void damaged_by(const char *old, const char *new)
{
    char *text = with(DOCUMENT, old, new);
    damaged(text, strlen(text));
    free(text);
}

START_TEST(damage_is_told)
{
    static const char *const texts[] = {"",      "null",           "[]",        "7", "{", "{}",
                                        "\"x\"", "{\"format\":1}", DOCUMENT "x"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        damaged(texts[i], strlen(texts[i]));
    damaged_by("\"format\":1", "\"format\":2");
    damaged_by("\"format\":1", "\"format\":\"1\"");
    damaged_by("\"environment\":\"production\"", "\"environment\":\"\"");
    damaged_by("\"environment\"", "\"x\"");
    damaged_by("\"version\":12", "\"version\":-12");
    damaged_by("\"version\":12", "\"version\":1.5");
    damaged_by("\"stop_version\":3", "\"stop_version\":null");
    damaged_by(UNIT_KEY, "f90f");
    damaged_by(UNIT_KEY, UNIT_KEY "00");
    damaged_by(HASH_KEY, "zz4009295861905c0d1bba597699b22be85e092ae7b45f9861fe325d00a5c764");
    damaged_by("\"flags\"", "\"flag\"");
    damaged_by("\"experiments\"", "\"experiment_s\"");
    damaged_by("\"events\":[\"complaint\",\"refund\"]", "\"events\":{}");
    damaged_by("\"api_keys\"", "\"events\"");
    damaged_by("\"production\"", "\"pro\\u0000duction\"");
}
END_TEST

START_TEST(every_cut)
{
    static const char text[] = DOCUMENT;
    for (size_t len = 0; len < sizeof text - 1; len++) {
        struct plan *p;
        char *exact = malloc(len ? len : 1);
        memcpy(exact, text, len);
        if (plan_from_json(exact, len, &p, NULL) != ERR_DAMAGED)
            ck_abort_msg("cut at %zu", len);
        free(exact);
    }
}
END_TEST

START_TEST(every_byte_changed)
{
    static const char text[] = DOCUMENT;
    static const char replacements[] = {'"', '{', ']', ',', ':', '9', '-', 'z', '\\', '\0', (char)0xFF};
    size_t len = sizeof text - 1, read = 0;
    char *changed = malloc(len);
    for (size_t i = 0; i < len; i++)
        for (size_t k = 0; k <= sizeof replacements; k++) {
            struct plan *p;
            memcpy(changed, text, len);
            changed[i] = k < sizeof replacements ? replacements[k] : (char)(text[i] ^ 1);
            if (plan_from_json(changed, len, &p, NULL) != 0)
                continue;
            read++;
            exercise(p);
            plan_unref(p);
        }
    free(changed);
    ck_assert_uint_gt(read, len); /* most changes are within a name or a value */
}
END_TEST

/* Every value of the document in turn becomes each of these. */
static void replace_values(const json_t *original, json_t *copy, json_t *root, size_t *n)
{
    static const char *const others[] = {"null",  "true", "-1", "0",    "1e18",   "9007199254740993", "\"\"",
                                         "\"x\"", "[]",   "{}", "[[]]", "[null]", "{\"$in\":{}}",     "1.5"};
    json_t *object = (json_t *)original;
    const char *key;
    json_t *value;
    size_t index;
    for (size_t o = 0; o < sizeof others / sizeof *others; o++) {
        json_object_foreach(object, key, value)
        {
            json_object_set_new(copy, key, json_loads(others[o], JSON_DECODE_ANY, NULL));
            char *text = json_dumps(root, JSON_COMPACT);
            struct plan *p;
            if (plan_from_json(text, strlen(text), &p, NULL) == 0) {
                exercise(p);
                plan_unref(p);
            }
            free(text);
            json_object_set_new(copy, key, json_deep_copy(value));
            (*n)++;
        }
    }
    json_object_foreach(object, key, value)
    {
        json_t *inner = json_object_get(copy, key);
        if (json_is_object(value))
            replace_values(value, inner, root, n);
        json_array_foreach(value, index, inner) if (json_is_object(inner))
            replace_values(inner, json_array_get(json_object_get(copy, key), index), root, n);
    }
}

START_TEST(every_value_of_every_type)
{
    json_t *original = json_loads(DOCUMENT, 0, NULL), *copy = json_deep_copy(original);
    size_t n = 0;
    ck_assert_ptr_nonnull(original);
    replace_values(original, copy, copy, &n);
    ck_assert_uint_gt(n, 700);
    json_decref(original);
    json_decref(copy);
}
END_TEST

/* --- far too much --- */

struct text {
    char *s;
    size_t len, cap;
};

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *fmt, ...)
{
    va_list ap;
    if (t->cap - t->len < 4096) {
        t->cap = 2 * t->cap + 8192;
        t->s = realloc(t->s, t->cap);
        ck_assert_ptr_nonnull(t->s);
    }
    va_start(ap, fmt);
    int n = vsnprintf(t->s + t->len, t->cap - t->len, fmt, ap);
    va_end(ap);
    t->len += (size_t)n;
}

/* A plan of the document with this text instead of the traffic slots. */
static struct plan *with_traffic(const struct text *slots)
{
    char *text = with(DOCUMENT, "[[0,400000],[600000,1000000]]", slots->s);
    struct plan *p = read_plan(text);
    free(text);
    return p;
}

START_TEST(many_ranges)
{
    struct text t = {0};
    add(&t, "[[0,1]");
    for (int i = 1; i < 200000; i++)
        add(&t, ",[%d,%d]", 5 * ((i * 7919) % 200000), 5 * ((i * 7919) % 200000) + 1);
    add(&t, "]");
    struct plan *p = with_traffic(&t);
    ck_assert_uint_eq(plan_quarantine_count(p), 0);
    exercise(p);
    plan_unref(p);
    t.s[t.len - 1] = ',';
    add(&t, "[5,6]]");
    p = with_traffic(&t);
    ck_assert_uint_eq(plan_quarantine_count(p), 1);
    plan_unref(p);
    free(t.s);
}
END_TEST

START_TEST(a_million_entries)
{
    struct text t = {0};
    struct plan *p;
    struct error e;
    add(&t, HEAD "\"api_keys\":[0");
    for (int i = 0; i < 250000; i++)
        add(&t, ",{}");
    add(&t, "],\"events\":[0");
    for (int i = 0; i < 250000; i++)
        add(&t, ",\"e%d\"", i % 1000);
    add(&t, "],\"flags\":[0");
    for (int i = 0; i < 250000; i++)
        add(&t, ",[]");
    add(&t, "],\"experiments\":[0");
    for (int i = 0; i < 250000; i++)
        add(&t, ",7");
    add(&t, "]}");
    ck_assert_msg(plan_from_json(t.s, t.len, &p, &e) == 0, "%s", e.text);
    ck_assert_uint_eq(plan_quarantine_count(p), 1001);
    ck_assert(plan_event_declared(p, "e999", 4));
    plan_unref(p);
    free(t.s);
}
END_TEST

START_TEST(deep_documents)
{
    struct text t = {0};
    add(&t, HEAD "\"x\":");
    for (int i = 0; i < 100000; i++)
        add(&t, "[");
    damaged(t.s, t.len);
    free(t.s);
}
END_TEST

/* --- numbers beyond the machine's --- */

static void tamed(const char *text, const char *expected, size_t strings)
{
    size_t n, len;
    char *out = json_tame_numbers(text, strlen(text), &len, &n);
    ck_assert_str_eq(out, expected);
    ck_assert_uint_eq(len, strlen(expected));
    ck_assert_uint_eq(n, strings);
    free(out);
}

START_TEST(large_numbers_are_tamed)
{
    tamed("", "", 0);
    tamed("{\"a\":[1,-2.5,1e300]}", "{\"a\":[1,-2.5,1e300]}", 0);
    tamed("[9223372036854775807,-9223372036854775808]", "[9223372036854775807,-9223372036854775808]", 0);
    tamed("[9223372036854775808]", "[9223372036854775808e0]", 0);
    tamed("[1e400,9e308,-1e309]", "[\"1e400\",\"9e308\",\"-1e309\"]", 3);
    tamed("{\"1e400\":\"\\\"1e400\"}", "{\"1e400\":\"\\\"1e400\"}", 0);
    tamed("\"1e400", "\"1e400", 0);
    tamed("\"\\", "\"\\", 0);
    tamed("-", "-", 0);
}
END_TEST

START_TEST(taming_has_room)
{
    char text[6001] = "", *p = text;
    for (int i = 0; i < 1000; i++)
        p = stpcpy(p, "9e308 ");
    size_t n, len;
    char *out = json_tame_numbers(text, 6000, &len, &n);
    ck_assert_uint_eq(n, 1000);
    ck_assert_uint_eq(len, 8000);
    free(out);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("plan_json");
    tcase_add_test(tc, the_document_is_read);
    tcase_add_test(tc, it_decides_by_the_contract);
    tcase_add_test(tc, keys_have_a_priority);
    tcase_add_test(tc, experiments_say_how_long_they_go_unwatched);
    tcase_add_test(tc, values_keep_their_text);
    tcase_add_test(tc, one_bad_definition_is_quarantined);
    tcase_add_test(tc, one_bad_flag_is_quarantined);
    tcase_add_test(tc, damage_is_told);
    tcase_add_test(tc, every_cut);
    tcase_add_test(tc, every_byte_changed);
    tcase_add_test(tc, every_value_of_every_type);
    tcase_add_test(tc, many_ranges);
    tcase_add_test(tc, a_million_entries);
    tcase_add_test(tc, deep_documents);
    tcase_add_test(tc, large_numbers_are_tamed);
    tcase_add_test(tc, taming_has_room);
    tcase_add_test(tc, kept_attributes_are_read);
    tcase_add_test(tc, older_documents_keep_none);
    tcase_add_test(tc, too_many_segments_quarantine_the_experiment);
    return run_case("plan_json", tc);
}
