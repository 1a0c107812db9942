#include "web/freshness.h"

#include "base/clock.h"

static int64_t since(int64_t moment_us)
{
    if (moment_us == 0)
        return INT64_MAX;
    int64_t us = clock_monotonic_us() - moment_us;
    return us > 0 ? us : 0; /* another thread's clock reading may be newer than ours */
}

int64_t freshness_plan_us(const struct counters *c)
{
    return since(counter_get(c, plan_confirmed_us));
}

int64_t freshness_blind_us(const struct counters *c)
{
    return since(counter_get(c, monitor_heard_us));
}
