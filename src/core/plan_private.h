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
    bool dropped;
    enum plan_gives gives; /* of a holdout's arm */
};

struct plan_layer {
    const char *key;
    uint8_t salt[SALT_BYTES];
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

struct plan_prerequisite {
    const char *key;
    const struct plan_experiment *experiment;
    const char **variant_keys; /* until they are linked */
    const struct plan_variant **variants;
    size_t n_variants;
};

struct unit_override {
    struct unit unit;
    const struct plan_variant *variant;
    int64_t expires_us;
};

struct segment_override {
    const struct condition *condition;
    const struct plan_variant *variant;
    int64_t expires_us;
};

struct plan_experiment {
    int32_t id;
    enum plan_kind kind;
    const char *key;
    const char *unit_type;
    enum plan_status status;
    bool guard_stopped;
    int64_t guard_max_blind_us; /* PLAN_NEVER: off */
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
    struct slots traffic;  /* owner: index into phases */
    struct slots closed;   /* of the traffic; the same owners */
    uint32_t open_ppm;     /* traffic without closed */
    const char *layer_key; /* NULL: in no layer */
    const struct plan_layer *layer;
    struct slots layer_slots; /* owner: 0 */
    int64_t starts_us, ends_us;
    bool sticky;
    const struct plan_variant *shipped, *control; /* NULL: none */
    uint32_t holdback_ppm;
    uint8_t ship_salt[SALT_BYTES];
    struct plan_prerequisite *prerequisites;
    size_t n_prerequisites;
    struct unit_override *unit_overrides; /* by unit */
    size_t n_unit_overrides;
    struct segment_override *segment_overrides;
    size_t n_segment_overrides;
    int32_t holdout_ids[PLAN_HOLDOUTS_MAX];
    const struct plan_experiment *holdouts[PLAN_HOLDOUTS_MAX];
    size_t n_holdouts;
    const char **segments;
    size_t n_segments;
    uint32_t in_ppm[GIVES_EVERYTHING + 1]; /* of a holdout: shares of arms that give at least this */
    const struct plan_flag *flag;          /* the first that asks it and is not archived, or NULL */
};

/* What the draws say of a unit, statuses and targeting aside. */
enum drawn { DRAWN, DRAWN_NOT_IN_LAYER, DRAWN_NOT_IN_TRAFFIC, DRAWN_CLOSED, DRAWN_DROPPED };

struct lot {
    const struct plan_phase *phase; /* from DRAWN_CLOSED on */
    const struct arm *arm;
    /* Slots; -1: not drawn, because one owner has them all or an earlier step ended it. */
    int32_t layer_slot, traffic_slot, variant_slot;
};

/* The whole draw of a unit in an experiment that is not a holdout. layer_slot: the unit's slot of the
 * experiment's layer when it is known, else -1. full: draw also where one owner has every slot. */
enum drawn plan_draw(const struct plan_experiment *x, const struct unit *u, int32_t layer_slot, bool full,
                     struct lot *out);

/* The share of units enrolled: holdouts x layer x traffic. Not of a holdout. */
int32_t plan_inclusion(const struct plan_experiment *x);

/* True when the unit's layer slot matters: in a layer, whose slots are not all the experiment's, and still
 * held. */
bool plan_in_layer(const struct plan_experiment *x);

/* The arm of a holdout at a slot of w0 of its salt, or NULL. */
const struct arm *plan_holdout_arm(const struct plan_experiment *holdout, uint32_t slot);

/* ppm x share, rounded down. */
uint32_t ppm_times(uint32_t ppm, uint32_t share);

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
    bool holdouts_may_empty_it; /* some holdout asked for one of its experiments has an arm giving nothing */
};

struct stored_key {
    uint8_t hash[32];
    struct plan_api_key key;
};

struct event_attributes {
    const char *event;
    const char **names;
    size_t n;
};

#define PLAN_HASH_BYTES 16

struct plan {
    atomic_uint refs;
    struct arena *arena; /* everything the plan points to */
    int64_t version, stop_version;
    const char *environment;
    struct unit_key unit_key;
    crypto_auth_hmacsha256_state hash_key, token_key, event_key;
    bool handed_out;      /* there is no hash key: no API keys, no event tokens */
    const char *document; /* what clients may be given of it, or NULL */
    size_t document_len;
    uint8_t document_hash[PLAN_HASH_BYTES];
    const char *unit_types[PLAN_UNIT_TYPES_MAX]; /* "user" first */
    size_t n_unit_types;
    struct plan_flag **flags; /* by key */
    const char **flag_keys;   /* of flags, sorted */
    size_t n_flags;
    struct plan_experiment **experiments; /* by key */
    const char **experiment_keys;         /* of experiments, sorted */
    size_t n_experiments;
    struct plan_layer **layers; /* by key */
    size_t n_layers;
    const char **events; /* sorted */
    size_t n_events;
    struct event_attributes **event_attributes; /* by event */
    size_t n_event_attributes;
    struct stored_key *api_keys;
    size_t n_api_keys;
    const char **quarantine;
    size_t n_quarantine;
};

/* The experiment the definition says, in the arena. One that can't be compiled comes back quarantined with
 * the reason in *e; NULL: out of memory. */
struct plan_experiment *plan_experiment_compile(struct arena *a, struct segments *segments,
                                                const struct experiment_def *def, struct error *e);

/* Its parts: phases and traffic (plan_phase.c); layer, times, shipping, overrides … (plan_model.c). */
int plan_compile_phases(struct arena *a, const struct experiment_def *def, struct plan_experiment *x,
                        struct error *e);
int plan_compile_model(struct arena *a, struct segments *segments, const struct experiment_def *def,
                       struct plan_experiment *x, struct error *e);

/* Whether a JSON text (not null) has the type of a flag's values, and the type's name. */
bool plan_value_has_type(const char *json, enum plan_value_type type);
const char *plan_type_name(enum plan_value_type type);

#endif
