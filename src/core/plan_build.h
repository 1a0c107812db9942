/* Building a plan from definitions already in memory. What can't be compiled is left out with a reason
 * (quarantine); the rest of the plan works. Errors stick: add everything, look at plan_builder_finish. */
#ifndef COHORT_CORE_PLAN_BUILD_H
#define COHORT_CORE_PLAN_BUILD_H

#include "core/arena.h"
#include "core/attr.h"
#include "core/error.h"
#include "core/features.h"
#include "core/model.h"
#include "core/plan.h"
#include "core/slots.h"

#define PLAN_KEY_MAX 100         /* bytes of a flag's, experiment's or variant's key */
#define PLAN_QUARANTINE_MAX 1000 /* reasons kept; more are counted in the last one */

#define PLAN_HOLDOUTS_MAX 8 /* holdouts asked on behalf of one experiment */

enum plan_kind { KIND_AB, KIND_HOLDOUT, KIND_BANDIT, KIND_CONTEXTUAL };
/* What a time phase randomises: each unit (once an epoch), or each decision. */
enum plan_assign { ASSIGN_UNIT, ASSIGN_DECISION };
enum plan_status {
    STATUS_DRAFT,
    STATUS_RUNNING,
    STATUS_STOPPED,
    STATUS_ARCHIVED,
    STATUS_SCHEDULED,
    STATUS_PAUSED,
    STATUS_SHIPPED
};
/* What members of a holdout's arm get, in rising order. */
enum plan_gives { GIVES_NOTHING, GIVES_RULES, GIVES_SHIPPED, GIVES_EVERYTHING };
enum plan_value_type { VALUE_BOOLEAN, VALUE_STRING, VALUE_NUMBER, VALUE_OBJECT };
enum plan_rule_kind { RULE_FORCE, RULE_ROLLOUT, RULE_EXPERIMENT };

/* Texts are NUL-terminated, copied, and need not outlive the call; so do arrays. Conditions are the
 * exception: they must live in plan_builder_arena (NULL: everyone). Values are JSON texts; NULL or "null":
 * the code's default. A `refused` that is not NULL says why the definition could not be read: it is
 * quarantined with that reason and only its id, key and status (if they are right) are used. */
struct variant_def {
    int32_t id;
    const char *key;
    const char *value_json;
    bool control;          /* a holdback keeps it; none marked: the one called "control" */
    bool dropped;          /* its slots fall back */
    enum plan_gives gives; /* KIND_HOLDOUT */
};

struct phase_variant_def {
    const char *variant; /* key */
    int32_t share_ppm;
    const struct slot_range *slots; /* owners are not read; together share_ppm slots, or none at all */
    size_t n_slots;
};

/* A time phase (of a bandit) begins at from_us and owns its traffic slots together with the other time
 * phases: the time says which of them draws. */
struct phase_def {
    int32_t id, number;
    bool timed;
    int64_t from_us;  /* timed */
    int32_t model_id; /* timed, KIND_CONTEXTUAL: the model that decides; 0: the shares below do */
    uint8_t salt[SALT_BYTES];
    const struct slot_range *traffic;
    size_t n_traffic;
    const struct slot_range *closed; /* of its traffic: fall back for now */
    size_t n_closed;
    const struct phase_variant_def *variants;
    size_t n_variants;
};

struct prerequisite_def {
    const char *experiment;      /* key */
    const char *const *variants; /* keys; the subject must be in one of them */
    size_t n_variants;
};

struct override_def {
    bool has_unit;
    struct unit unit;
    const char *segment; /* key, when there is no unit */
    const char *variant; /* key */
    int64_t expires_us;  /* PLAN_NEVER: never */
};

struct ship_def {
    const char *variant; /* key */
    int32_t holdback_ppm;
    uint8_t salt[SALT_BYTES];
};

struct bandit_def {
    enum plan_assign assign; /* KIND_CONTEXTUAL: always ASSIGN_DECISION */
    int64_t stick_us;        /* ASSIGN_UNIT: the length of a unit's epochs; 0: none, it follows each phase */
};

struct contextual_def {
    const struct feature_def *features;
    size_t n_features;
    const char *safe; /* the variant served where the model can't tell; key */
    int32_t threshold_ppm;
    const struct model_def *models;
    size_t n_models;
};

#define PLAN_ALWAYS INT64_MIN /* no beginning */
#define PLAN_NEVER INT64_MAX  /* no end */

/* A holdout (KIND_HOLDOUT) has one phase; its arms are drawn by w0 of its own salt in that phase's slots.
 * KIND_BANDIT and KIND_CONTEXTUAL have time phases beside the reserved slice, which is a phase of traffic. */
struct experiment_def {
    enum plan_kind kind;
    int32_t id;
    const char *key;
    enum plan_status status;
    bool guard_stopped;
    int64_t guard_max_blind_us; /* served without a monitor for at most this long; 0: off */
    bool on_evaluation;
    const char *unit_type;
    uint8_t salt[SALT_BYTES];
    const struct attr *condition;
    const struct variant_def *variants;
    size_t n_variants;
    const struct phase_def *phases;
    size_t n_phases;
    const struct bandit_def *bandit;         /* KIND_BANDIT, KIND_CONTEXTUAL */
    const struct contextual_def *contextual; /* KIND_CONTEXTUAL */
    const char *layer;                       /* key; NULL: none */
    const struct slot_range *layer_slots;
    size_t n_layer_slots;
    bool has_window;
    int64_t starts_us,
        ends_us; /* read when has_window: decided from starts (inclusive) to ends (exclusive) */
    bool sticky;
    const struct ship_def *shipped; /* STATUS_SHIPPED */
    const struct prerequisite_def *prerequisites;
    size_t n_prerequisites;
    const struct override_def *overrides;
    size_t n_overrides;
    const int32_t *holdouts; /* ids, in the order asked */
    size_t n_holdouts;
    const char *const *segments; /* at most PLAN_SEGMENTS_MAX; one that names a unit type is left out */
    size_t n_segments;
    const char *refused;
};

/* A list (copied) or a condition, which must live in plan_builder_arena. */
struct segment_def {
    const char *key;
    const struct attr *list; /* an array; NULL: a condition */
    const struct attr *condition;
    const char *refused;
};

struct rule_def {
    enum plan_rule_kind kind;
    const struct attr *condition;
    const char *experiment; /* key, RULE_EXPERIMENT */
    const char *value_json; /* RULE_FORCE, RULE_ROLLOUT */
    int32_t share_ppm;      /* RULE_ROLLOUT: slots [0, share_ppm) of draw w0 */
    uint8_t salt[SALT_BYTES];
    const char *unit_type; /* RULE_ROLLOUT; NULL: "user" */
    const char *refused;
};

struct flag_def {
    int32_t id;
    const char *key;
    enum plan_value_type type;
    const char *default_json;
    bool archived;
    const struct rule_def *rules;
    size_t n_rules;
};

struct plan_header {
    const char *environment;
    int64_t version, stop_version;
    uint8_t unit_key[32], hash_key[32];
    /* A plan that was handed to a client has the key of sticky tokens and no hash key: it knows no API keys
     * and neither makes nor reads event tokens. */
    bool handed_out;
    uint8_t token_key[32]; /* of one that was handed out */
};

struct plan_builder;

struct plan_builder *plan_builder_new(const struct plan_header *h); /* NULL when out of memory */
void plan_builder_free(struct plan_builder *b);                     /* NULL is fine */
struct arena *plan_builder_arena(struct plan_builder *b);

void plan_builder_api_key(struct plan_builder *b, const struct plan_api_key *key, const uint8_t hash[32]);
void plan_builder_event(struct plan_builder *b, const char *name);
/* Once an event. */
void plan_builder_event_attributes(struct plan_builder *b, const char *event, const char *const *names,
                                   size_t n);
/* Experiments may be added before their layer. Of two with one key one is used. */
void plan_builder_layer(struct plan_builder *b, const char *key, const uint8_t salt[SALT_BYTES]);
/* Before the experiments and flags whose conditions name them. One that can't be read is left out, and with
 * it what names it. */
void plan_builder_segment(struct plan_builder *b, const struct segment_def *def);
void plan_builder_experiment(struct plan_builder *b, const struct experiment_def *def);
/* A force or rollout rule that can't be compiled ends the flag's evaluation where it stands: what it was
 * there to keep from the rules behind it must not reach them. */
void plan_builder_flag(struct plan_builder *b, const struct flag_def *def);
/* The text that plan_document gives; copied. */
void plan_builder_document(struct plan_builder *b, const char *text, size_t len);
/* Adds "what: text" to the plan's quarantine. */
void plan_builder_refuse(struct plan_builder *b, const char *what, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* One reference is the caller's. ERR_NOMEM is the only failure. The builder is empty after it: free it. */
int plan_builder_finish(struct plan_builder *b, struct plan **out, struct error *e);

/* True for [a-z0-9][a-z0-9_.-]{0,99}: keys of flags, experiments and variants. */
bool plan_key_valid(const char *key);

#endif
