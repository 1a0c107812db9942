/* The inside of a plan, for plan.c, the builder and decide.c alone. */
#ifndef COHORT_CORE_PLAN_PRIVATE_H
#define COHORT_CORE_PLAN_PRIVATE_H

#include <stdatomic.h>

#include "core/arena.h"
#include "core/condition.h"
#include "core/plan.h"
#include "core/plan_build.h"
#include "core/slots.h"

struct plan_variant {
    int32_t id;
    const char *key;
    const char *value_json; /* NULL: the code's default */
};

/* A variant as a phase offers it. */
struct arm {
    const struct plan_variant *variant;
    int32_t share_ppm;
};

struct plan_phase {
    int32_t id, number;
    uint8_t salt[SALT_BYTES];
    struct arm *arms;
    size_t n_arms;
    struct slots slots; /* owner: index into arms */
};

struct plan_experiment {
    int32_t id;
    const char *key;
    const char *unit_type;
    enum plan_status status;
    bool guard_stopped;
    bool exposes;
    bool quarantined; /* then nothing below is to be trusted */
    uint8_t salt[SALT_BYTES];
    const struct condition *condition;
    struct plan_variant *variants;
    const struct plan_variant **variants_by_key;
    const char **variant_keys; /* of variants_by_key, sorted */
    size_t n_variants;
    struct plan_phase *phases; /* by number */
    size_t n_phases;
    struct slots traffic; /* owner: index into phases */
};

struct plan_rule {
    enum plan_rule_kind kind;
    bool broken; /* the compiler refused it */
    const struct condition *condition;
    const char *experiment_key; /* RULE_EXPERIMENT */
    const struct plan_experiment *experiment;
    const char *value_json; /* RULE_FORCE, RULE_ROLLOUT */
    uint32_t share_ppm;     /* RULE_ROLLOUT */
    uint8_t salt[SALT_BYTES];
    const char *unit_type;
};

struct plan_flag {
    int32_t id;
    const char *key;
    enum plan_value_type type;
    const char *default_json; /* NULL: the code's default */
    bool archived;
    struct plan_rule *rules;
    size_t n_rules;
    const char **inputs;
    size_t n_inputs;
};

struct stored_key {
    uint8_t hash[32];
    struct plan_api_key key;
};

struct plan {
    atomic_uint refs;
    struct arena *arena; /* everything the plan points to */
    int64_t version, stop_version;
    const char *environment;
    struct unit_key unit_key;
    crypto_auth_hmacsha256_state hash_key;
    struct plan_flag **flags; /* by key */
    const char **flag_keys;   /* of flags, sorted */
    size_t n_flags;
    struct plan_experiment **experiments; /* by key */
    const char **experiment_keys;         /* of experiments, sorted */
    size_t n_experiments;
    const char **events; /* sorted */
    size_t n_events;
    struct stored_key *api_keys;
    size_t n_api_keys;
    const char **quarantine;
    size_t n_quarantine;
};

/* The experiment the definition says, in the arena. One that can't be compiled comes back quarantined with
 * the reason in *e; NULL: out of memory. */
struct plan_experiment *plan_experiment_compile(struct arena *a, const struct experiment_def *def,
                                                struct error *e);

/* Whether a JSON text (not null) has the type of a flag's values, and the type's name. */
bool plan_value_has_type(const char *json, enum plan_value_type type);
const char *plan_type_name(enum plan_value_type type);

#endif
