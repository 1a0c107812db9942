#include "core/plan_stops.h"

#include <string.h>

#include "core/plan_private.h"

bool plan_stop(struct plan *p, const uint8_t *salt)
{
    bool news = false;
    for (size_t i = 0; i < p->n_experiments; i++) {
        struct plan_experiment *x = p->experiments[i];
        if (x->guard_stopped || memcmp(x->salt, salt, SALT_BYTES) != 0)
            continue;
        x->guard_stopped = true;
        news = true;
    }
    return news;
}

bool plan_set_stop(struct plan_set *s, const char *environment, const uint8_t *salt)
{
    const struct plan *p = plan_set_find(s, environment, strlen(environment));
    return p && plan_stop((struct plan *)p, salt);
}

const uint8_t *plan_next_stop(const struct plan *p, size_t *at)
{
    while (*at < p->n_experiments) {
        const struct plan_experiment *x = p->experiments[(*at)++];
        if (x->guard_stopped)
            return x->salt;
    }
    return NULL;
}
