#include "cohortd/source.h"

static void source_id(void *arg, uint8_t out[16])
{
    struct source *s = arg;
    spool_id(s->spool, out);
}

static int source_read(void *arg, uint64_t after, size_t max_bytes, unsigned wait_ms, uint64_t *first,
                       uint64_t *last, uint8_t **bytes, size_t *len, struct error *e)
{
    struct source *s = arg;
    struct spool_groups g;
    int code = spool_read(s->spool, after, max_bytes, wait_ms, &g, e);
    if (code != ERR_OK)
        return code;
    *first = g.first;
    *last = g.last;
    *bytes = g.bytes; /* released by source_release */
    *len = g.len;
    return ERR_OK;
}

static void source_release(void *arg, uint8_t *bytes)
{
    (void)arg;
    struct spool_groups g = {.bytes = bytes};
    spool_groups_free(&g);
}

static int source_forget(void *arg, uint64_t last, struct error *e)
{
    struct source *s = arg;
    return spool_delete(s->spool, last, s->grace_ms, e);
}

struct group_source source_for_shipper(struct source *s)
{
    return (struct group_source){s, source_id, source_read, source_release, source_forget};
}
