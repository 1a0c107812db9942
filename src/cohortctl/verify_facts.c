#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/json_text.h"
#include "cohortctl/verify.h"

static int damaged(const char *what, struct error *e)
{
    return error_set(e, ERR_DAMAGED, what, "is not what a stop's record has");
}

static int read_salt(const json_t *o, const char *member, uint8_t out[SALT_BYTES], struct error *e)
{
    const char *hex = json_text_of(o, member);
    size_t len = 0;
    if (sodium_hex2bin(out, SALT_BYTES, hex, strlen(hex), NULL, &len, NULL) != 0 || len != SALT_BYTES)
        return damaged(member, e);
    return 0;
}

static size_t add_ranges(const json_t *list, uint32_t owner, struct slot_range *out)
{
    size_t i, n = 0;
    const json_t *pair;
    json_array_foreach(list, i, pair)
    {
        out[n++] = (struct slot_range){(uint32_t)json_number_value(json_array_get(pair, 0)),
                                       (uint32_t)json_number_value(json_array_get(pair, 1)), owner};
    }
    return n;
}

static int read_slots(struct verify *v, const json_t *list, struct slots *out, struct error *e)
{
    struct slot_range *ranges = arena_alloc(v->arena, (json_array_size(list) + 1) * sizeof *ranges);
    if (!ranges)
        return error_set(e, ERR_NOMEM, "", "out of memory");
    return slots_build(v->arena, ranges, add_ranges(list, 0, ranges), out, e);
}

static int64_t *new_buckets(struct arena *arena)
{
    size_t size = (2 * BUCKET_LAST + 1) * sizeof(int64_t);
    int64_t *out = arena_alloc(arena, size);
    return out ? memset(out, 0, size) : NULL;
}

static int read_variants(struct verify *v, const json_t *list, struct verify_phase *p, struct error *e)
{
    size_t i, room = 1, n = 0;
    const json_t *w;
    json_array_foreach(list, i, w) room += json_array_size(json_object_get(w, "slots"));
    p->n = json_array_size(list);
    p->ids = arena_alloc(v->arena, (p->n + 1) * sizeof *p->ids);
    p->shares = arena_alloc(v->arena, (p->n + 1) * sizeof *p->shares);
    p->keys = arena_alloc(v->arena, (p->n + 1) * sizeof *p->keys);
    p->arms = arena_alloc(v->arena, (p->n + 1) * sizeof *p->arms);
    struct slot_range *ranges = arena_alloc(v->arena, room * sizeof *ranges);
    if (!p->ids || !p->shares || !p->keys || !p->arms || !ranges)
        return error_set(e, ERR_NOMEM, "", "out of memory");
    json_array_foreach(list, i, w)
    {
        p->ids[i] = (int64_t)json_number_value(json_object_get(w, "id"));
        p->shares[i] = (int64_t)json_number_value(json_object_get(w, "share_ppm"));
        p->keys[i] = json_text_of(w, "key");
        p->arms[i] = (struct verify_arm){0};
        if (v->by_values && !(p->arms[i].buckets = new_buckets(v->arena)))
            return error_set(e, ERR_NOMEM, "", "out of memory");
        n += add_ranges(json_object_get(w, "slots"), (uint32_t)i, ranges + n);
    }
    return slots_build(v->arena, ranges, n, &p->variants, e);
}

static int read_phases(struct verify *v, struct error *e)
{
    const json_t *list = json_object_get(v->doc, "phases"), *o;
    size_t i;
    int rc = 0;
    v->n_phases = json_array_size(list);
    v->phases = arena_alloc(v->arena, (v->n_phases + 1) * sizeof *v->phases);
    if (!v->phases)
        return error_set(e, ERR_NOMEM, "", "out of memory");
    json_array_foreach(list, i, o)
    {
        struct verify_phase *p = &v->phases[i];
        p->id = (int64_t)json_number_value(json_object_get(o, "id"));
        p->number = (int64_t)json_number_value(json_object_get(o, "number"));
        p->model = json_is_true(json_object_get(o, "model"));
        if ((rc = read_salt(o, "salt", p->salt, e)) != 0 ||
            (rc = read_slots(v, json_object_get(o, "traffic_slots"), &p->traffic, e)) != 0 ||
            (rc = read_variants(v, json_object_get(o, "variants"), p, e)) != 0)
            break;
    }
    return rc;
}

static int read_doc(struct verify *v, struct error *e)
{
    v->evidence = json_object_get(v->doc, "evidence");
    v->kind = json_text_of(v->doc, "judged");
    v->by_values = strncmp(json_text_of(v->evidence, "method"), "histogram tilt", 14) == 0;
    v->holdout = strcmp(json_text_of(v->doc, "kind"), "holdout") == 0;
    v->imported = strcmp(json_text_of(v->doc, "origin"), "imported") == 0;
    v->sticky = json_is_true(json_object_get(v->doc, "sticky"));
    v->has_layer = json_is_string(json_object_get(v->doc, "layer_salt")) &&
                   json_is_array(json_object_get(v->doc, "layer_slots"));
    int rc = json_is_object(v->evidence) ? read_salt(v->doc, "salt", v->salt, e) : damaged("evidence", e);
    if (rc == 0 && v->has_layer)
        rc = read_salt(v->doc, "layer_salt", v->layer_salt, e);
    if (rc == 0 && v->has_layer)
        rc = read_slots(v, json_object_get(v->doc, "layer_slots"), &v->layer, e);
    return rc == 0 ? read_phases(v, e) : rc;
}

int verify_load(struct verify *v, struct pg *p, const struct verify_id *id, struct error *e)
{
    const char *const params[] = {id->text, id->verdict ? "t" : "f"};
    struct pg_error why;
    PGresult *res = NULL;
    int rc = pg_exec(p, "select cohort.stop_facts($1, $2)", 2, params, &res, &why);
    if (rc < 0)
        return error_set(e, rc, why.error.place, "%s", why.error.text);
    if (PQntuples(res) == 0 || PQgetisnull(res, 0, 0))
        rc = error_set(e, ERR_NOT_FOUND, id->text,
                       id->verdict ? "there is no such verdict; select id, sentence from "
                                     "cohort.verdict_event lists them"
                                   : "there is no such stop; select id, sentence from cohort.stop_event "
                                     "lists them");
    /* Sums may have more digits than an integer holds. */
    else if (!(v->arena = arena_new()) ||
             !(v->doc = json_loads(PQgetvalue(res, 0, 0), JSON_DECODE_INT_AS_REAL, NULL)))
        rc = error_set(e, ERR_NOMEM, "", "out of memory");
    else
        rc = read_doc(v, e);
    PQclear(res);
    return rc;
}

void verify_fini(struct verify *v)
{
    json_decref(v->doc);
    arena_free(v->arena);
}
