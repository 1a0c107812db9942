/* A plan document: refused with a reason, or compiled; then every flag can be decided, and whoever decides
 * with the document that is handed out decides the same. */
#include <string.h>

#include "codec/plan_document.h"
#include "codec/plan_json.h"
#include "core/decide.h"
#include "core/plan_stops.h"
#include "fuzz.h"

#define NOW_US INT64_C(1793620000000000)

static const uint8_t id[16] = {7};

static void ask(const struct plan *p, const struct plan_flag *f, unsigned who, struct decision *out)
{
    struct attr_field fields[] = {{"amount", 6, {.type = ATTR_NUMBER, .u.number = who}},
                                  {"country", 7, {.type = ATTR_STRING, .u.string = {"DE", 2}}},
                                  {"device", 6, {.type = ATTR_STRING, .u.string = {"d-1", 3}}}};
    struct attr attributes = {.type = ATTR_OBJECT, .u.object = {fields, 3}};
    char key[8];
    struct subject s;
    snprintf(key, sizeof key, "c-%u", who);
    subject_init(&s, key, strlen(key), who % 2 ? &attributes : NULL);
    decide(p, f, &s, id, NOW_US, 0, out);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void compare(const struct plan *mine, const struct plan *theirs)
{
    FUZZ_CHECK(plan_flag_count(mine) == plan_flag_count(theirs));
    for (size_t i = 0; i < plan_flag_count(mine); i++) {
        const struct plan_flag *f = plan_flag_at(mine, i), *g = plan_flag_at(theirs, i);
        FUZZ_CHECK(strcmp(plan_flag_key(f), plan_flag_key(g)) == 0);
        for (unsigned who = 0; who < 6; who++) {
            struct decision a, b;
            ask(mine, f, who, &a);
            ask(theirs, g, who, &b);
            FUZZ_CHECK(a.reason == b.reason && same_text(a.variant_name, b.variant_name) &&
                       same_text(a.value_json, b.value_json) && a.propensity_ppm == b.propensity_ppm &&
                       a.inclusion_ppm == b.inclusion_ppm);
        }
    }
}

static void hand_out(const struct plan *p)
{
    size_t len;
    char *text = plan_document_text(p, &len);
    struct plan *theirs;
    struct error e;
    FUZZ_CHECK(text && len > 0 && !memchr(text, 0, len));
    FUZZ_CHECK(plan_from_json(text, len, &theirs, &e) == ERR_OK);
    compare(p, theirs);
    plan_unref(theirs);
    free(text);
}

void fuzz_plan(const uint8_t *data, size_t len)
{
    struct plan_set *set;
    struct error e;
    error_clear(&e);
    int rc = plan_set_from_json((const char *)data, len, &set, &e);
    if (rc != ERR_OK) {
        FUZZ_CHECK(rc == ERR_DAMAGED && e.text[0] && !set);
        return;
    }
    for (size_t i = 0; i < plan_set_count(set); i++) {
        const struct plan *p = plan_set_at(set, i);
        for (size_t q = 0; q < plan_quarantine_count(p); q++)
            FUZZ_CHECK(*plan_quarantine_at(p, q));
        size_t n;
        if (plan_document(p, &n))
            hand_out(p);
        else
            compare(p, p);
    }
    plan_set_unref(set);
}
