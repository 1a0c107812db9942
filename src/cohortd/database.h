/* The database at start: reached, migrated, with keys, its first plan read. */
#ifndef COHORT_COHORTD_DATABASE_H
#define COHORT_COHORTD_DATABASE_H

#include "base/counters.h"
#include "cohortd/control.h"

struct database_start {
    const char *conninfo;
    const char *given; /* what the user gave as --database, or NULL for the embedded one */
    const char *dir;   /* for keys.json */
    const char *node;
    struct counters *counters;
};

/* One reference of the plans is the caller's. */
int database_prepare(const struct database_start *s, struct loaded_plan *out, struct error *e);

/* Whether the text is a connection string at all; says nothing of its content, which may hold a password. */
int database_check_conninfo(const char *conninfo, struct error *e);

/* "postgresql://user@host:port/dbname" without a password, for people to read. */
void database_describe(const char *conninfo, char *out, size_t cap);

#endif
