# tests/vectors

check_PROGRAMS += tests/vectors/statistics
TESTS += tests/vectors/statistics
EXTRA_DIST += tests/vectors/statistics.json
tests_vectors_statistics_SOURCES = tests/vectors/statistics.c tests/vectors/statistics.h \
	tests/vectors/statistics_bandits.c tests/vectors/statistics_bets.c tests/vectors/statistics_effects.c
tests_vectors_statistics_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_vectors_statistics_LDADD = libstats.a $(JANSSON_LIBS) -lm

check_PROGRAMS += tests/vectors/assignment
TESTS += tests/vectors/assignment
EXTRA_DIST += tests/vectors/assignment.json
tests_vectors_assignment_SOURCES = tests/vectors/assignment.c
tests_vectors_assignment_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
tests_vectors_assignment_LDADD = libcodec.a libcore.a $(JANSSON_LIBS) $(SODIUM_LIBS)

check_PROGRAMS += tests/vectors/conditions
TESTS += tests/vectors/conditions
EXTRA_DIST += tests/vectors/conditions.json tests/vectors/conditions_more.json
tests_vectors_conditions_SOURCES = tests/vectors/conditions.c
tests_vectors_conditions_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_vectors_conditions_LDADD = libcodec.a libcore.a $(JANSSON_LIBS) $(SODIUM_LIBS)

check_PROGRAMS += tests/vectors/open_bandit
TESTS += tests/vectors/open_bandit
tests_vectors_open_bandit_SOURCES = tests/vectors/open_bandit.c
tests_vectors_open_bandit_CFLAGS = $(AM_CFLAGS) $(ZLIB_CFLAGS)
tests_vectors_open_bandit_LDADD = libstats.a $(ZLIB_LIBS) -lm
# Its cases are worked out by the script beside it, without any of cohortd's code.
check_PROGRAMS += tests/vectors/assignment_bandit
TESTS += tests/vectors/assignment_bandit
EXTRA_DIST += tests/vectors/assignment_bandit.json tests/vectors/assignment_bandit.py
tests_vectors_assignment_bandit_SOURCES = tests/vectors/assignment_bandit.c
tests_vectors_assignment_bandit_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
tests_vectors_assignment_bandit_LDADD = libcodec.a libcore.a $(JANSSON_LIBS) $(SODIUM_LIBS)
