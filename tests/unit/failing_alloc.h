/* Allocations that fail on purpose. Linked with --wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup the
 * program's own go through here; a library that lets its memory be given gets failing_malloc and its like.
 * Any thread. */
#ifndef COHORT_TESTS_UNIT_FAILING_ALLOC_H
#define COHORT_TESTS_UNIT_FAILING_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

enum failing_mode {
    FAIL_ONE, /* allocation n fails, counted from 0 */
    FAIL_ALL  /* and all behind it */
};

void failing_arm(enum failing_mode mode, long n);
/* From now on none fails. True: one has. */
bool failing_disarm(void);
/* Between two calls allocations work and are not counted. */
void failing_pause(bool pause);
/* Allocations since it was armed. */
long failing_count(void);

void *failing_malloc(size_t n);
void *failing_realloc(void *p, size_t n);

#endif
