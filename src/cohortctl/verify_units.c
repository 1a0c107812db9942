#include <libpq-fe.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/json_text.h"
#include "cohortctl/verify.h"

enum column { UNIT, PHASE, VARIANT, DRAWN, COUNTED, EVENT, MATURED, VALUE, DENOMINATOR, ODDS };

static bool yes_at(const PGresult *r, enum column c)
{
    return *PQgetvalue(r, 0, (int)c) == 't';
}

static int64_t int_at(const PGresult *r, enum column c)
{
    return strtoll(PQgetvalue(r, 0, (int)c), NULL, 10);
}

static bool unit_of(const char *uuid, struct unit *out)
{
    size_t len = 0;
    return sodium_hex2bin(out->bytes, sizeof out->bytes, uuid, strlen(uuid), "-", &len, NULL) == 0 &&
           len == sizeof out->bytes;
}

/* Where the contract puts the unit: its phase, and the variant's id in *variant; NULL: nowhere. */
static const struct verify_phase *place(const struct verify *v, const struct unit *u, int64_t *variant)
{
    struct draw d;
    if (v->has_layer) {
        draw_unit(v->layer_salt, u, &d);
        if (slots_owner(&v->layer, slot_of(d.w[DRAW_SELECT])) == SLOTS_NOBODY)
            return NULL;
    }
    draw_unit(v->salt, u, &d);
    uint32_t traffic = slot_of(d.w[DRAW_SELECT]);
    for (size_t i = 0; i < v->n_phases; i++) {
        const struct verify_phase *p = &v->phases[i];
        if (slots_owner(&p->traffic, traffic) == SLOTS_NOBODY)
            continue;
        uint32_t slot = traffic;
        if (!v->holdout) {
            draw_unit(p->salt, u, &d);
            slot = slot_of(d.w[DRAW_VARIANT]);
        }
        uint32_t owner = slots_owner(&p->variants, slot);
        *variant = owner == SLOTS_NOBODY ? 0 : p->ids[owner];
        return p;
    }
    return NULL;
}

static void check_draw(struct verify *v, const char *uuid, int64_t phase, int64_t variant)
{
    struct unit u;
    int64_t drawn = 0;
    const struct verify_phase *p = unit_of(uuid, &u) ? place(v, &u, &drawn) : NULL;
    if (p && p->id == phase && drawn == variant) {
        v->redrawn++;
        return;
    }
    v->astray++;
    if (!v->first_astray[0])
        snprintf(v->first_astray, sizeof v->first_astray, "%s", uuid);
}

static struct verify_arm *arm_at(const struct verify *v, int64_t phase, int64_t variant)
{
    for (size_t i = 0; i < v->n_phases; i++)
        for (size_t k = 0; v->phases[i].id == phase && k < v->phases[i].n; k++)
            if (v->phases[i].ids[k] == variant)
                return &v->phases[i].arms[k];
    return NULL;
}

static void count(struct verify_arm *a, const PGresult *r)
{
    double millionths = strtod(PQgetvalue(r, 0, VALUE), NULL);
    long double y = millionths / 1e6L, d = strtold(PQgetvalue(r, 0, DENOMINATOR), NULL) / 1e6L;
    a->units++;
    a->events += yes_at(r, EVENT);
    a->amounts += millionths != 0;
    a->sum += y;
    a->sum_sq += y * y;
    a->sum_cu += y * y * y;
    a->den_sum += d;
    a->den_sum_sq += d * d;
    a->cross_sum += y * d;
    if (a->buckets)
        a->buckets[BUCKET_LAST + bucket_of(millionths)]++;
}

static const char *key_of(const struct verify *v, int64_t phase, int64_t variant)
{
    for (size_t i = 0; i < v->n_phases; i++)
        for (size_t k = 0; v->phases[i].id == phase && k < v->phases[i].n; k++)
            if (v->phases[i].ids[k] == variant)
                return v->phases[i].keys[k];
    return "";
}

static void count_odds(struct verify *v, const PGresult *r)
{
    int64_t step = int_at(r, ODDS);
    if (PQgetisnull(r, 0, ODDS) || step < -ODDS_LAST || step > ODDS_LAST)
        return;
    struct verify_odds *o = &v->odds[ODDS_LAST + step];
    if (strcmp(key_of(v, int_at(r, PHASE), int_at(r, VARIANT)), json_text_of(v->evidence, "control")) == 0) {
        o->control_units++;
        o->control_events += yes_at(r, EVENT);
    } else { /* SQL tells the odds of the treatment's units and of control's */
        o->treatment_units++;
        o->treatment_events += yes_at(r, EVENT);
    }
}

static void take(struct verify *v, const PGresult *r)
{
    int64_t phase = int_at(r, PHASE), variant = int_at(r, VARIANT);
    v->units++;
    if (yes_at(r, DRAWN) && !v->imported)
        check_draw(v, PQgetvalue(r, 0, UNIT), phase, variant);
    else
        v->undrawn++;
    struct verify_arm *a = arm_at(v, phase, variant);
    if (!a)
        return;
    a->exposed++;
    a->matured += yes_at(r, MATURED);
    if (yes_at(r, COUNTED)) {
        count(a, r);
        count_odds(v, r);
    }
}

/* Row by row: an experiment may have more units than memory holds. */
int verify_units(struct verify *v, struct pg *p, const struct verify_id *id, struct error *e)
{
    const char *const params[] = {id->text, id->verdict ? "t" : "f"};
    PGconn *conn = pg_conn(p);
    struct pg_error why;
    PGresult *r;
    int rc = 0;
    if (!PQsendQueryParams(conn,
                           "select unit_id, phase_id, variant_id, drawn, counted, event, matured, y, d, odds "
                           "from "
                           "cohort.stop_units($1, $2)",
                           2, NULL, params, NULL, NULL, 0) ||
        !PQsetSingleRowMode(conn))
        return error_set(e, ERR_UNAVAILABLE, "", "the database went away: %s", PQerrorMessage(conn));
    while ((r = PQgetResult(conn))) {
        if (PQresultStatus(r) == PGRES_SINGLE_TUPLE)
            take(v, r);
        else if (PQresultStatus(r) != PGRES_TUPLES_OK && rc == 0) {
            pg_error_from(&why, conn, r);
            rc = error_set(e, why.error.code, why.error.place, "%s", why.error.text);
        }
        PQclear(r);
    }
    return rc;
}
