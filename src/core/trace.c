#include "core/trace.h"

#include <stdio.h>

void trace_add(struct trace *t, struct trace_step step)
{
    if (!t)
        return;
    if (t->n == TRACE_STEPS)
        t->cut = true;
    else
        t->steps[t->n++] = step;
}

const char *trace_code_name(enum trace_code c)
{
    static const char *const names[TRACE_COUNT] = {
        [TRACE_FLAG_ARCHIVED] = "flag_archived",
        [TRACE_RULE] = "rule",
        [TRACE_CONDITION] = "condition",
        [TRACE_ROLLOUT] = "rollout",
        [TRACE_BROKEN] = "broken",
        [TRACE_OVERRIDE] = "override",
        [TRACE_STATUS] = "status",
        [TRACE_TOKEN] = "token",
        [TRACE_HOLDOUT] = "holdout",
        [TRACE_HOLDOUT_SKIPPED] = "holdout_skipped",
        [TRACE_PREREQUISITE] = "prerequisite",
        [TRACE_PREREQUISITE_DEPTH] = "prerequisite_depth",
        [TRACE_TARGETING] = "targeting",
        [TRACE_UNIT_MISSING] = "unit_missing",
        [TRACE_LAYER] = "layer",
        [TRACE_TRAFFIC] = "traffic",
        [TRACE_VARIANT] = "variant",
        [TRACE_SHIPPED] = "shipped",
        [TRACE_SUPPRESSED] = "suppressed",
        [TRACE_BLIND] = "blind",
        [TRACE_PHASE] = "phase",
        [TRACE_MODEL] = "model",
        [TRACE_ARM] = "arm",
        [TRACE_FEATURE] = "feature",
        [TRACE_SAFE] = "safe",
    };
    return (unsigned)c < TRACE_COUNT ? names[c] : "unknown";
}

static int describe_traffic(const struct trace_step *s, char *text, size_t cap)
{
    if (s->ok)
        return snprintf(text, cap, "traffic: slot %d belongs to phase %d", s->number, s->limit);
    if (s->limit < 0)
        return snprintf(text, cap, "traffic: slot %d belongs to phase %d and is closed", s->number,
                        -s->limit);
    return snprintf(text, cap, "traffic: slot %d is no phase's", s->number);
}

static int describe_shipped(const struct trace_step *s, char *text, size_t cap)
{
    if (s->number < 0)
        return snprintf(text, cap, "everybody gets %s, which shipped", s->name);
    return snprintf(text, cap, "shipped: slot %d is %s the %d ppm held back, so it gets %s", s->number,
                    s->ok ? "outside" : "within", s->limit, s->name);
}

static int describe_variant(const struct trace_step *s, char *text, size_t cap)
{
    if (!s->ok)
        return snprintf(text, cap, "slot %d of the phase is variant %s, which was dropped", s->number,
                        s->name);
    return snprintf(text, cap, "slot %d of the phase is variant %s, of %d ppm", s->number, s->name, s->limit);
}

static int describe_draw(const struct trace_step *s, char *text, size_t cap)
{
    switch (s->code) {
    case TRACE_HOLDOUT:
        return snprintf(text, cap, "holdout %s: slot %d is arm %s, which %s", s->name, s->number, s->other,
                        s->ok ? "lets it through" : "keeps it out");
    case TRACE_LAYER:
        return snprintf(text, cap, "layer %s: slot %d is %sone of the experiment's", s->name, s->number,
                        s->ok ? "" : "not ");
    case TRACE_TRAFFIC:
        return describe_traffic(s, text, cap);
    case TRACE_VARIANT:
        return describe_variant(s, text, cap);
    case TRACE_SHIPPED:
        return describe_shipped(s, text, cap);
    default:
        return snprintf(text, cap, "rollout: slot %d is %s the share of %d ppm", s->number,
                        s->ok ? "within" : "outside", s->limit);
    }
}

static int describe_blind(const struct trace_step *s, char *text, size_t cap)
{
    if (s->number < 0)
        return snprintf(text, cap, "nobody watches its guardrails: the monitor was never heard");
    return snprintf(
        text, cap,
        "nobody watches its guardrails: the monitor has not been heard for %d s, and it allows %d s",
        s->number, s->limit);
}

#define TIME_TEXT 80

/* "2026-11-28T10:20:30Z": days to a date by the cycle of 400 years, which begins in March. */
static void write_time(int64_t us, char text[TIME_TEXT])
{
    int64_t s = us / 1000000 - (us % 1000000 < 0), day = s / 86400 - (s % 86400 < 0);
    int64_t second = s - day * 86400, z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097, yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), m = (5 * doy + 2) / 153;
    int64_t month = m < 10 ? m + 3 : m - 9, year = yoe + era * 400 + (month <= 2);
    snprintf(text, TIME_TEXT, "%04d-%02d-%02dT%02d:%02d:%02dZ", (int)(year % 10000), (int)month,
             (int)(doy - (153 * m + 2) / 5 + 1), (int)(second / 3600), (int)(second / 60 % 60),
             (int)(second % 60));
}

static int describe_phase(const struct trace_step *s, char *text, size_t cap)
{
    char since[TIME_TEXT], epoch[TIME_TEXT];
    write_time(s->at_us, since);
    if (s->since_us == INT64_MIN)
        return snprintf(text, cap, "time phase %d draws, in force since %s", s->number, since);
    write_time(s->since_us, epoch);
    return snprintf(text, cap, "time phase %d draws, in force since %s: the unit's present epoch began %s",
                    s->number, since, epoch);
}

static int describe_model(const struct trace_step *s, char *text, size_t cap)
{
    if (s->name)
        return snprintf(text, cap, "model %d can't tell: attribute %s is %s", s->number, s->name, s->other);
    if (!s->ok)
        return snprintf(text, cap,
                        "model %d is not sure enough: its best variant has %.0f ppm before the floor, and %d "
                        "are asked for",
                        s->number, s->value * 1e6, s->limit);
    return snprintf(text, cap, "model %d chooses: its best variant has %.0f ppm before the floor", s->number,
                    s->value * 1e6);
}

static int describe_bandit(const struct trace_step *s, char *text, size_t cap)
{
    switch (s->code) {
    case TRACE_PHASE:
        return describe_phase(s, text, cap);
    case TRACE_MODEL:
        return describe_model(s, text, cap);
    case TRACE_ARM:
        return snprintf(text, cap, "variant %s: score %.6g, probability %d ppm%s", s->name, s->value,
                        s->number, s->ok ? ", the best" : "");
    case TRACE_FEATURE:
        return snprintf(text, cap, "feature %s moves the best variant's score by %+.6g", s->name, s->value);
    default:
        return snprintf(text, cap, "the safe variant %s is served, with certainty", s->name);
    }
}

static int describe_rest(const struct trace_step *s, char *text, size_t cap)
{
    switch (s->code) {
    case TRACE_FLAG_ARCHIVED:
        return snprintf(text, cap, "flag %s is archived: its default", s->name);
    case TRACE_RULE:
        return snprintf(text, cap, "rule %d, %s%s%s", s->number, s->name, s->other ? " " : "",
                        s->other ? s->other : "");
    case TRACE_CONDITION:
        return snprintf(text, cap, "its condition is %smet", s->ok ? "" : "not ");
    case TRACE_BROKEN:
        return snprintf(text, cap, "%s is left out: its definition can't be compiled",
                        s->name ? s->name : "the rule");
    case TRACE_OVERRIDE:
        return snprintf(text, cap, "an override of its %s forces variant %s", s->other, s->name);
    case TRACE_STATUS:
        return snprintf(text, cap, s->ok ? "it is open" : "it is not open: %s", s->name);
    case TRACE_TOKEN:
        return snprintf(text, cap, s->ok ? "its token keeps it in variant %s" : "a token is ignored: %s",
                        s->name);
    case TRACE_HOLDOUT_SKIPPED:
        return snprintf(text, cap, "holdout %s is not asked: %s", s->name, s->other);
    case TRACE_PREREQUISITE:
        return snprintf(text, cap, "prerequisite %s is %smet: %s", s->name, s->ok ? "" : "not ", s->other);
    case TRACE_PREREQUISITE_DEPTH:
        return snprintf(text, cap, "prerequisite %s is not looked at: too many in a row", s->name);
    case TRACE_TARGETING:
        return snprintf(text, cap, "the targeting of %s is %smet", s->name, s->ok ? "" : "not ");
    case TRACE_UNIT_MISSING:
        return snprintf(text, cap, "the context has no valid id of unit type %s", s->name);
    case TRACE_SUPPRESSED:
        return snprintf(text, cap, "the rule would serve, but holdout %s gives its members the default",
                        s->name);
    case TRACE_BLIND:
        return describe_blind(s, text, cap);
    default:
        return snprintf(text, cap, "%s", trace_code_name(s->code));
    }
}

size_t trace_describe(const struct trace_step *s, char *text, size_t cap)
{
    int n;
    switch (s->code) {
    case TRACE_ROLLOUT:
    case TRACE_HOLDOUT:
    case TRACE_LAYER:
    case TRACE_TRAFFIC:
    case TRACE_VARIANT:
    case TRACE_SHIPPED:
        n = describe_draw(s, text, cap);
        break;
    case TRACE_PHASE:
    case TRACE_MODEL:
    case TRACE_ARM:
    case TRACE_FEATURE:
    case TRACE_SAFE:
        n = describe_bandit(s, text, cap);
        break;
    default:
        n = describe_rest(s, text, cap);
    }
    if (n < 0 || cap == 0)
        return 0;
    return (size_t)n < cap ? (size_t)n : cap - 1;
}
