#include "store/bandit.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "codec/json_dump.h"
#include "stats/thompson.h"

#define MOVES_PPM 1000

/* The arms of an update. learnt: the rewards so far, old ones decayed; n: how many matured, not decayed. */
struct arms {
    size_t k;
    const char *variant[THOMPSON_ARMS];
    uint32_t before[THOMPSON_ARMS], share[THOMPSON_ARMS];
    struct arm_sums total[THOMPSON_ARMS], learnt[THOMPSON_ARMS];
    struct thompson_rate rate[THOMPSON_ARMS];
    struct thompson_mean mean[THOMPSON_ARMS];
    double w[THOMPSON_ARMS];
    bool binary, down;
};

static double number_at(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static struct arm_sums sums_at(const json_t *o)
{
    return (struct arm_sums){
        .n = number_at(o, "n"), .sum = number_at(o, "sum"), .sum_sq = number_at(o, "sum_sq")};
}

static const json_t *arm_named(const json_t *list, const char *variant)
{
    size_t i;
    const json_t *arm;
    json_array_foreach(list, i, arm)
    {
        const char *key = json_string_value(json_object_get(arm, "variant"));
        if (key && strcmp(key, variant) == 0)
            return arm;
    }
    return NULL;
}

/* What had been learnt until the last update counts less now; what has matured since counts whole. Without a
 * half-life that is all there is. */
static struct arm_sums learn(const struct arm_sums *total, const json_t *last, double seconds,
                             double half_life)
{
    struct arm_sums out = {0};
    if (!last || !(half_life > 0))
        return *total;
    struct arm_sums before = sums_at(json_object_get(last, "total")), learnt = sums_at(last);
    struct arm_sums fresh = {
        .n = total->n - before.n, .sum = total->sum - before.sum, .sum_sq = total->sum_sq - before.sum_sq};
    thompson_add(&out, &learnt, seconds, half_life);
    thompson_add(&out, &fresh, 0, half_life);
    out.n = fmax(out.n, 0);
    out.sum_sq = fmax(out.sum_sq, 0);
    return out;
}

static int read_arms(struct arms *a, const json_t *facts, struct error *e)
{
    const json_t *list = json_object_get(facts, "arms"), *last = json_object_get(facts, "last"), *arm;
    const char *direction = json_string_value(json_object_get(facts, "direction"));
    const char *kind = json_string_value(json_object_get(facts, "kind"));
    size_t i;
    *a = (struct arms){.k = json_array_size(list)};
    if (a->k == 0 || a->k > THOMPSON_ARMS || !kind)
        return error_set(e, ERR_INVALID, "arms", "a bandit has 1 to %d arms and a kind of reward",
                         THOMPSON_ARMS);
    a->binary = strcmp(kind, "binary") == 0;
    a->down = direction && strcmp(direction, "down") == 0;
    json_array_foreach(list, i, arm)
    {
        a->variant[i] = json_string_value(json_object_get(arm, "variant"));
        if (!a->variant[i])
            return error_set(e, ERR_INVALID, "arms", "an arm has no variant");
        a->before[i] = (uint32_t)json_integer_value(json_object_get(arm, "share_ppm"));
        a->total[i] = sums_at(arm);
        a->learnt[i] = learn(&a->total[i], arm_named(last, a->variant[i]), number_at(facts, "seconds"),
                             number_at(facts, "half_life_s"));
    }
    return ERR_OK;
}

/* The arm that is short of its warm-up the most, or -1. */
static int cold_arm(const struct arms *a, double warm_up)
{
    int cold = -1;
    for (size_t i = 0; i < a->k; i++)
        if (a->total[i].n < warm_up && (cold < 0 || a->total[i].n < a->total[cold].n))
            cold = (int)i;
    return cold;
}

/* Best is the largest mean: where less is better, that of the opposite. */
static bool weigh(struct arms *a)
{
    struct arm_sums arms[THOMPSON_ARMS];
    for (size_t i = 0; i < a->k; i++) {
        arms[i] = a->learnt[i];
        if (a->down)
            arms[i].sum = a->binary ? arms[i].n - arms[i].sum : -arms[i].sum;
    }
    if (a->binary) {
        thompson_rates(arms, a->k, a->rate);
        return thompson_beta(a->rate, a->k, a->w);
    }
    thompson_means(arms, a->k, a->mean);
    return thompson_gaussian(a->mean, a->k, a->w);
}

static bool moved(const struct arms *a)
{
    for (size_t i = 0; i < a->k; i++) {
        uint32_t from = a->before[i], to = a->share[i];
        if ((from > to ? from - to : to - from) > MOVES_PPM)
            return true;
    }
    return false;
}

static json_t *sums_json(const struct arm_sums *s)
{
    return json_pack("{s:f, s:f, s:f}", "n", s->n, "sum", s->sum, "sum_sq", s->sum_sq);
}

static json_t *arm_json(const struct arms *a, size_t i, bool weighed)
{
    json_t *arm =
        json_pack("{s:s, s:o, s:i, s:i}", "variant", a->variant[i], "total", sums_json(&a->total[i]),
                  "before_ppm", (int)a->before[i], "share_ppm", (int)a->share[i]);
    json_t *learnt = sums_json(&a->learnt[i]);
    json_object_update(arm, learnt);
    json_decref(learnt);
    if (weighed && a->binary)
        json_object_update_new(
            arm, json_pack("{s:f, s:f, s:f}", "a", a->rate[i].a, "b", a->rate[i].b, "w", a->w[i]));
    else if (weighed)
        json_object_update_new(
            arm, json_pack("{s:f, s:f, s:f}", "mean", a->mean[i].mean, "sd", a->mean[i].sd, "w", a->w[i]));
    return arm;
}

static json_t *evidence(const struct arms *a, const json_t *facts, bool weighed)
{
    json_t *doc = json_copy((json_t *)(uintptr_t)facts), *list = json_array();
    for (size_t i = 0; list && i < a->k; i++)
        json_array_append_new(list, arm_json(a, i, weighed));
    json_object_del(doc, "last");
    json_object_set_new(doc, "method",
                        json_string(a->binary ? "Thompson sampling, Beta-Bernoulli, by quadrature"
                                              : "Thompson sampling, Gaussian, by quadrature"));
    if (json_object_set_new(doc, "arms", list) != 0) {
        json_decref(doc);
        return NULL;
    }
    return doc;
}

/* "control 12.3 %, b 87.7 %" */
static size_t say_shares(const struct arms *a, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < a->k && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s %.1f %%", i ? ", " : "", a->variant[i],
                                 a->share[i] / 1e4);
    return used < size ? used : size - 1;
}

static json_t *shares_json(const struct arms *a)
{
    json_t *o = json_object();
    for (size_t i = 0; i < a->k; i++)
        if (json_object_set_new(o, a->variant[i], json_integer(a->share[i])) != 0) {
            json_decref(o);
            return NULL;
        }
    return o;
}

/* The shares that rewards lead to; false: they stay, and sentence says why. */
static bool find_shares(struct arms *a, const json_t *facts, bool *weighed, char *sentence, size_t size)
{
    double warm_up = number_at(facts, "warm_up"), rewards = 0;
    int cold = cold_arm(a, warm_up);
    memcpy(a->share, a->before, sizeof a->share);
    if (cold >= 0) {
        snprintf(sentence, size, "warming up, variant %s has %.0f of %.0f matured rewards", a->variant[cold],
                 a->total[cold].n, warm_up);
        return false;
    }
    *weighed = weigh(a);
    if (!*weighed || !thompson_shares(a->w, a->k, (uint32_t)number_at(facts, "floor_ppm"), a->share)) {
        *weighed = false;
        memcpy(a->share, a->before, sizeof a->share);
        snprintf(sentence, size, "the rewards are no numbers to compute with, so shares stay");
        return false;
    }
    for (size_t i = 0; i < a->k; i++)
        rewards += a->total[i].n;
    size_t used = say_shares(a, sentence, size);
    snprintf(sentence + used, size - used, " from %.0f matured rewards", rewards);
    if (moved(a))
        return true;
    memcpy(a->share, a->before, sizeof a->share);
    snprintf(sentence, size, "no share moves by more than 0.1 %% with %.0f matured rewards", rewards);
    return false;
}

int bandit_update_init(struct bandit_update *u, const json_t *facts, struct error *e)
{
    struct arms a;
    bool weighed = false;
    *u = (struct bandit_update){0};
    int code = read_arms(&a, facts, e);
    if (code != ERR_OK)
        return code;
    u->moves = find_shares(&a, facts, &weighed, u->sentence, sizeof u->sentence);
    u->evidence = evidence(&a, facts, weighed);
    if (u->moves)
        u->shares = shares_json(&a);
    if (!u->evidence || (u->moves && !u->shares)) {
        bandit_update_fini(u);
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    }
    return ERR_OK;
}

void bandit_update_fini(struct bandit_update *u)
{
    json_decref(u->shares);
    json_decref(u->evidence);
    *u = (struct bandit_update){0};
}

enum column { EXPERIMENT_ID, ENVIRONMENT, EXPERIMENT, PHASE_ID, FACTS };

static const char due_sql[] =
    "select experiment_id, environment, experiment, phase_id, facts from cohort.bandit_due('bandit')";

static int failed(const struct pg_error *e, int code)
{
    return strcmp(e->constraint, "leader_epoch") == 0 ? ERR_STATE : code == ERR_STATE ? ERR_IO : code;
}

static int apply(struct pg *p, const char *epoch, const PGresult *rows, int row,
                 const struct bandit_update *u, struct pg_error *e)
{
    char *shares = u->shares ? json_dump_text(u->shares, JSON_COMPACT) : NULL;
    char *text = json_dump_text(u->evidence, JSON_COMPACT | JSON_REAL_PRECISION(17));
    const char *const params[] = {
        epoch, PQgetvalue(rows, row, EXPERIMENT_ID), PQgetvalue(rows, row, PHASE_ID), shares, u->sentence,
        text};
    PGresult *res = NULL;
    int code = text && (shares || !u->shares)
                   ? pg_exec(p, "select cohort.bandit_apply($1, $2, $3, $4, $5, $6)", 6, params, &res, e)
                   : error_set(&e->error, ERR_NOMEM, NULL, "out of memory");
    const char *key = PQgetvalue(rows, row, EXPERIMENT), *env = PQgetvalue(rows, row, ENVIRONMENT);
    if (code == ERR_OK && strcmp(PQgetvalue(res, 0, 0), "0") == 0)
        log_info("bandit", "experiment %s (%s): somebody edits it, so its update waits for the next pass",
                 key, env);
    else if (code == ERR_OK)
        log_info("bandit", "experiment %s (%s), phase %s: %s", key, env, PQgetvalue(res, 0, 0), u->sentence);
    PQclear(res);
    free(text);
    free(shares);
    return code == ERR_OK ? code : failed(e, code);
}

static int update_one(struct pg *p, const char *epoch, const PGresult *rows, int row, struct pg_error *e)
{
    struct bandit_update u;
    json_error_t why;
    json_t *facts = json_loads(PQgetvalue(rows, row, FACTS), 0, &why);
    if (!facts)
        return error_set(&e->error, ERR_IO, PQgetvalue(rows, row, EXPERIMENT),
                         "facts of a bandit are no JSON: %s", why.text);
    int code = bandit_update_init(&u, facts, &e->error);
    if (code == ERR_OK)
        code = apply(p, epoch, rows, row, &u, e);
    bandit_update_fini(&u);
    json_decref(facts);
    return code;
}

int bandits_run(struct pg *p, int64_t epoch, struct pg_error *e)
{
    char text[24];
    PGresult *rows = NULL;
    memset(e, 0, sizeof *e);
    snprintf(text, sizeof text, "%" PRId64, epoch);
    int first = pg_exec(p, due_sql, 0, NULL, &rows, e);
    if (first != ERR_OK)
        return failed(e, first);
    for (int i = 0; i < PQntuples(rows); i++) {
        struct pg_error why = {0};
        int code = update_one(p, text, rows, i, &why);
        if (code != ERR_OK && first == ERR_OK) {
            first = code;
            *e = why;
        }
        if (code == ERR_STATE || !pg_alive(p))
            break;
    }
    PQclear(rows);
    return first;
}
