/* Decisions a second in this process, the time to compile a plan from its document, and its memory: 10, 100
 * and 1,000 experiments, each behind its own flag; plain (everyone, half and half) and with the whole model
 * (5 layers, 2 holdouts, 3 phases, targeting). single: one decision of one subject who was never seen; bulk:
 * every flag of the plan for such a subject. Last, a decision of a contextual bandit with 20 actions and 50
 * features beside one of an A/B: 4.5 times as much (6.1 us beside 1.3 us on a busy machine). Usage: plan
 * [SECONDS per number]. One thread; build with -O2 and without sanitizers. */
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "codec/plan_json.h"
#include "core/decide.h"

enum { PAIRS = 5 };

static double seconds = 1.0;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- a document --- */

struct text {
    char *s;
    size_t len, cap;
};

static void add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *fmt, ...)
{
    char part[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(part, sizeof part, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof part)
        abort();
    if (t->len + (size_t)n + 1 > t->cap)
        t->s = realloc(t->s, t->cap = 2 * t->cap + sizeof part);
    if (!t->s)
        abort();
    memcpy(t->s + t->len, part, (size_t)n + 1);
    t->len += (size_t)n;
}

static void add_salt(struct text *t, const char *name, int i)
{
    uint8_t hash[32];
    char hex[65], seed[64];
    snprintf(seed, sizeof seed, "%s %d", name, i);
    crypto_hash_sha256(hash, (const unsigned char *)seed, strlen(seed));
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    add(t, "\"salt\":\"%.32s\"", hex);
}

/* Slots [lo, hi) of the traffic, half and half. */
static void add_phase(struct text *t, int i, int number, int lo, int hi)
{
    add(t, "%s{\"id\":%d,\"number\":%d,\"traffic_slots\":[[%d,%d]],", number > 1 ? "," : "", 10 * i + number,
        number, lo, hi);
    add_salt(t, "phase", 10 * i + number);
    add(t, ",\"variants\":[{\"variant\":\"control\",\"share_ppm\":500000,\"slots\":[[0,500000]]},"
           "{\"variant\":\"treatment\",\"share_ppm\":500000,\"slots\":[[500000,1000000]]}]}");
}

static void add_experiment(struct text *t, int i, bool whole)
{
    add(t,
        "%s{\"id\":%d,\"key\":\"experiment-%04d\",\"status\":\"running\",\"guard_stopped\":false,"
        "\"unit_type\":\"user\",\"exposure\":\"on_evaluation\",",
        i > 1 ? "," : "", i, i);
    add_salt(t, "experiment", i);
    if (whole) {
        add(t, ",\"condition\":{\"country\":{\"$in\":[\"DE\",\"FR\",\"US\"]},\"plan\":{\"$ne\":\"trial\"}}");
        add(t, ",\"layer\":\"layer-%d\",\"layer_slots\":[[%d,%d]],\"holdouts\":[1000001,1000002]", i % 5,
            i / 5 % 10 * 100000, i / 5 % 10 * 100000 + 100000);
    }
    add(t,
        ",\"variants\":[{\"id\":%d,\"key\":\"control\",\"value\":\"Buy now\"},"
        "{\"id\":%d,\"key\":\"treatment\",\"value\":\"Hurry!\"}],\"phases\":[",
        2 * i, 2 * i + 1);
    if (whole) {
        add_phase(t, i, 1, 0, 50000);
        add_phase(t, i, 2, 50000, 250000);
        add_phase(t, i, 3, 250000, 1000000);
    } else {
        add_phase(t, i, 1, 0, 1000000);
    }
    add(t, "]}");
}

static void add_holdout(struct text *t, int i, int share)
{
    add(t,
        ",{\"id\":%d,\"key\":\"holdout-%d\",\"kind\":\"holdout\",\"status\":\"running\",\"exposure\":"
        "\"on_evaluation\",",
        i, i);
    add_salt(t, "holdout", i);
    add(t,
        ",\"variants\":[{\"id\":%d,\"key\":\"out\",\"gives\":\"nothing\"},{\"id\":%d,\"key\":\"in\","
        "\"gives\":\"everything\"}],\"phases\":[{\"id\":%d,\"number\":1,\"traffic_slots\":[[0,1000000]],",
        2 * i, 2 * i + 1, 10 * i);
    add_salt(t, "phase of holdout", i);
    add(t,
        ",\"variants\":[{\"variant\":\"out\",\"share_ppm\":%d,\"slots\":[[0,%d]]},"
        "{\"variant\":\"in\",\"share_ppm\":%d,\"slots\":[[%d,1000000]]}]}]}",
        share, share, 1000000 - share, share);
}

static struct text document(int n, bool whole)
{
    struct text t = {0};
    add(&t,
        "{\"format\":1,\"environment\":\"bench\",\"version\":1,\"stop_version\":0,\"unit_key\":\"%064d\","
        "\"hash_key\":\"%064d\",\"api_keys\":[],\"events\":[],\"layers\":[",
        1, 2);
    for (int i = 0; i < 5; i++) {
        add(&t, "%s{\"key\":\"layer-%d\",", i > 0 ? "," : "", i);
        add_salt(&t, "layer", i);
        add(&t, "}");
    }
    add(&t, "],\"experiments\":[");
    for (int i = 1; i <= n; i++)
        add_experiment(&t, i, whole);
    if (whole) {
        add_holdout(&t, 1000001, 50000);
        add_holdout(&t, 1000002, 100000);
    }
    add(&t, "],\"flags\":[");
    for (int i = 1; i <= n; i++)
        add(&t,
            "%s{\"id\":%d,\"key\":\"experiment-%04d\",\"type\":\"string\",\"default\":\"Buy "
            "now\",\"archived\":"
            "false,\"rules\":[{\"kind\":\"experiment\",\"experiment\":\"experiment-%04d\",\"condition\":{}}]"
            "}",
            i > 1 ? "," : "", i, i, i);
    add(&t, "]}");
    return t;
}

/* --- a contextual bandit --- */

#define ACTIONS 20
#define FEATURES 50

/* Everyone in its model's phase: 20 variants, 50 number features (51 columns). */
static struct text contextual_document(void)
{
    struct text t = {0};
    add(&t,
        "{\"format\":1,\"environment\":\"bench\",\"version\":1,\"stop_version\":0,\"unit_key\":\"%064d\","
        "\"hash_key\":\"%064d\",\"api_keys\":[],\"events\":[],\"experiments\":[{\"id\":1,\"key\":"
        "\"contextual\","
        "\"kind\":\"contextual\",\"status\":\"running\",\"guard_stopped\":false,\"unit_type\":\"user\","
        "\"exposure\":\"on_evaluation\",\"bandit\":{\"assign\":\"decision\"},",
        1, 2);
    add_salt(&t, "experiment", 1);
    add(&t, ",\"contextual\":{\"safe\":\"v0\",\"threshold_ppm\":0,\"features\":[");
    for (int i = 0; i < FEATURES; i++)
        add(&t, "%s{\"name\":\"f%d\",\"attribute\":\"f%d\",\"kind\":\"number\"}", i > 0 ? "," : "", i, i);
    add(&t, "],\"models\":[{\"id\":1,\"version\":1,\"kind\":\"logistic\",\"gamma\":100,\"floor_ppm\":10000");
    static const char *const lists[] = {"centre", "scale", "low", "high"};
    static const int values[] = {50, 20, 0, 100};
    for (int k = 0; k < 4; k++) {
        add(&t, ",\"%s\":[", lists[k]);
        for (int i = 0; i < FEATURES; i++)
            add(&t, "%s%d", i > 0 ? "," : "", values[k]);
        add(&t, "]");
    }
    add(&t, ",\"weights\":{");
    for (int v = 0; v < ACTIONS; v++) {
        add(&t, "%s\"v%d\":[-2", v > 0 ? "," : "", v);
        for (int i = 0; i < FEATURES; i++)
            add(&t, ",%.3f", ((v * 31 + i * 17) % 101 - 50) / 500.0);
        add(&t, "]");
    }
    add(&t, "}}]},\"variants\":[");
    for (int v = 0; v < ACTIONS; v++)
        add(&t, "%s{\"id\":%d,\"key\":\"v%d\",\"value\":\"%d\"}", v > 0 ? "," : "", v + 1, v, v);
    add(&t,
        "],\"phases\":[{\"id\":1,\"number\":2,\"kind\":\"time\",\"from_us\":0,\"model\":1,\"traffic_slots\":"
        "[[0,1000000]],");
    add_salt(&t, "phase", 1);
    add(&t, ",\"variants\":[");
    for (int v = 0; v < ACTIONS; v++)
        add(&t, "%s{\"variant\":\"v%d\",\"share_ppm\":50000,\"slots\":[[%d,%d]]}", v > 0 ? "," : "", v,
            v * 50000, v * 50000 + 50000);
    add(&t, "]}]}],\"flags\":[{\"id\":1,\"key\":\"contextual\",\"type\":\"string\",\"default\":\"0\","
            "\"archived\":"
            "false,\"rules\":[{\"kind\":\"experiment\",\"experiment\":\"contextual\",\"condition\":{}}]}]}");
    return t;
}

/* --- numbers --- */

static struct plan *compile(const struct text *t)
{
    struct plan *p;
    struct error e;
    if (plan_from_json(t->s, t->len, &p, &e) != 0) {
        fprintf(stderr, "plan: %s\n", e.text);
        exit(1);
    }
    if (plan_quarantine_count(p) > 0) {
        fprintf(stderr, "plan: %s\n", plan_quarantine_at(p, 0));
        exit(1);
    }
    return p;
}

static double compile_ms(const struct text *t)
{
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        double begun = now();
        plan_unref(compile(t));
        double took = now() - begun;
        best = took < best ? took : best;
    }
    return best * 1e3;
}

static void subject(struct subject *s, char raw[32], unsigned u)
{
    static const struct attr_field fields[] = {
        {"country", 7, {.type = ATTR_STRING, .u.string = {"DE", 2}}},
        {"plan", 4, {.type = ATTR_STRING, .u.string = {"pro", 3}}},
    };
    static const struct attr attributes = {.type = ATTR_OBJECT, .u.object = {fields, 2}};
    int n = snprintf(raw, 32, "customer-%u", u);
    subject_init(s, raw, (size_t)n, &attributes);
}

static unsigned served; /* looked at, so that nothing is left out */

/* Nanoseconds of one decision of a new subject; each takes the next flag. */
static double single_ns(const struct plan *p)
{
    size_t flags = plan_flag_count(p), done = 0;
    double begun = now(), end = begun;
    for (unsigned u = 0; end - begun < seconds; end = now())
        for (int i = 0; i < 1000; i++, u++, done++) {
            struct subject s;
            struct decision d;
            char raw[32];
            subject(&s, raw, u);
            decide(p, plan_flag_at(p, u % flags), &s, NULL, 1, 0, &d);
            served += d.variant != NULL;
        }
    return (end - begun) / (double)done * 1e9;
}

/* Nanoseconds of a decision where each subject asks every flag. */
static double bulk_ns(const struct plan *p)
{
    size_t flags = plan_flag_count(p), done = 0;
    double begun = now(), end = begun;
    for (unsigned u = 0; end - begun < seconds; end = now(), u++) {
        struct subject s;
        char raw[32];
        subject(&s, raw, u);
        for (size_t i = 0; i < flags; i++, done++) {
            struct decision d;
            decide(p, plan_flag_at(p, i), &s, NULL, 1, 0, &d);
            served += d.variant != NULL;
        }
    }
    return (end - begun) / (double)done * 1e9;
}

/* Nanoseconds of a decision by the model; a new subject and other attributes each time. */
static double contextual_ns(const struct plan *p)
{
    static char names[FEATURES][8];
    struct attr_field fields[FEATURES];
    const struct attr attributes = {.type = ATTR_OBJECT, .u.object = {fields, FEATURES}};
    size_t done = 0;
    for (int i = 0; i < FEATURES; i++) {
        int n = snprintf(names[i], sizeof names[i], "f%d", i);
        fields[i] = (struct attr_field){names[i], (size_t)n, {.type = ATTR_NUMBER}};
    }
    double begun = now(), end = begun;
    for (unsigned u = 0; end - begun < seconds; end = now())
        for (int i = 0; i < 1000; i++, u++, done++) {
            struct subject s;
            struct decision d;
            uint8_t id[16] = {(uint8_t)u, (uint8_t)(u >> 8), (uint8_t)(u >> 16)};
            char raw[32];
            int n = snprintf(raw, sizeof raw, "customer-%u", u);
            for (int k = 0; k < FEATURES; k++)
                fields[k].value.u.number = (u * 7 + (unsigned)k * 13) % 101;
            subject_init(&s, raw, (size_t)n, &attributes);
            decide(p, plan_flag_at(p, 0), &s, id, 1, 0, &d);
            served += d.vector.n == ACTIONS;
        }
    return (end - begun) / (double)done * 1e9;
}

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Beside an A/B decision, with the same loop, in turn: medians of five of each. */
static void measure_contextual(void)
{
    struct text t = contextual_document(), ab = document(10, false);
    struct plan *p = compile(&t), *q = compile(&ab);
    double model[PAIRS], plain[PAIRS], ratio[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        model[i] = contextual_ns(p);
        plain[i] = single_ns(q);
        ratio[i] = model[i] / plain[i];
    }
    qsort(model, PAIRS, sizeof *model, by_double);
    qsort(plain, PAIRS, sizeof *plain, by_double);
    qsort(ratio, PAIRS, sizeof *ratio, by_double);
    printf("\ncontextual decision, %d actions, %d features / A/B decision|ns|%.0f|%.0f|%.2f|%.2f|%.2f\n",
           ACTIONS, FEATURES, model[PAIRS / 2], plain[PAIRS / 2], ratio[PAIRS / 2], ratio[0],
           ratio[PAIRS - 1]);
    plan_unref(p);
    plan_unref(q);
    free(t.s);
    free(ab.s);
}

static void measure(int n, bool whole)
{
    struct text t = document(n, whole);
    double compiled = compile_ms(&t);
    struct plan *p = compile(&t);
    double single = single_ns(p), bulk = bulk_ns(p);
    printf("%-6s %11d %9.2f %12.0f %11.0f %11.0f %12.1f %11.2f %10.0f\n", whole ? "whole" : "plain", n,
           single / 1e3, 1e9 / single, bulk, 1e9 / bulk, bulk * n / 1e3, compiled,
           (double)plan_size(p) / 1024);
    plan_unref(p);
    free(t.s);
}

int main(int argc, char **argv)
{
    if (sodium_init() < 0)
        return 1;
    if (argc > 1)
        seconds = atof(argv[1]);
    printf("%-6s %11s %9s %12s %11s %11s %12s %11s %10s\n", "model", "experiments", "single us", "single/s",
           "bulk ns", "bulk/s", "whole bulk us", "compile ms", "memory KiB");
    for (int whole = 0; whole < 2; whole++)
        for (int n = 10; n <= 1000; n *= 10)
            measure(n, whole);
    measure_contextual();
    return served == 0;
}
