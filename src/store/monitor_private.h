/* What the parts of a pass of the monitor share. Internal to store. */
#ifndef COHORT_STORE_MONITOR_PRIVATE_H
#define COHORT_STORE_MONITOR_PRIVATE_H

#include "store/monitor.h"

/* One pass under way. */
struct pass {
    struct pg *p;
    int64_t epoch;
    char epoch_text[24];
    const char *node;
    const struct monitor_hook *hook;
    struct counters *counters;
    struct monitor_result *out;
    struct pg_error *e;
};

/* A verdict that is to be written down and acted upon. Ids as text; NULL: none. The texts belong to the
 * caller. */
struct verdict_row {
    const char *environment, *experiment, *salt; /* salt in hex */
    const char *kind, *action, *sentence, *document;
    const char *experiment_id, *guardrail_id, *condition_id, *treatment_id, *metric_version;
};

/* One statement, *rows for the caller to PQclear. ERR_STATE: another node leads. */
int monitor_rows(struct pass *m, const char *sql, int n, const char *const *params, PGresult **rows);

/* A statement that returns one value; *value and *yes (a boolean) may be NULL. */
int monitor_call(struct pass *m, const char *sql, int n, const char *const *params, int64_t *value,
                 bool *yes);

/* One transaction of inserts, committed at once. What was written before is left as it is. */
int monitor_act(struct pass *m, const struct verdict_row *v);

int monitor_out_of_memory(struct pg_error *e);

/* A double as PostgreSQL reads it, or NULL (unknown) when it is not finite. */
const char *monitor_number(char buf[32], double v);

/* Every guardrail, by its counts (monitor_harm.c), and every stop condition (monitor_conditions.c). */
int monitor_harm(struct pass *m);
int monitor_conditions(struct pass *m);

#endif
