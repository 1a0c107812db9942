/* Values of flags in the type that the program wants. */
#include "clients/c/evaluate.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_MAX 9007199254740992.0 /* whole numbers up to here are exact in a double */

static const struct cohort_details nothing = {.absent = true,
                                              .propensity = -1,
                                              .inclusion = -1,
                                              .variant = "",
                                              .reason = "ERROR",
                                              .experiment = "",
                                              .decision_id = "",
                                              .token = ""};

static const struct cohort_details nobody = {.absent = true,
                                             .propensity = -1,
                                             .inclusion = -1,
                                             .variant = "",
                                             .reason = "ERROR",
                                             .experiment = "",
                                             .decision_id = "",
                                             .token = "",
                                             .error = "INVALID_CONTEXT",
                                             .error_text =
                                                 "there is no context: an id has 1 to 512 bytes of UTF-8"};

const struct cohort_details *cohort_details(const struct cohort_context *x)
{
    return x ? &x->details : &nobody;
}

const char *evaluate_fail(struct cohort_context *x, const char *error, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(x->error_text, sizeof x->error_text, fmt, ap);
    va_end(ap);
    x->details = nothing;
    x->details.error = error;
    x->details.error_text = x->error_text;
    return NULL;
}

static const char *evaluate(struct cohort_client *c, struct cohort_context *x, const char *flag)
{
    const char *json = NULL;
    atomic_fetch_add_explicit(&c->evaluations, 1, memory_order_relaxed);
    if (!x)
        return NULL;
    locale_t before = uselocale(c->plain); /* conditions read numbers too */
    if (flag)
        json = c->local ? evaluate_here(c, x, flag) : evaluate_there(c, x, flag);
    else
        evaluate_fail(x, "FLAG_NOT_FOUND", "no flag was named");
    uselocale(before);
    x->details.absent = json == NULL;
    return json;
}

static const char *type_of(const char *json)
{
    switch (json[0]) {
    case '"':
        return "a string";
    case '{':
        return "an object";
    case 't':
    case 'f':
        return "a boolean";
    case '[':
        return "a list";
    default:
        return "a number";
    }
}

/* The value is of another type than was asked for. */
static void mismatch(struct cohort_context *x, const char *json, const char *wanted)
{
    char is[16];
    snprintf(is, sizeof is, "%s", type_of(json));
    evaluate_fail(x, "TYPE_MISMATCH", "the value is %s, not %s", is, wanted);
}

static void served(struct cohort_client *c, const struct cohort_context *x)
{
    if (!x || x->details.absent)
        atomic_fetch_add_explicit(&c->defaults, 1, memory_order_relaxed);
}

bool cohort_bool(struct cohort_client *c, struct cohort_context *x, const char *flag, bool absent)
{
    const char *json = evaluate(c, x, flag);
    bool value = absent;
    if (json && (json[0] == 't' || json[0] == 'f'))
        value = json[0] == 't';
    else if (json)
        mismatch(x, json, "a boolean");
    served(c, x);
    return value;
}

static bool is_number(const char *json)
{
    return json[0] == '-' || (json[0] >= '0' && json[0] <= '9');
}

static double read_number(struct cohort_client *c, const char *json)
{
    locale_t before = uselocale(c->plain);
    double value = strtod(json, NULL);
    uselocale(before);
    return value;
}

double cohort_number(struct cohort_client *c, struct cohort_context *x, const char *flag, double absent)
{
    const char *json = evaluate(c, x, flag);
    double value = absent;
    if (json && is_number(json))
        value = read_number(c, json);
    else if (json)
        mismatch(x, json, "a number");
    served(c, x);
    return value;
}

/* "5", and "5.0" or "5e3" where they are whole and exact. */
static bool read_integer(struct cohort_client *c, const char *json, int64_t *out)
{
    char *end;
    errno = 0;
    long long n = strtoll(json, &end, 10);
    if (*end == '\0' && errno == 0) {
        *out = n;
        return true;
    }
    double d = read_number(c, json);
    if (d != floor(d) || fabs(d) > EXACT_MAX)
        return false;
    *out = (int64_t)d;
    return true;
}

int64_t cohort_integer(struct cohort_client *c, struct cohort_context *x, const char *flag, int64_t absent)
{
    const char *json = evaluate(c, x, flag);
    int64_t value = absent;
    if (json && !is_number(json))
        mismatch(x, json, "an integer");
    else if (json && !read_integer(c, json, &value))
        evaluate_fail(x, "TYPE_MISMATCH",
                      "the value is a number with a fraction, or too large, not an integer");
    served(c, x);
    return value;
}

/* Without its quotes and escapes, in the context; NULL: out of memory. */
static const char *unquote(struct cohort_context *x, const char *json)
{
    size_t len = strlen(json);
    buffer_clear(&x->value);
    if (!memchr(json, '\\', len)) {
        buffer_add(&x->value, json + 1, len - 2);
    } else {
        json_t *v = json_loadb(json, len, JSON_DECODE_ANY, NULL);
        buffer_add(&x->value, json_string_value(v), json_string_length(v));
        json_decref(v);
    }
    buffer_add(&x->value, "", 1);
    return x->value.failed ? NULL : (const char *)x->value.data;
}

const char *cohort_string(struct cohort_client *c, struct cohort_context *x, const char *flag,
                          const char *absent)
{
    const char *json = evaluate(c, x, flag), *value = absent;
    if (json && json[0] == '"') {
        value = unquote(x, json);
        if (!value) {
            evaluate_fail(x, "GENERAL", "out of memory");
            value = absent;
        }
    } else if (json) {
        mismatch(x, json, "a string");
    }
    served(c, x);
    return value;
}

const char *cohort_object(struct cohort_client *c, struct cohort_context *x, const char *flag,
                          const char *absent)
{
    const char *json = evaluate(c, x, flag), *value = absent;
    if (json && json[0] == '{')
        value = json;
    else if (json)
        mismatch(x, json, "an object");
    served(c, x);
    return value;
}

const char *cohort_json(struct cohort_client *c, struct cohort_context *x, const char *flag,
                        const char *absent)
{
    const char *json = evaluate(c, x, flag);
    served(c, x);
    return json ? json : absent;
}
