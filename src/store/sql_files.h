/* The SQL files of the source tree, embedded in the binary by build-aux/embed-sql.sh. */
#ifndef COHORT_STORE_SQL_FILES_H
#define COHORT_STORE_SQL_FILES_H

#include <stddef.h>

struct sql_file {
    int number;       /* what its name begins with: 3 for "0003_events.sql" */
    const char *name; /* "0003_events.sql" */
    const char *text; /* NUL-terminated */
    size_t len;
};

/* In the order of their names. One entry more than the count, all zero, ends each. */
extern const struct sql_file sql_migrations[];
extern const size_t sql_migrations_count;
extern const struct sql_file sql_functions[];
extern const size_t sql_functions_count;

#endif
