/* Prints what src/core draws: for N raw ids, the unit, phase, variant and probabilities in an experiment of a
 * plan. Usage: draws PLAN.json EXPERIMENT N. Tab-separated, "\N" where no phase owns the unit, as psql's
 * \copy reads it. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_in.h"
#include "codec/plan_json.h"

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

int main(int argc, char **argv)
{
    struct plan *p = NULL;
    struct error e;
    size_t len;
    if (argc != 4 || sodium_init() < 0) {
        fprintf(stderr, "usage: draws PLAN.json EXPERIMENT N\n");
        return 2;
    }
    char *text = read_file(argv[1], &len);
    if (!text || plan_from_json(text, len, &p, &e) != ERR_OK) {
        fprintf(stderr, "draws: %s: %s\n", argv[1], text ? e.text : "can't be read");
        return 1;
    }
    const struct plan_experiment *x = plan_experiment_find(p, argv[2], strlen(argv[2]));
    if (!x) {
        fprintf(stderr, "draws: no experiment %s\n", argv[2]);
        return 1;
    }
    for (long i = 0, n = atol(argv[3]); i < n; i++) {
        char raw[64];
        snprintf(raw, sizeof raw, i % 3 ? "customer-%ld" : "kundin \xc3\xbc %ld", i);
        print_one(p, x, raw);
    }
    plan_unref(p);
    free(text);
    return 0;
}
