/* The main of a unit test: runs one case and says how it went. */
#ifndef COHORT_TESTS_UNIT_SUITE_H
#define COHORT_TESTS_UNIT_SUITE_H

#include <check.h>

static inline int run_case(const char *name, TCase *tc)
{
    Suite *s = suite_create(name);
    suite_add_tcase(s, tc);
    tcase_set_timeout(tc, 120); /* sanitizers and a busy machine are slow */
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}

#endif
