/* The database before it is used: migrated, with keys. */
#ifndef COHORT_COHORTD_DATABASE_H
#define COHORT_COHORTD_DATABASE_H

#include "cohortd/link.h"
#include "core/plan_set.h"

struct database_start {
    const char *conninfo;
    const char *given; /* what the user gave as --database, or NULL for the embedded one */
    const char *dir;   /* for keys.json */
    const char *node;
};

/* On a connection of its own, which link interrupts: the schema brought to this binary's number, and the
 * first API keys made. ERR_UNAVAILABLE: it could be reached a moment ago and can't now; any other code is for
 * people to mend. */
int database_prepare(const struct database_start *s, struct link *link, struct error *e);

/* A database that a server used before, on a connection just opened. One restored from an old backup is
 * migrated again; one that is newer is followed as well as it goes, since stops count more. Says what it
 * finds.
 */
void database_return(const struct database_start *s, struct pg *p, struct link *link);

/* Says so when the admin key in DIR/keys.json is not among theirs. */
void database_check_keys(const char *dir, const struct plan_set *plans);

/* Why a database that can't be reached can't, in a sentence for people. *refused: a server is there and
 * does not let us in, or there can never be one: waiting does not help. */
int database_unreachable(const struct database_start *s, const char *why, bool *refused, struct error *e);

/* Whether the text is a connection string at all; says nothing of its content, which may hold a password. */
int database_check_conninfo(const char *conninfo, struct error *e);

/* "postgresql://user@host:port/dbname" without a password, for people to read. */
void database_describe(const char *conninfo, char *out, size_t cap);

#endif
