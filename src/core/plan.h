/* The plan: every definition of an environment compiled for deciding. Immutable once built; shared by
 * reference counting; any thread may read it. Built by codec/plan_json.h through core/plan_build.h. */
#ifndef COHORT_CORE_PLAN_H
#define COHORT_CORE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/unit.h"

struct plan;
struct plan_flag;
struct plan_experiment;
struct plan_variant;
struct plan_phase;
struct plan_layer;

enum api_role { ROLE_NONE = 0, ROLE_ADMIN, ROLE_PRODUCT, ROLE_ANALYST, ROLE_EVENTS, ROLE_CLIENT };

struct plan_api_key {
    int32_t id;
    enum api_role role;
    bool low;            /* its events give way first when the queue fills */
    unsigned rate_limit; /* requests a second; 0: what the server allows each key */
    const char *team;    /* the plan's; NULL: none */
};

struct plan *plan_ref(const struct plan *p); /* atomic */
void plan_unref(const struct plan *p);       /* atomic; the last one frees; NULL is fine */

/* config_version of the database, and the id of the last stop it knows (0: none). Both only grow. */
int64_t plan_version(const struct plan *p);
int64_t plan_stop_version(const struct plan *p);

/* "production" */
const char *plan_environment(const struct plan *p);
const struct unit_key *plan_unit_key(const struct plan *p);

/* Unit types that its definitions randomise, "user" first. */
#define PLAN_UNIT_TYPES_MAX 8
size_t plan_unit_types(const struct plan *p, const char *const **types);

/* The members of the document that clients decide by themselves with: a JSON object of the definitions and
 * the unit key, without API keys and the hash key. NULL unless the plan was compiled to be handed out. Stops
 * learned since are not in it (plan_stops.h). */
const char *plan_document(const struct plan *p, size_t *len);
/* A hash of that document and of what is stopped. */
void plan_document_tag(const struct plan *p, uint8_t out[16]);

/* Flags in key order. */
size_t plan_flag_count(const struct plan *p);
const struct plan_flag *plan_flag_at(const struct plan *p, size_t i);
const struct plan_flag *plan_flag_find(const struct plan *p, const char *key, size_t len); /* or NULL */
const char *plan_flag_key(const struct plan_flag *f);
int32_t plan_flag_id(const struct plan_flag *f);
bool plan_flag_archived(const struct plan_flag *f); /* decided all the same: its default, reason ARCHIVED */

/* True when one of its experiments is a bandit: then a decision needs an id of its own. */
bool plan_flag_has_bandit(const struct plan_flag *f);

/* The experiment by key, or NULL. */
const struct plan_experiment *plan_experiment_find(const struct plan *p, const char *key, size_t len);
int32_t plan_experiment_id(const struct plan_experiment *x);
const char *plan_experiment_key(const struct plan_experiment *x);
const char *plan_experiment_unit_type(const struct plan_experiment *x);
/* True when a single evaluation counts as an exposure (exposure = on_evaluation). */
bool plan_experiment_exposes(const struct plan_experiment *x);
bool plan_experiment_is_holdout(const struct plan_experiment *x); /* no flag asks it; others are asked */
bool plan_experiment_sticky(const struct plan_experiment *x);

/* The variant by key, or NULL; an experiment that was refused has none. */
const struct plan_variant *plan_variant_find(const struct plan_experiment *x, const char *key, size_t len);
int32_t plan_variant_id(const struct plan_variant *v);
const char *plan_variant_key(const struct plan_variant *v);

int32_t plan_phase_id(const struct plan_phase *ph);
int32_t plan_phase_number(const struct plan_phase *ph); /* 1, 2, … within its experiment */

/* What the contract alone says of a unit: the phase owning its traffic slot, the variant it draws there and
 * both probabilities. False when the layer's slot is not the experiment's (asked while it is running or
 * paused: it gives its slots back at the end) or no phase owns the traffic slot. It checks reports of what
 * was decided earlier, so it ignores status, targeting, holdouts' arms and dropped arms, and a slot that is
 * closed now counts: it was open when it was drawn. Of a holdout: the unit's arm. Of a bandit: of the slice
 * that is reserved alone; false for units that time phases draw. */
bool plan_expected(const struct plan_experiment *x, const struct unit *u, const struct plan_phase **phase,
                   const struct plan_variant **variant, int32_t *propensity_ppm, int32_t *inclusion_ppm);

/* holdouts x layer x traffic of a unit that takes part at a time; 1,000,000 for a holdout. */
int32_t plan_inclusion_ppm(const struct plan_experiment *x, int64_t at_us);

/* What somebody reports of an earlier decision, and what the contract says of it. A time phase is judged when
 * it is still in the plan: the report names it, since only the log knows which one drew. */
struct plan_report {
    int32_t phase;           /* number */
    const uint8_t *decision; /* 16 bytes, or NULL: none is named */
    int64_t ts_us;
};

struct plan_assignment {
    const struct plan_phase *phase; /* NULL: a token's, and no longer in the plan */
    int32_t phase_id;
    const struct plan_variant *variant;
    int32_t propensity_ppm, inclusion_ppm;
};

enum plan_report_check {
    REPORT_DRAWN,          /* this is what the unit drew: compare it */
    REPORT_NOT_IN_TRAFFIC, /* it takes no part */
    REPORT_UNKNOWN_PHASE,  /* no time phase of that number is in the plan any more, or ever was */
    REPORT_NEEDS_DECISION, /* each decision is drawn, and the report names none */
    REPORT_NEEDS_TOKEN     /* drawn from a model's probabilities, which depend on what was known then */
};

/* plan_expected, for all kinds. *out is set when REPORT_DRAWN. */
enum plan_report_check plan_reported(const struct plan_experiment *x, const struct unit *u,
                                     const struct plan_report *r, struct plan_assignment *out);

/* A variant or phase by its id, or NULL. */
const struct plan_variant *plan_variant_by_id(const struct plan_experiment *x, int32_t id);
const struct plan_phase *plan_phase_by_id(const struct plan_experiment *x, int32_t id);

/* The variant's share in the phase, or -1 when the phase does not offer it. */
int32_t plan_phase_share_ppm(const struct plan_phase *ph, const struct plan_variant *v);

/* Features of a contextual bandit read these attributes of the context, sorted; 0: none. */
size_t plan_experiment_features(const struct plan_experiment *x, const char *const **names);
/* True when each decision is drawn anew, so that asking again may answer otherwise. */
bool plan_experiment_draws_decisions(const struct plan_experiment *x);

struct model;
int32_t plan_model_id(const struct model *m);
int32_t plan_model_version(const struct model *m);

#define PLAN_SEGMENTS_MAX 5 /* of one experiment */

/* Attributes of the context whose values its exposures keep. */
size_t plan_experiment_segments(const struct plan_experiment *x, const char *const **names);

/* True when some metric counts this event name. */
bool plan_event_declared(const struct plan *p, const char *name, size_t len);

/* Attributes of an event that some metric's condition names, and no unit type; its others are not kept. */
size_t plan_event_attributes(const struct plan *p, const char *name, size_t len, const char *const **names);

/* The key presented by a client ("ck_…"), or NULL when unknown or revoked. Hashed with the plan's key-hash
 * key (HMAC-SHA-256) and compared in constant time. */
const struct plan_api_key *plan_api_key_find(const struct plan *p, const char *presented, size_t len);
bool plan_api_key_known(const struct plan *p, int32_t id); /* false: revoked, or of another environment */

/* Experiments the compiler refused, each with its reason: the rest of the plan works without them. */
size_t plan_quarantine_count(const struct plan *p);
const char *plan_quarantine_at(const struct plan *p, size_t i); /* "checkout_cta: unknown operator $near" */

/* Bytes held. */
size_t plan_size(const struct plan *p);

#endif
