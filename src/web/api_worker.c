#include "web/api_worker.h"

#include <stdlib.h>
#include <string.h>

#include "web/decision_memory.h"
#include "web/records.h"
#include "web/refetch.h"
#include "web/streams.h"

int api_worker_set_options(struct api_worker *w, const struct api_options *o)
{
    char *origins = strdup(o->cors_origins ? o->cors_origins : "");
    if (!origins)
        return ERR_NOMEM;
    bool sync = w->options.sync_records;
    free((char *)w->options.cors_origins);
    w->options = *o;
    w->options.cors_origins = origins;
    w->options.sync_records = sync; /* records.h holds to it from the start */
    return ERR_OK;
}

int api_worker_new(struct api_worker **out, struct event_base *base, const struct api_services *s,
                   const struct api_options *o, struct error *e)
{
    struct api_worker *w = calloc(1, sizeof *w);
    if (w) {
        w->base = base;
        w->services = *s;
        w->options.sync_records = o->sync_records;
        w->arena = arena_new();
        w->decisions = decision_memory_new();
        w->records = records_new(base, &w->services, o->sync_records);
        w->streams = streams_new(base, w->services.counters);
        w->refetches = refetches_new(base, w);
    }
    if (!w || !w->arena || !w->decisions || !w->records || !w->streams || !w->refetches ||
        api_worker_set_options(w, o) != ERR_OK) {
        api_worker_free(w);
        return error_set(e, ERR_NOMEM, "worker", "Out of memory.");
    }
    *out = w;
    return ERR_OK;
}

void api_worker_free(struct api_worker *w)
{
    if (!w)
        return;
    refetches_free(w->refetches);
    streams_free(w->streams);
    records_free(w->records);
    decision_memory_free(w->decisions);
    arena_free(w->arena);
    free((char *)w->options.cors_origins);
    buffer_free(&w->out);
    auth_forget(&w->keys);
    plan_set_unref(w->plans);
    free(w);
}

void api_worker_set_plans(struct api_worker *w, struct plan_set *plans)
{
    const struct plan_set *old = w->plans;
    auth_forget(&w->keys);
    decision_memory_forget(w->decisions);
    w->plans = plans;
    streams_set_plans(w->streams, plans);
    plan_set_unref(old);
    refetches_run(w->refetches);
}

void api_worker_drain(struct api_worker *w)
{
    streams_drain(w->streams);
}

void api_worker_flush(struct api_worker *w)
{
    records_flush(w->records);
}
