#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cohortctl/json_text.h"
#include "cohortctl/verify.h"

void verify_say(struct verify_report *r, enum verify_answer answer, const char *fmt, ...)
{
    va_list args;
    if (r->n == VERIFY_LINES) { /* a "no" is never lost */
        if (answer == VERIFY_NO)
            r->lines[r->n - 1].answer = VERIFY_NO;
        return;
    }
    va_start(args, fmt);
    vsnprintf(r->lines[r->n].text, sizeof r->lines[r->n].text, fmt, args);
    va_end(args);
    r->lines[r->n++].answer = answer;
}

double verify_double(const json_t *o, const char *member)
{
    const json_t *v = json_object_get(o, member);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

int64_t verify_whole(const json_t *o, const char *member)
{
    double v = json_number_value(json_object_get(o, member));
    return fabs(v) < 9e18 ? (int64_t)v : 0;
}

bool verify_close(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fmax(1, fmax(fabs(a), fabs(b)));
}

void verify_number(struct verify_report *r, const char *what, double said, double found)
{
    if (isfinite(said) && verify_close(said, found))
        verify_say(r, VERIFY_YES, "%s: %.9g", what, found);
    else
        verify_say(r, VERIFY_NO, "%s: the evidence says %.12g, computed %.12g", what, said, found);
}

bool verify_level(const struct verify *v, struct verify_report *r)
{
    const json_t *rule = json_object_get(v->doc, "rule");
    double weight = verify_double(v->evidence, "weight"), alpha = verify_double(v->evidence, "alpha");
    if (!json_is_object(rule)) {
        verify_say(r, VERIFY_NO, "rule: the definition that ran has no such %s",
                   strcmp(v->kind, "harm") == 0 ? "guardrail" : "stop condition");
        return false;
    }
    if (!verify_close(alpha, verify_double(rule, "alpha")))
        verify_say(r, VERIFY_NO, "rule: the evidence says alpha %g, the definition %g", alpha,
                   verify_double(rule, "alpha"));
    if (!verify_close(weight, verify_double(rule, "weight_of_group")))
        verify_say(r, VERIFY_NO, "rule: the evidence says weight %g, the definition %g", weight,
                   verify_double(rule, "weight_of_group"));
    return true;
}

const struct verify_arm *verify_arm_of(const struct verify_phase *p, const char *variant)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->keys[i], variant) == 0)
            return &p->arms[i];
    return NULL;
}

int64_t verify_share_of(const struct verify_phase *p, const char *variant)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->keys[i], variant) == 0)
            return p->shares[i];
    return 0;
}
