# Tests of src/core and src/codec, but for records.
CORE_TESTS = \
	tests/unit/test_core_condition tests/unit/test_core_decide tests/unit/test_core_draw \
	tests/unit/test_core_plan tests/unit/test_core_unit
check_PROGRAMS += $(CORE_TESTS)
TESTS += $(CORE_TESTS)
tests_unit_test_core_condition_SOURCES = tests/unit/test_core_condition.c tests/unit/suite.h
tests_unit_test_core_condition_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_condition_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)
tests_unit_test_core_decide_SOURCES = tests/unit/test_core_decide.c tests/unit/plan_fixture.c \
	tests/unit/plan_fixture.h tests/unit/suite.h
tests_unit_test_core_decide_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_decide_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)
tests_unit_test_core_draw_SOURCES = tests/unit/test_core_draw.c tests/unit/suite.h
tests_unit_test_core_draw_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_draw_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)
tests_unit_test_core_plan_SOURCES = tests/unit/test_core_plan.c tests/unit/plan_fixture.c \
	tests/unit/plan_fixture.h tests/unit/suite.h
tests_unit_test_core_plan_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_plan_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)
tests_unit_test_core_unit_SOURCES = tests/unit/test_core_unit.c tests/unit/suite.h
tests_unit_test_core_unit_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_unit_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)
