#include "store/ship_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/pg_wait.h"
#include "store/ship_order.h"

struct ship_rows {
    struct copy_binary copy;
    struct ship_order order;
};

struct ship_rows *ship_rows_new(void)
{
    return calloc(1, sizeof(struct ship_rows));
}

void ship_rows_free(struct ship_rows *r)
{
    if (!r)
        return;
    copy_free(&r->copy);
    ship_order_free(&r->order);
    free(r);
}

static void put_id(struct copy_binary *c, int32_t id)
{
    if (id > 0)
        copy_int4(c, id);
    else
        copy_null(c);
}

static void put_ppm(struct copy_binary *c, int32_t ppm)
{
    if (ppm >= 0)
        copy_int4(c, ppm);
    else
        copy_null(c);
}

static void put_uuid(struct copy_binary *c, bool has, const uint8_t id[16])
{
    if (has)
        copy_uuid(c, id);
    else
        copy_null(c);
}

static void put_json(struct copy_binary *c, struct record_text t)
{
    if (t.len > 0)
        copy_jsonb(c, t.s, t.len);
    else
        copy_null(c);
}

static void put_exposure(struct copy_binary *c, const struct record *r)
{
    const struct record_exposure *x = &r->u.exposure;
    copy_uuid(c, x->unit.bytes);
    put_id(c, x->experiment_id);
    put_id(c, x->variant_id);
    put_id(c, x->phase_id);
    put_ppm(c, x->propensity_ppm);
    put_ppm(c, x->inclusion_ppm);
    copy_time(c, x->ts_us);
    copy_uuid(c, x->event_id);
    put_uuid(c, x->has_decision, x->decision_id);
    copy_bool(c, x->trusted);
    copy_int2(c, (int16_t)x->origin);
    put_json(c, x->segments);
}

static void put_outcome(struct copy_binary *c, const struct record *r)
{
    const struct record_outcome *o = &r->u.outcome;
    copy_uuid(c, o->unit.bytes);
    copy_uuid(c, o->event_id);
    copy_time(c, o->ts_us);
    copy_text(c, o->name.s, o->name.len);
    if (o->has_value)
        copy_int8(c, o->value_micro);
    else
        copy_null(c);
    put_json(c, o->attributes);
    put_uuid(c, o->has_decision, o->decision_id);
    copy_bool(c, o->trusted);
}

static void put_decision(struct copy_binary *c, const struct record *r)
{
    const struct record_decision *d = &r->u.decision;
    copy_uuid(c, d->unit.bytes);
    copy_uuid(c, d->decision_id);
    copy_time(c, d->ts_us);
    put_id(c, d->flag_id);
    put_id(c, d->experiment_id);
    put_id(c, d->variant_id);
    put_id(c, d->phase_id);
    put_id(c, d->counterfactual_id);
    copy_text(c, d->reason.s, d->reason.len);
    put_ppm(c, d->propensity_ppm);
    put_ppm(c, d->inclusion_ppm);
    copy_int2(c, (int16_t)d->mode);
    copy_int8(c, d->plan_version);
    put_json(c, d->inputs);
    put_id(c, d->holdout_id);
    put_json(c, d->eligible);
    put_id(c, d->model_id);
}

static void put_dead_letter(struct copy_binary *c, const struct record *r)
{
    const struct record_dead_letter *l = &r->u.dead_letter;
    copy_time(c, l->received_us);
    copy_text(c, l->kind.s, l->kind.len);
    copy_text(c, l->reason.s, l->reason.len);
    copy_text(c, l->detail.s, l->detail.len);
    put_uuid(c, l->has_event_id, l->event_id);
    put_json(c, l->body);
    copy_bytes(c, l->body_hash, sizeof l->body_hash);
    copy_int4(c, l->body_length);
    if (l->environment.len > 0)
        copy_text(c, l->environment.s, l->environment.len);
    else
        copy_null(c);
}

static const struct kind {
    enum record_kind kind;
    int columns;
    const char *sql;
    void (*put)(struct copy_binary *c, const struct record *r);
} kinds[] = {
    {RECORD_EXPOSURE, 12, "copy pg_temp.stage_exposure from stdin (format binary)", put_exposure},
    {RECORD_OUTCOME, 8, "copy pg_temp.stage_outcome from stdin (format binary)", put_outcome},
    {RECORD_DECISION, 17, "copy pg_temp.stage_decision from stdin (format binary)", put_decision},
    {RECORD_DEAD_LETTER, 9, "copy pg_temp.stage_dead_letter from stdin (format binary)", put_dead_letter},
};

static int send_kind(struct ship_rows *r, const struct ship_target *t, const struct ship_batch *b, size_t n,
                     const struct kind *k, struct pg_error *e)
{
    size_t rows = ship_order(&r->order, b, n, k->kind);
    if (rows == 0)
        return ERR_OK;
    copy_begin(&r->copy, k->columns);
    for (size_t i = 0; i < rows; i++) {
        copy_row(&r->copy);
        k->put(&r->copy, r->order.sorted[i].record);
    }
    int code = copy_end(&r->copy, &e->error);
    return code == ERR_OK ? copy_send(t->pg, k->sql, &r->copy, t->wait_ms, e) : code;
}

static int send_rows(struct ship_rows *r, const struct ship_target *t, const struct ship_batch *b, size_t n,
                     struct pg_error *e)
{
    if (ship_order_reserve(&r->order, n) != ERR_OK)
        return error_set(&e->error, ERR_NOMEM, NULL, "out of memory for a batch of %zu records", n);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        int code = send_kind(r, t, b, n, &kinds[i], e);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

static int64_t number_at(const PGresult *res, int column)
{
    return strtoll(PQgetvalue(res, 0, column), NULL, 10);
}

static void take_answer(const PGresult *res, struct ship_result *out)
{
    *out = (struct ship_result){.batch_id = number_at(res, 0),
                                .stored = (int)number_at(res, 1),
                                .duplicates = (int)number_at(res, 2),
                                .dead = (int)number_at(res, 3),
                                .total_accepted = number_at(res, 4),
                                .total_stored = number_at(res, 5),
                                .total_duplicates = number_at(res, 6),
                                .total_dead = number_at(res, 7),
                                .total_conflicts = number_at(res, 8)};
}

static int ingest(const struct ship_target *t, const struct ship_batch *b, struct ship_result *out,
                  struct pg_error *e)
{
    char first[24], last[24], accepted[24];
    snprintf(first, sizeof first, "%" PRIu64, b->first);
    snprintf(last, sizeof last, "%" PRIu64, b->last);
    snprintf(accepted, sizeof accepted, "%" PRIu64, b->accepted);
    const char *const params[] = {t->spool, t->node, first, last, accepted};
    PGresult *res;
    int code = pg_ask_within(t->pg,
                             "select batch_id, stored, duplicates, dead, total_accepted, total_stored,"
                             " total_duplicates, total_dead, total_conflicts"
                             " from cohort.ingest($1::uuid, $2, $3::bigint, $4::bigint, $5::bigint)",
                             5, params, t->wait_ms, &res, e);
    if (code != ERR_OK)
        return code;
    if (PQntuples(res) == 1)
        take_answer(res, out);
    else
        code = error_set(&e->error, ERR_IO, NULL, "cohort.ingest() answered %d rows instead of one",
                         PQntuples(res));
    PQclear(res);
    return code;
}

/* COMMIT in a failed transaction succeeds as a ROLLBACK; its tag says which. */
static int commit_for_real(const struct ship_target *t, struct pg_error *e)
{
    PGresult *res;
    int code = pg_ask_within(t->pg, "commit", 0, NULL, t->wait_ms, &res, e);
    if (code == ERR_OK && strcmp(PQcmdStatus(res), "COMMIT") != 0)
        code = error_set(&e->error, ERR_IO, NULL, "COMMIT was answered by %s", PQcmdStatus(res));
    PQclear(res); /* NULL when it failed */
    return code;
}

int ship_rows_send(struct ship_rows *r, const struct ship_target *t, const struct ship_batch *b, size_t n,
                   bool commit, struct ship_result *out, struct pg_error *e)
{
    memset(e, 0, sizeof *e);
    int code = pg_ask_within(t->pg, "begin", 0, NULL, t->wait_ms, NULL, e);
    if (code == ERR_OK)
        code = send_rows(r, t, b, n, e);
    if (code == ERR_OK)
        code = ingest(t, b, out, e);
    if (code == ERR_OK && commit)
        return commit_for_real(t, e);
    struct pg_error ignored;
    if (pg_alive(t->pg) && pg_ask_within(t->pg, "rollback", 0, NULL, t->wait_ms, NULL, &ignored) != ERR_OK &&
        code == ERR_OK) {
        *e = ignored;
        code = e->error.code;
    }
    return code;
}
