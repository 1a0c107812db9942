/* The inside of a plan, for plan.c, the builder and decide.c alone. */
#ifndef COHORT_CORE_PLAN_PRIVATE_H
#define COHORT_CORE_PLAN_PRIVATE_H

#include <stdatomic.h>

#include "core/arena.h"
#include "core/condition.h"
#include "core/decide.h"
#include "core/model.h"
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
    bool timed;
    int64_t from_us;
    struct slots own, own_closed; /* timed: its traffic slots, and those of them that are closed; owner: 0 */
    const struct model *model;    /* timed: decides in place of the slots; NULL: none */
    /* Of a phase with a model: indexes of the experiment's variants it offers, by variant id. */
    uint16_t *eligible;
    size_t n_eligible;
};

/* From when on a time phase draws, unless a later entry does. */
struct moment {
    int64_t from_us;
    const struct plan_phase *phase;
};

struct plan_contextual {
    const struct features *features;
    const struct plan_variant *safe;
    uint32_t threshold_ppm;
    const struct model **models;
    size_t n_models;
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
    struct slots traffic; /* owner: index into phases; of those that are not timed */
    struct slots closed;  /* of the traffic; the same owners */
    uint32_t open_ppm;    /* traffic without closed */
    enum plan_assign assign;
    int64_t stick_us;
    struct moment *timeline; /* times strictly rising, and so do the phases' numbers */
    size_t n_timeline;
    const struct plan_contextual *contextual; /* KIND_CONTEXTUAL */
    const char *layer_key;                    /* NULL: in no layer */
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

/* What the draws say of a unit, statuses and targeting aside. From DRAWN_LOW_CONFIDENCE on the safe variant
 * is drawn, with certainty. */
enum drawn {
    DRAWN,
    DRAWN_NOT_IN_LAYER,
    DRAWN_NOT_IN_TRAFFIC,
    DRAWN_CLOSED,
    DRAWN_DROPPED,
    DRAWN_LOW_CONFIDENCE,
    DRAWN_OUT_OF_RANGE,
    DRAWN_ATTRIBUTE_MISSING
};

/* On what occasion is drawn; matters to bandits alone. */
struct occasion {
    int64_t now_us;
    const uint8_t *decision; /* 16 bytes; NULL: none is known, which counts as zeros */
    const struct attr *attributes;
    struct vector *vector; /* where a model's probabilities go; NULL: nowhere */
};

struct lot {
    const struct plan_phase *phase; /* from DRAWN_CLOSED on */
    const struct plan_variant *variant;
    int32_t propensity_ppm;
    int64_t epoch_us; /* when the unit's epoch began; PLAN_ALWAYS: it has none */
    /* Slots; -1: not drawn, because one owner has them all or an earlier step ended it. */
    int32_t layer_slot, traffic_slot, variant_slot;
};

/* The whole draw of a unit in an experiment that is not a holdout. layer_slot: the unit's slot of the
 * experiment's layer when it is known, else -1. full: draw also where one owner has every slot. */
enum drawn plan_draw(const struct plan_experiment *x, const struct unit *u, int32_t layer_slot, bool full,
                     const struct occasion *o, struct lot *out);

/* The draw of a unit on an occasion: SHA-256(salt, unit, decision). */
void draw_occasion(const uint8_t salt[SALT_BYTES], const struct unit *u, const uint8_t *decision,
                   struct draw *out);

/* --- time phases: plan_bandit.c --- */

/* The time phase in force at a time: the one of the highest number among those that have begun, or before
 * all of them the first. NULL: there is none. */
const struct plan_phase *plan_phase_at(const struct plan_experiment *x, int64_t at_us);

/* When the epoch of a unit that `now_us` lies in began: epochs are stick_us long, and w3 of its draw with the
 * experiment's salt says where they are cut. */
int64_t plan_epoch(const struct plan_experiment *x, uint32_t w3, int64_t now_us);

/* The time phase that draws for a unit's traffic slot now, or NULL when the slot is not theirs; *closed when
 * it is and falls back. */
const struct plan_phase *plan_time_phase(const struct plan_experiment *x, const struct draw *d,
                                         int64_t now_us, int64_t *epoch_us, bool *closed);

/* Slots of traffic that are open now, those of time phases too. */
uint32_t plan_open_ppm(const struct plan_experiment *x, int64_t now_us);

/* --- contextual: plan_contextual.c --- */

/* Lets the phase's model draw; the lot's phase is set. */
enum drawn plan_choose(const struct plan_experiment *x, const struct unit *u, const struct occasion *o,
                       struct lot *out);

/* Tells a trace what the phase's model says of these attributes: the probabilities of its variants, and the
 * features that moved the best one's score most. */
void plan_explain(const struct plan_experiment *x, const struct plan_phase *ph, const struct attr *attributes,
                  struct trace *t, uint8_t depth);

/* True when the unit's layer slot matters: in a layer, whose slots are not all the experiment's, and still
 * held. */
bool plan_in_layer(const struct plan_experiment *x);

/* True when the layer, if it matters, lets the unit in. *slot: its layer slot, or -1 when it is not known,
 * and then drawn if it matters. */
bool plan_layer_slot_owned(const struct plan_experiment *x, const struct unit *u, int32_t *slot);

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
    struct hmac hash_key, token_key, event_key, stream_key;
    bool handed_out;      /* there is no hash key: no API keys, no event and stream tokens */
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

/* Its parts: phases and traffic (plan_phase.c); time phases (plan_bandit.c); features and models
 * (plan_contextual.c); layer, times, shipping, overrides … (plan_model.c). */
int plan_compile_phases(struct arena *a, const struct experiment_def *def, struct plan_experiment *x,
                        struct error *e);
int plan_compile_bandit(struct arena *a, const struct experiment_def *def, struct plan_experiment *x,
                        struct error *e);
int plan_compile_contextual(struct arena *a, const struct experiment_def *def, struct plan_experiment *x,
                            struct error *e);
int plan_compile_model(struct arena *a, struct segments *segments, const struct experiment_def *def,
                       struct plan_experiment *x, struct error *e);

/* Whether a JSON text (not null) has the type of a flag's values, and the type's name. */
bool plan_value_has_type(const char *json, enum plan_value_type type);
const char *plan_type_name(enum plan_value_type type);

#endif
