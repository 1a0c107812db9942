#include "codec/model_json.h"

#include "codec/plan_fields.h"

/* What was refused, or the lack of memory, as an error; 0: neither. */
static int refusal(const struct reader *r, struct error *e)
{
    if (r->no_memory)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    return r->refused ? error_set(e, ERR_INVALID, NULL, "%s", r->refused) : 0;
}

int features_from_json(struct arena *a, const json_t *obj, const struct features **out, struct error *e)
{
    struct reader r = {.scratch = arena_new()};
    size_t n;
    *out = NULL;
    if (!r.scratch)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    const struct feature_def *defs = read_features(&r, obj, &n);
    int rc = refusal(&r, e);
    if (rc == 0)
        rc = features_compile(a, defs, n, out, e);
    arena_free(r.scratch);
    return rc;
}

int model_from_json(struct arena *a, const json_t *v, const struct features *features,
                    const char *const *keys, size_t n_arms, const struct model **out, struct error *e)
{
    struct reader r = {.scratch = arena_new()};
    struct model_def def = {0};
    *out = NULL;
    if (!r.scratch)
        return error_set(e, ERR_NOMEM, NULL, "out of memory");
    read_model_def(&r, v, &def);
    int rc = refusal(&r, e);
    if (rc == 0)
        rc = model_compile(a, features, &def, keys, n_arms, out, e);
    arena_free(r.scratch);
    return rc;
}

json_t *model_json_copy(const json_t *v)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)v);
    if (json_object_size(copy) == json_object_size(v))
        return copy;
    json_decref(copy);
    return NULL;
}
