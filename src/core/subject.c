/* Who asks: units, and the draws of theirs that several experiments share. */
#include <string.h>

#include "core/decide_private.h"

void subject_init(struct subject *s, const char *targeting_key, size_t len, const struct attr *attributes)
{
    s->targeting_key = targeting_key;
    s->targeting_key_len = len;
    s->attributes = attributes;
    s->trace = NULL;
    s->n_units = 0;
    s->n_layers = 0;
    s->n_holdouts = 0;
}

static bool subject_raw_id(const struct subject *s, const char *type, const char **raw, size_t *len)
{
    if (strcmp(type, "user") == 0) {
        *raw = s->targeting_key;
        *len = s->targeting_key_len;
        return *raw != NULL;
    }
    const struct attr *id = attr_get(s->attributes, type, strlen(type));
    if (!id || id->type != ATTR_STRING)
        return false;
    *raw = id->u.string.s;
    *len = id->u.string.len;
    return true;
}

bool subject_unit(const struct plan *p, struct subject *s, const char *type, struct unit *out)
{
    for (size_t i = 0; i < s->n_units; i++)
        if (s->units[i].type == type || strcmp(s->units[i].type, type) == 0) {
            *out = s->units[i].unit;
            return s->units[i].present;
        }
    const char *raw = NULL;
    size_t len = 0;
    bool present = subject_raw_id(s, type, &raw, &len) && unit_raw_check(raw, len, NULL) == 0;
    if (present)
        unit_from_raw(plan_unit_key(p), type, strlen(type), raw, len, out);
    else
        memset(out, 0, sizeof *out);
    if (s->n_units < SUBJECT_UNITS) {
        s->units[s->n_units].type = type;
        s->units[s->n_units].unit = *out;
        s->units[s->n_units].present = present;
        s->n_units++;
    }
    return present;
}

uint32_t subject_layer_slot(struct subject *s, const struct plan_layer *l, const struct unit *u)
{
    struct draw d;
    for (size_t i = 0; i < s->n_layers; i++)
        if (s->layers[i].layer == l && memcmp(&s->layers[i].unit, u, sizeof *u) == 0)
            return s->layers[i].slot;
    draw_unit(l->salt, u, &d);
    uint32_t slot = slot_of(d.w[DRAW_SELECT]);
    if (s->n_layers < SUBJECT_LAYERS) {
        s->layers[s->n_layers].layer = l;
        s->layers[s->n_layers].unit = *u;
        s->layers[s->n_layers].slot = slot;
        s->n_layers++;
    }
    return slot;
}

bool subject_holdout_slot(const struct plan *p, struct subject *s, const struct plan_experiment *h,
                          uint32_t *slot, struct unit *unit)
{
    struct draw d;
    for (size_t i = 0; i < s->n_holdouts; i++)
        if (s->holdouts[i].holdout == h) {
            *slot = s->holdouts[i].slot;
            *unit = s->holdouts[i].unit;
            return s->holdouts[i].present;
        }
    bool present = subject_unit(p, s, h->unit_type, unit);
    *slot = 0;
    if (present) {
        draw_unit(h->salt, unit, &d);
        *slot = slot_of(d.w[DRAW_SELECT]);
    }
    if (s->n_holdouts < SUBJECT_HOLDOUTS) {
        s->holdouts[s->n_holdouts].holdout = h;
        s->holdouts[s->n_holdouts].unit = *unit;
        s->holdouts[s->n_holdouts].slot = *slot;
        s->holdouts[s->n_holdouts].present = present;
        s->n_holdouts++;
    }
    return present;
}
