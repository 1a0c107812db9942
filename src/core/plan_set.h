/* The plans of every environment a server serves, swapped as one. Immutable, shared by reference counting;
 * any thread may read it. Built by codec/plan_json.h. */
#ifndef COHORT_CORE_PLAN_SET_H
#define COHORT_CORE_PLAN_SET_H

#include "core/error.h"
#include "core/plan.h"

struct plan_set;

/* One reference is the caller's; the set takes its own references of the n plans. ERR_INVALID when two are of
 * one environment, or none is given; ERR_NOMEM. version and stop_version: of the document they came in. */
int plan_set_new(struct plan *const *plans, size_t n, int64_t version, int64_t stop_version,
                 struct plan_set **out, struct error *e);

struct plan_set *plan_set_ref(const struct plan_set *s); /* atomic */
void plan_set_unref(const struct plan_set *s);           /* atomic; the last one frees; NULL is fine */

/* config_version of the database, and the id of the last stop it knows (0: none). Both only grow. */
int64_t plan_set_version(const struct plan_set *s);
int64_t plan_set_stop_version(const struct plan_set *s);

/* The plans in the order of their environments' names. They live as long as the set; plan_ref one to keep it
 * longer. */
size_t plan_set_count(const struct plan_set *s); /* 1 or more */
const struct plan *plan_set_at(const struct plan_set *s, size_t i);
const struct plan *plan_set_find(const struct plan_set *s, const char *environment, size_t len); /* or NULL */

/* The key a client presents ("ck_…") and the plan of its environment; NULL (and *plan NULL) when no
 * environment knows it. Hashed under each environment's own key and compared with all keys of all of them, so
 * that the time says nothing about which one it was. */
const struct plan_api_key *plan_set_find_key(const struct plan_set *s, const char *presented, size_t len,
                                             const struct plan **plan);

/* Bytes held, plans included. */
size_t plan_set_size(const struct plan_set *s);

#endif
