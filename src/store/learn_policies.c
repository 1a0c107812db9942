/* Challengers: what each would have earned, from the decisions that matured since it was last asked. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "codec/json_in.h"
#include "codec/model_json.h"
#include "stats/off_policy.h"
#include "store/learn.h"
#include "store/policy.h"
#include "store/policy_value.h"

#define FETCH 2000
#define FETCH_SQL "fetch 2000 from asked"
#define SLICES_A_PASS 20 /* of about 20,000 decisions; a long log takes several passes */

#define SUMS 19
#define UNIT_SUMS 9
_Static_assert(sizeof(struct off_policy_sums) == SUMS * sizeof(double), "sums are doubles, all of them");
_Static_assert(sizeof(struct off_policy_unit) == UNIT_SUMS * sizeof(double), "and so are a unit's");

static const char due_sql[] =
    "select challenger_id, experiment_id, environment, experiment, challenger, policy, by_decision, features,"
    " kind, metric_id, array_to_string(variants, ' '), array_to_string(variant_ids, ' '), threshold_ppm,"
    " evaluated_to, evaluated_pass, upto, pass, sums, n_star, alpha, floor_ppm, safe, down"
    " from cohort.challengers_due()";

enum due_column {
    CHALLENGER_ID,
    EXPERIMENT_ID,
    ENVIRONMENT,
    EXPERIMENT,
    CHALLENGER,
    POLICY,
    BY_DECISION,
    FEATURES,
    KIND,
    METRIC_ID,
    KEYS,
    IDS,
    THRESHOLD,
    EVALUATED_TO,
    EVALUATED_PASS,
    UPTO,
    PASS,
    STORED_SUMS,
    N_STAR,
    ALPHA,
    FLOOR,
    SAFE,
    DOWN
};

static const struct json_limits document_limits = {(size_t)4 * 1024 * 1024, 16, 100000};
static const struct json_limits inputs_limits = {65536, 32, 4096};

struct unit {
    char id[37];
    struct off_policy_unit sums;
};

/* One challenger being asked. */
struct asked {
    const struct learner *l;
    const PGresult *due;
    int row;
    struct arena *arena, *scratch; /* scratch: of one row */
    struct policy_arms arms;
    const struct features *features;
    const struct policy *policy;
    json_t *models;                /* [{"id": …, "version": …, …}] of the experiment */
    const struct model **compiled; /* of `models`, those that were needed */
    struct off_policy_sums sums;
    struct unit *units;
    size_t n_units, room;
    struct pg_error *e;
};

static const char *due_text(const struct asked *a, enum due_column c)
{
    return PQgetvalue(a->due, a->row, (int)c);
}

static int no_memory(struct asked *a)
{
    return error_set(&a->e->error, ERR_NOMEM, NULL, "out of memory");
}

/* --- the policy --- */

static int read_arms(struct asked *a)
{
    const char *keys = due_text(a, KEYS), *safe = due_text(a, SAFE);
    char *copy = arena_copy(a->arena, keys, strlen(keys)), *rest = NULL;
    char *at = (char *)(uintptr_t)due_text(a, IDS);
    struct policy_arms *arms = &a->arms;
    if (!copy)
        return no_memory(a);
    for (char *key = strtok_r(copy, " ", &rest); key && arms->n < POLICY_ARMS;
         key = strtok_r(NULL, " ", &rest)) {
        if (strcmp(key, safe) == 0)
            arms->safe = arms->n;
        arms->keys[arms->n] = key;
        arms->ids[arms->n++] = strtoll(at, &at, 10);
    }
    arms->threshold_ppm = (uint32_t)strtoul(due_text(a, THRESHOLD), NULL, 10);
    arms->floor_ppm = atoi(due_text(a, FLOOR));
    return ERR_OK;
}

static int parse(struct asked *a, const char *text, json_t **out)
{
    return json_in_parse(text, strlen(text), &document_limits, out, &a->e->error);
}

static int read_models(struct asked *a)
{
    const char *const params[] = {due_text(a, EXPERIMENT_ID)};
    PGresult *rows = NULL;
    int code = learn_exec(
        a->l,
        "select coalesce(jsonb_agg(m.document || jsonb_build_object('id', m.id, 'version', m.version)"
        " order by m.version), '[]') from cohort.model m where m.experiment_id = $1",
        1, params, &rows, a->e);
    if (code == ERR_OK)
        code = parse(a, PQgetvalue(rows, 0, 0), &a->models);
    PQclear(rows);
    if (code == ERR_OK)
        a->compiled = arena_alloc(a->arena, (json_array_size(a->models) + 1) * sizeof *a->compiled);
    return code != ERR_OK || a->compiled ? code : no_memory(a);
}

static const json_t *model_by(const struct asked *a, const char *field, json_int_t value, size_t *place)
{
    for (*place = 0; *place < json_array_size(a->models); ++*place) {
        const json_t *m = json_array_get(a->models, *place);
        if (json_integer_value(json_object_get(m, field)) == value)
            return m;
    }
    return NULL;
}

static int read_policy(struct asked *a)
{
    json_t *policy = NULL, *features = NULL;
    size_t place;
    int code = read_arms(a);
    if (code == ERR_OK)
        code = parse(a, due_text(a, POLICY), &policy);
    if (code == ERR_OK && !PQgetisnull(a->due, a->row, FEATURES)) {
        code = parse(a, due_text(a, FEATURES), &features);
        json_t *declared = code == ERR_OK ? json_pack("{s:o}", "features", features) : NULL;
        if (code == ERR_OK)
            code =
                declared ? features_from_json(a->arena, declared, &a->features, &a->e->error) : no_memory(a);
        json_decref(declared);
    }
    if (code == ERR_OK)
        code = read_models(a);
    if (code == ERR_OK)
        code = policy_compile(
            a->arena, policy,
            model_by(a, "version", json_integer_value(json_object_get(policy, "version")), &place),
            a->features, &a->arms, &a->policy, &a->e->error);
    json_decref(policy);
    return code;
}

/* The model that gave a decision its probabilities: it was fitted before, so that its predictions have not
 * seen the reward. *out NULL: none did, or it can't be read. */
static int decider(struct asked *a, const char *id, const struct model **out)
{
    size_t place;
    struct error ignored;
    const json_t *document = *id ? model_by(a, "id", strtoll(id, NULL, 10), &place) : NULL;
    *out = NULL;
    if (!document || !a->features)
        return ERR_OK;
    if (!a->compiled[place] &&
        policy_model(a->arena, document, a->features, &a->arms, &a->compiled[place], &ignored) == ERR_NOMEM)
        return no_memory(a);
    *out = a->compiled[place];
    return ERR_OK;
}

/* --- decisions --- */

/* {"17": 300000, …} into logged[arm]. */
static void read_vector(const struct asked *a, const char *text, double *logged)
{
    memset(logged, 0, a->arms.n * sizeof *logged);
    for (const char *at = strchr(text, '"'); at; at = strchr(at, '"')) {
        char *end;
        int64_t id = strtoll(at + 1, &end, 10);
        if (*end != '"')
            return;
        end += strspn(end, "\": ");
        double ppm = strtod(end, &end);
        for (size_t i = 0; i < a->arms.n; i++)
            if (a->arms.ids[i] == id)
                logged[i] = ppm / 1e6;
        at = end;
    }
}

static struct unit *unit_of(struct asked *a, const char *id)
{
    if (a->n_units > 0 && strcmp(a->units[a->n_units - 1].id, id) == 0)
        return &a->units[a->n_units - 1];
    if (a->n_units == a->room) {
        size_t room = a->room ? 2 * a->room : 1024;
        struct unit *more = realloc(a->units, room * sizeof *more);
        if (!more)
            return NULL;
        a->units = more;
        a->room = room;
    }
    struct unit *u = &a->units[a->n_units++];
    *u = (struct unit){0};
    snprintf(u->id, sizeof u->id, "%.36s", id);
    return u;
}

/* *out NULL: they can't be read. */
static int read_inputs(struct asked *a, const char *text, const struct attr **out)
{
    json_t *doc = NULL;
    struct error ignored;
    struct attr *attributes = arena_alloc(a->scratch, sizeof *attributes);
    int code = attributes ? json_in_parse(text, strlen(text), &inputs_limits, &doc, &ignored) : ERR_NOMEM;
    if (code == ERR_OK)
        code = json_in_attr(a->scratch, doc, attributes, &ignored);
    json_decref(doc);
    *out = code == ERR_OK ? attributes : NULL;
    return code == ERR_NOMEM ? no_memory(a) : ERR_OK;
}

/* unit_id, variant_id, propensity, model_id, value, vector, inputs */
static int ask_row(struct asked *a, const PGresult *r, int row)
{
    double logged[POLICY_ARMS], pi[POLICY_ARMS], predicted[POLICY_ARMS];
    int64_t id = strtoll(PQgetvalue(r, row, 1), NULL, 10);
    struct unit *u = unit_of(a, PQgetvalue(r, row, 0));
    size_t arm = 0;
    if (!u)
        return no_memory(a);
    arena_reset(a->scratch);
    while (arm < a->arms.n && a->arms.ids[arm] != id)
        arm++;
    if (arm == a->arms.n)
        return ERR_OK;
    const struct attr *attributes;
    const struct model *m;
    int code = read_inputs(a, PQgetvalue(r, row, 6), &attributes);
    if (code == ERR_OK)
        code = decider(a, PQgetvalue(r, row, 3), &m);
    if (code != ERR_OK)
        return code;
    read_vector(a, PQgetvalue(r, row, 5), logged);
    policy_ask(a->policy, attributes, logged, pi);
    struct off_policy_decision d = {.logged = strtod(PQgetvalue(r, row, 2), NULL) / 1e6,
                                    .policy = pi[arm],
                                    .reward = strtod(PQgetvalue(r, row, 4), NULL) / 1e6,
                                    .uncovered = off_policy_uncovered(logged, pi, a->arms.n)};
    if (m && policy_predict(m, &a->arms, attributes, logged, predicted)) {
        bool down = due_text(a, DOWN)[0] == 't', rate = strcmp(due_text(a, KIND), "binary") == 0;
        for (size_t i = 0; down && i < a->arms.n; i++)
            predicted[i] = rate ? 1 - predicted[i] : -predicted[i]; /* the model is of what is good */
        d.predicted = predicted[arm];
        for (size_t i = 0; i < a->arms.n; i++)
            d.value += pi[i] * predicted[i];
    }
    off_policy_decide(&u->sums, &d);
    return ERR_OK;
}

static int ask_rows(struct asked *a)
{
    for (int n = FETCH; n == FETCH;) {
        PGresult *rows = NULL;
        int code = learn_exec(a->l, FETCH_SQL, 0, NULL, &rows, a->e);
        n = PQntuples(rows);
        for (int i = 0; code == ERR_OK && i < n; i++)
            code = ask_row(a, rows, i);
        PQclear(rows);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

static int ask_decisions(struct asked *a)
{
    char sql[512];
    struct pg_error ignored;
    snprintf(
        sql, sizeof sql,
        "declare asked no scroll cursor for select unit_id, variant_id, propensity, model_id, value, vector,"
        " inputs from cohort.policy_rows(%s, '%s', %s, '%s', %s)",
        due_text(a, EXPERIMENT_ID), due_text(a, EVALUATED_TO), due_text(a, EVALUATED_PASS), due_text(a, UPTO),
        due_text(a, PASS));
    int code = learn_exec(a->l, "begin read only", 0, NULL, NULL, a->e);
    if (code == ERR_OK)
        code = learn_exec(a->l, sql, 0, NULL, NULL, a->e);
    if (code == ERR_OK)
        code = ask_rows(a);
    pg_exec(a->l->p, "rollback", 0, NULL, NULL, &ignored);
    return code;
}

/* --- units, where they are drawn --- */

/* n units that got one arm of a phase, each of them once: all from n, Σy and Σy². */
static void add_cell(struct off_policy_sums *s, double w, double n, double y, double yy)
{
    double d = w - 1;
    s->units += n;
    s->n += n;
    s->w += n * w;
    s->ww += n * w * w;
    s->wy += w * y;
    s->d += w * y;
    s->nn += n;
    s->w_w += n * w * w;
    s->wy_wy += w * w * yy;
    s->dd += w * w * yy;
    s->n_wy += w * y;
    s->w_wy += w * w * y;
    s->n_d += w * y;
    s->y += y;
    s->l_l += d * d * yy;
    s->n_l += d * y;
}

/* One phase's arms are rows [from, to) of the cells. */
static void ask_phase(struct asked *a, const PGresult *r, int from, int to)
{
    double logged[POLICY_ARMS] = {0}, pi[POLICY_ARMS], uncovered;
    for (int i = from; i < to; i++)
        for (size_t k = 0; k < a->arms.n; k++)
            if (a->arms.ids[k] == strtoll(PQgetvalue(r, i, 1), NULL, 10))
                logged[k] = strtod(PQgetvalue(r, i, 2), NULL) / 1e6;
    policy_ask(a->policy, NULL, logged, pi);
    uncovered = off_policy_uncovered(logged, pi, a->arms.n);
    for (int i = from; i < to; i++) {
        double n = strtod(PQgetvalue(r, i, 3), NULL), y = strtod(PQgetvalue(r, i, 4), NULL) / 1e6;
        for (size_t k = 0; k < a->arms.n; k++)
            if (a->arms.ids[k] == strtoll(PQgetvalue(r, i, 1), NULL, 10) && logged[k] > 0)
                add_cell(&a->sums, pi[k] / logged[k], n, y, strtod(PQgetvalue(r, i, 5), NULL) / 1e12);
        a->sums.uncovered += n * uncovered;
        a->sums.uncovered_n += uncovered > 0 ? n : 0;
    }
}

static int ask_units(struct asked *a)
{
    const char *const params[] = {due_text(a, EXPERIMENT_ID), due_text(a, METRIC_ID)};
    PGresult *r = NULL;
    int code = learn_exec(
        a->l, "select phase_id, variant_id, share_ppm, units, sum, sum_sq from cohort.policy_cells($1, $2)",
        2, params, &r, a->e);
    int n = code == ERR_OK ? PQntuples(r) : 0;
    for (int from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && strcmp(PQgetvalue(r, to, 0), PQgetvalue(r, from, 0)) == 0;)
            to++;
        ask_phase(a, r, from, to);
    }
    PQclear(r);
    return code;
}

/* --- writing down --- */

static void read_numbers(const char *text, double *out, size_t n)
{
    char *at = (char *)(uintptr_t)text;
    for (size_t i = 0; i < n && *at; i++)
        out[i] = strtod(at, &at);
}

static void add_numbers(struct buffer *b, const double *v, size_t n, char between)
{
    for (size_t i = 0; i < n; i++)
        buffer_printf(b, "%s%.17g", i ? (char[]){between, '\0'} : "", v[i]);
}

/* What a unit's sums give to those of all: added, or taken back. */
static void count_unit(struct off_policy_sums *s, const struct off_policy_unit *u, double sign)
{
    double all[SUMS], one[SUMS];
    struct off_policy_sums alone = {0};
    off_policy_add(&alone, u);
    memcpy(all, s, sizeof all);
    memcpy(one, &alone, sizeof one);
    for (size_t i = 0; i < SUMS; i++)
        all[i] += sign * one[i];
    memcpy(s, all, sizeof all);
}

/* Units that were there before: their sums grow, and what they gave is taken back first. */
static int merge_known(struct asked *a, const PGresult *known)
{
    size_t at = 0;
    for (int i = 0; i < PQntuples(known); i++) {
        struct off_policy_unit before = {0};
        double was[UNIT_SUMS] = {0}, more[UNIT_SUMS];
        while (at < a->n_units && strcmp(a->units[at].id, PQgetvalue(known, i, 0)) != 0)
            at++;
        if (at == a->n_units)
            return error_set(&a->e->error, ERR_IO, NULL,
                             "units came in another order than they were asked for");
        read_numbers(PQgetvalue(known, i, 1), was, UNIT_SUMS);
        memcpy(&before, was, sizeof before);
        count_unit(&a->sums, &before, -1);
        memcpy(more, &a->units[at].sums, sizeof more);
        for (size_t k = 0; k < UNIT_SUMS; k++)
            more[k] += was[k];
        memcpy(&a->units[at].sums, more, sizeof more);
    }
    return ERR_OK;
}

static int merge_units(struct asked *a, const char *ids)
{
    const char *const params[] = {due_text(a, CHALLENGER_ID), due_text(a, EXPERIMENT_ID), ids};
    PGresult *known = NULL;
    int code = learn_exec(
        a->l,
        "select unit_id, array_to_string(sums, ' ') from cohort.policy_unit where challenger_id = $1"
        " and experiment_id = $2 and unit_id = any ($3::uuid[]) order by unit_id",
        3, params, &known, a->e);
    if (code == ERR_OK)
        code = merge_known(a, known);
    PQclear(known);
    for (size_t i = 0; code == ERR_OK && i < a->n_units; i++)
        count_unit(&a->sums, &a->units[i].sums, 1);
    return code;
}

static int store(struct asked *a, const char *ids, const char *unit_sums)
{
    char epoch[24];
    struct buffer sums = {0};
    double all[SUMS];
    struct asympcs_rule rule = {strtod(due_text(a, ALPHA), NULL), strtod(due_text(a, N_STAR), NULL),
                                ASYMPCS_BOTH};
    bool by_decision = due_text(a, BY_DECISION)[0] == 't';
    char *body = policy_value_document(&a->sums, &rule, by_decision, by_decision ? "decisions" : "units");
    memcpy(all, &a->sums, sizeof all);
    buffer_add_str(&sums, "{");
    add_numbers(&sums, all, SUMS, ',');
    buffer_add(&sums, "}", 2);
    snprintf(epoch, sizeof epoch, "%" PRId64, a->l->epoch);
    int code = ERR_NOMEM;
    if (body && !sums.failed) {
        const char *const params[] = {epoch,
                                      due_text(a, CHALLENGER_ID),
                                      due_text(a, EXPERIMENT_ID),
                                      due_text(a, UPTO),
                                      due_text(a, PASS),
                                      (const char *)sums.data,
                                      body,
                                      ids,
                                      unit_sums};
        code = learn_exec(a->l,
                          "select cohort.record_policy($1, $2, $3, $4, $5, $6, $7, $8::uuid[], $9::text[])",
                          9, params, NULL, a->e);
    } else {
        no_memory(a);
    }
    free(body);
    buffer_free(&sums);
    return code;
}

static int write_down(struct asked *a)
{
    struct buffer ids = {0}, sums = {0};
    buffer_add_str(&ids, "{");
    for (size_t i = 0; i < a->n_units; i++)
        buffer_printf(&ids, "%s%s", i ? "," : "", a->units[i].id);
    buffer_add(&ids, "}", 2);
    int code = ids.failed ? no_memory(a) : ERR_OK;
    if (code == ERR_OK && a->n_units > 0)
        code = merge_units(a, (const char *)ids.data);
    buffer_add_str(&sums, "{");
    for (size_t i = 0; i < a->n_units; i++) {
        double one[UNIT_SUMS];
        memcpy(one, &a->units[i].sums, sizeof one);
        buffer_add_str(&sums, i ? ",\"" : "\"");
        add_numbers(&sums, one, UNIT_SUMS, ' ');
        buffer_add_str(&sums, "\"");
    }
    buffer_add(&sums, "}", 2);
    if (code == ERR_OK)
        code = sums.failed ? no_memory(a) : store(a, (const char *)ids.data, (const char *)sums.data);
    buffer_free(&ids);
    buffer_free(&sums);
    return code;
}

static int ask(struct asked *a)
{
    double stored[SUMS] = {0};
    a->arena = arena_new();
    a->scratch = arena_new();
    if (!a->arena || !a->scratch)
        return no_memory(a);
    int code = read_policy(a);
    if (code != ERR_OK)
        return code;
    if (due_text(a, BY_DECISION)[0] == 't') {
        read_numbers(due_text(a, STORED_SUMS), stored, SUMS);
        memcpy(&a->sums, stored, sizeof a->sums);
        code = ask_decisions(a);
    } else {
        code = ask_units(a);
    }
    return code == ERR_OK ? write_down(a) : code;
}

static void name_it(struct asked *a, int code)
{
    char text[160];
    snprintf(text, sizeof text, "%.150s", a->e->error.text);
    error_set(&a->e->error, code, NULL, "challenger %.60s of experiment %.60s: %s", due_text(a, CHALLENGER),
              due_text(a, EXPERIMENT), text);
}

/* Every challenger that is due, once; *n: how many were. */
static int slice(const struct learner *l, int *n, struct pg_error *e)
{
    PGresult *due = NULL;
    int first = learn_exec(l, due_sql, 0, NULL, &due, e);
    *n = PQntuples(due);
    for (int i = 0; i < *n && !l->stopping(l->arg); i++) {
        struct pg_error why = {0};
        struct asked a = {.l = l, .due = due, .row = i, .e = &why};
        int code = ask(&a);
        if (code != ERR_OK)
            name_it(&a, code);
        arena_free(a.arena);
        arena_free(a.scratch);
        json_decref(a.models);
        free(a.units);
        if (code != ERR_OK && first == ERR_OK) {
            first = code;
            *e = why;
        }
        if (code == ERR_STATE || !pg_alive(l->p))
            break;
    }
    PQclear(due);
    return first;
}

int learn_policies(const struct learner *l, struct pg_error *e)
{
    int code = ERR_OK;
    for (int i = 0, n = 1; i < SLICES_A_PASS && n > 0 && code == ERR_OK && !l->stopping(l->arg); i++)
        code = slice(l, &n, e);
    return code;
}
