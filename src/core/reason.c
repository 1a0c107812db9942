/* The words of reasons. */
#include "core/decide.h"

const char *decide_reason_name(enum reason r)
{
    static const char *const names[REASON_COUNT] = {
        [REASON_DEFAULT] = "DEFAULT",
        [REASON_FORCED] = "FORCED",
        [REASON_ROLLOUT] = "ROLLOUT",
        [REASON_VARIANT] = "VARIANT",
        [REASON_ARCHIVED] = "ARCHIVED",
        [REASON_NOT_STARTED] = "NOT_STARTED",
        [REASON_STOPPED] = "STOPPED",
        [REASON_GUARD_STOP] = "GUARD_STOP",
        [REASON_TARGETING] = "TARGETING",
        [REASON_NOT_IN_TRAFFIC] = "NOT_IN_TRAFFIC",
        [REASON_UNIT_MISSING] = "UNIT_MISSING",
        [REASON_QUARANTINED] = "QUARANTINED",
        [REASON_SCHEDULED] = "SCHEDULED",
        [REASON_PAUSED] = "PAUSED",
        [REASON_ENDED] = "ENDED",
        [REASON_OVERRIDE] = "OVERRIDE",
        [REASON_HOLDOUT] = "HOLDOUT",
        [REASON_PREREQUISITE] = "PREREQUISITE",
        [REASON_NOT_IN_LAYER] = "NOT_IN_LAYER",
        [REASON_ARM_DROPPED] = "ARM_DROPPED",
        [REASON_SHIPPED] = "SHIPPED",
        [REASON_HOLDBACK] = "HOLDBACK",
        [REASON_STICKY] = "STICKY",
        [REASON_GUARD_BLIND] = "GUARD_BLIND",
        [REASON_LOW_CONFIDENCE] = "LOW_CONFIDENCE",
        [REASON_OUT_OF_RANGE] = "OUT_OF_RANGE",
        [REASON_ATTRIBUTE_MISSING] = "ATTRIBUTE_MISSING",
    };
    return (unsigned)r < REASON_COUNT ? names[r] : "UNKNOWN";
}

const char *decide_reason_ofrep(enum reason r)
{
    switch (r) {
    case REASON_FORCED:
    case REASON_OVERRIDE:
        return "TARGETING_MATCH";
    case REASON_ROLLOUT:
    case REASON_VARIANT:
    case REASON_STICKY:
    case REASON_SHIPPED:
    case REASON_HOLDBACK:
        return "SPLIT";
    case REASON_ARCHIVED:
    case REASON_NOT_STARTED:
    case REASON_STOPPED:
    case REASON_GUARD_STOP:
    case REASON_QUARANTINED:
    case REASON_SCHEDULED:
    case REASON_PAUSED:
    case REASON_ENDED:
    case REASON_GUARD_BLIND:
        return "DISABLED";
    case REASON_DEFAULT:
    case REASON_TARGETING:
    case REASON_NOT_IN_TRAFFIC:
    case REASON_UNIT_MISSING:
    case REASON_HOLDOUT:
    case REASON_PREREQUISITE:
    case REASON_NOT_IN_LAYER:
    case REASON_ARM_DROPPED:
    case REASON_LOW_CONFIDENCE:
    case REASON_OUT_OF_RANGE:
    case REASON_ATTRIBUTE_MISSING:
        return "DEFAULT";
    case REASON_COUNT:
        break;
    }
    return "UNKNOWN";
}
