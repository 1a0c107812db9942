/* Prints what src/core draws, tab-separated, "\N" for nothing, as psql's \copy reads it.
 * draws PLAN.json EXPERIMENT N: for N raw ids, the unit, phase, variant and probabilities in an experiment.
 * draws PLAN.json --all N: for N raw ids and every flag, the whole decision: raw id, unit, flag, reason,
 * phase, variant, propensity, inclusion, holdout, its arm, counterfactual, and the holdouts to expose
 * ("a=out,b=in").
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_in.h"
#include "codec/plan_json.h"
#include "core/decide.h"

static char *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    size_t cap = 0;
    *len = 0;
    if (!f)
        return NULL;
    for (;;) {
        if (cap - *len < 65536)
            text = realloc(text, cap += 1 << 20);
        size_t n = text ? fread(text + *len, 1, cap - *len, f) : 0;
        if (n == 0)
            break;
        *len += n;
    }
    fclose(f);
    return text;
}

static void print_one(const struct plan *p, const struct plan_experiment *x, const char *raw)
{
    const char *type = plan_experiment_unit_type(x);
    const struct plan_phase *phase;
    const struct plan_variant *variant;
    int32_t propensity, inclusion;
    struct unit u;
    char text[37];
    unit_from_raw(plan_unit_key(p), type, strlen(type), raw, strlen(raw), &u);
    uuid_format(u.bytes, text);
    if (plan_expected(x, &u, &phase, &variant, &propensity, &inclusion))
        printf("%s\t%s\t%d\t%s\t%d\t%d\n", raw, text, plan_phase_number(phase), plan_variant_key(variant),
               propensity, inclusion);
    else
        printf("%s\t%s\t\\N\t\\N\t\\N\t\\N\n", raw, text);
}

static void print_key(const char *key)
{
    printf("\t%s", key ? key : "\\N");
}

static void print_number(int32_t n)
{
    if (n < 0)
        print_key(NULL);
    else
        printf("\t%d", n);
}

static void print_decision(const struct plan *p, const struct plan_flag *f, struct subject *s)
{
    struct decision d;
    char text[37];
    decide(p, f, s, NULL, 1, 0, &d);
    uuid_format(d.unit.bytes, text);
    printf("%.*s\t%s\t%s\t%s", (int)s->targeting_key_len, s->targeting_key, text, plan_flag_key(f),
           decide_reason_name(d.reason));
    print_number(d.phase ? plan_phase_number(d.phase) : -1);
    print_key(d.variant ? plan_variant_key(d.variant) : NULL);
    print_number(d.propensity_ppm);
    print_number(d.inclusion_ppm);
    print_key(d.holdout ? plan_experiment_key(d.holdout) : NULL);
    print_key(d.holdout_variant ? plan_variant_key(d.holdout_variant) : NULL);
    print_key(d.counterfactual ? plan_variant_key(d.counterfactual) : NULL);
    putchar('\t');
    for (size_t i = 0; i < d.n_holdouts; i++)
        printf("%s%s=%s", i > 0 ? "," : "", plan_experiment_key(d.holdouts[i].experiment),
               plan_variant_key(d.holdouts[i].variant));
    putchar('\n');
}

static void raw_id(long i, char raw[64])
{
    snprintf(raw, 64, i % 3 ? "customer-%ld" : "kundin \xc3\xbc %ld", i);
}

static void print_all(const struct plan *p, long n)
{
    for (long i = 0; i < n; i++) {
        struct subject s;
        char raw[64];
        raw_id(i, raw);
        subject_init(&s, raw, strlen(raw), NULL);
        for (size_t k = 0; k < plan_flag_count(p); k++)
            print_decision(p, plan_flag_at(p, k), &s);
    }
}

int main(int argc, char **argv)
{
    struct plan *p = NULL;
    struct error e;
    size_t len;
    if (argc != 4 || sodium_init() < 0) {
        fprintf(stderr, "usage: draws PLAN.json EXPERIMENT|--all N\n");
        return 2;
    }
    char *text = read_file(argv[1], &len);
    if (!text || plan_from_json(text, len, &p, &e) != ERR_OK) {
        fprintf(stderr, "draws: %s: %s\n", argv[1], text ? e.text : "can't be read");
        return 1;
    }
    for (size_t i = 0; i < plan_quarantine_count(p); i++)
        fprintf(stderr, "draws: %s\n", plan_quarantine_at(p, i));
    if (strcmp(argv[2], "--all") == 0) {
        print_all(p, atol(argv[3]));
        plan_unref(p);
        free(text);
        return 0;
    }
    const struct plan_experiment *x = plan_experiment_find(p, argv[2], strlen(argv[2]));
    if (!x) {
        fprintf(stderr, "draws: no experiment %s\n", argv[2]);
        return 1;
    }
    for (long i = 0, n = atol(argv[3]); i < n; i++) {
        char raw[64];
        raw_id(i, raw);
        print_one(p, x, raw);
    }
    plan_unref(p);
    free(text);
    return 0;
}
