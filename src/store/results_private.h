/* Shared by the files that write results: what was read of one run of an experiment, and what is said. */
#ifndef COHORT_STORE_RESULTS_PRIVATE_H
#define COHORT_STORE_RESULTS_PRIVATE_H

#include "base/buffer.h"
#include "codec/json_out.h"
#include "stats/report.h"
#include "stats/segment.h"
#include "store/pg.h"

#define RESULTS_ALPHA 0.05 /* of every interval that results show */

struct result_variant {
    int64_t id;
    const char *key;
    bool control, dropped;
};

struct result_metric {
    int64_t id, version;
    const char *key, *kind, *direction_good;
    struct report_rule rule;
    bool matures, primary;
    size_t first_phase, phases; /* in result_input.phases */
};

/* Counts of one metric, segment, phase and variant; buckets are owned. */
struct result_cell {
    int64_t metric_id, segment, phase_id, variant_id;
    int64_t exposed;
    double share;
    const char *attribute, *value; /* of the segment; "" and NULL for others */
    struct arm_sums sums;
    struct bucket_count *buckets;
};

struct result_phase {
    int64_t id;
    int number;
    double units; /* of all arms */
};

struct result_srm {
    bool any, alarm;
    double ln_e;     /* INFINITY: a unit where none can be */
    const char *arm; /* the one farthest below its share */
    double have, expected;
};

/* Strings point into the results of queries, which are kept with it. */
struct result_input {
    int64_t experiment_id;
    const char *experiment, *kind, *status, *fingerprint, *as_of;
    const char *sentence; /* why it stopped or is paused; "": neither */
    const char *found;    /* what guardrails and stop conditions found besides; "": nothing */
    const char *against;  /* the holdout whose arms these are; "": an experiment's own variants */
    double n_star;
    int64_t guardrails, alerts;
    struct result_variant *variants;
    size_t n_variants;
    struct result_metric *metrics;
    size_t n_metrics;
    struct result_cell *cells; /* sorted by metric, segment, phase, variant */
    size_t n_cells;
    struct result_phase *phases; /* of all metrics, one after the other */
    struct result_srm srm;
    PGresult *rows[4];
};

/* One metric and treatment, as judged. */
struct result_judged {
    const struct result_metric *metric;
    const struct result_variant *treatment;
    struct report report;
    bool adaptive;         /* of a bandit: report is what holds after adaptation */
    struct report uniform; /* then: the same of the reserved slice, as of an A/B test */
    const char *method;    /* then: how report was computed; else NULL */
};

/* Fills what belongs to in->experiment_id. Free it in any case. */
int result_input_read(struct pg *p, struct result_input *in, struct pg_error *e);
void result_input_free(struct result_input *in);

/* NULL: none. */
const struct result_cell *result_cell_find(const struct result_input *in, int64_t metric, int64_t segment,
                                           int64_t phase, int64_t variant);
const struct result_variant *result_control(const struct result_input *in);
/* Both arms of every phase of the metric; the arrays have room for metric->phases. */
void result_arms(const struct result_input *in, const struct result_metric *m, int64_t segment,
                 int64_t treatment, int64_t control, struct arm_sums *t, struct arm_sums *c, double *q);

/* Bandits (results_bandit.c): true when shares leaned on outcomes; then results_adapt replaces the judgement
 * of a pair, whose arms over the metric's phases are given. ERR_NOMEM. */
bool results_adaptive(const struct result_input *in);
size_t results_slice(const struct result_input *in, const struct result_metric *m); /* its phases: 0 or 1 */
int results_adapt(const struct result_input *in, const struct result_metric *m, const struct report_arms *a,
                  struct result_judged *j);

/* Who gains, of one metric over all its treatments (results_uplift.c): *out is NULL where it has no segments.
 * ERR_NOMEM. */
struct result_uplift;
int result_uplift_new(const struct result_input *in, const struct result_metric *m,
                      struct result_uplift **out);
void result_uplift_free(struct result_uplift *u);
/* The key "uplift" of treatment v. */
void result_uplift_write(struct json_out *o, const struct result_input *in, const struct result_metric *m,
                         const struct result_variant *v, const struct result_uplift *u);

/* Words. */
void words_count(struct buffer *b, double n); /* "4,950" */
void words_gate(struct buffer *b, const struct report *r, const struct result_metric *m,
                const char *treatment, const char *control);
void words_maturity(struct buffer *b, const struct result_input *in, const struct result_metric *m,
                    double units, double exposed);
void words_method(struct buffer *b, const struct report *r);
void words_srm(struct buffer *b, const struct result_srm *s);
void words_decision(struct buffer *b, const struct result_input *in, const struct result_judged *judged,
                    size_t n);

/* The documents cohort.record_results() takes: malloc'ed text, NULL when out of memory. */
int results_documents(const struct result_input *in, char **summary, char **results);

#endif
