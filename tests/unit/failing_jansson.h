/* jansson with allocations that fail on purpose (failing_alloc.h). Link with --wrap=json_loadb. */
#ifndef COHORT_TESTS_UNIT_FAILING_JANSSON_H
#define COHORT_TESTS_UNIT_FAILING_JANSSON_H

/* Before anything of jansson's is made. */
void failing_jansson(void);

#endif
