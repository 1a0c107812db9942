# tests/sim

# The short form runs as a test; ./run-tests --sim builds without sanitizers and runs the full one.
check_PROGRAMS += tests/sim/claims
tests_sim_claims_SOURCES = tests/sim/adapted.c tests/sim/bandit.c tests/sim/bandit.h \
	tests/sim/claims.c tests/sim/contextual.c tests/sim/counts.c tests/sim/drift.c tests/sim/events.c tests/sim/looks.c \
	tests/sim/looks.h tests/sim/money.c tests/sim/regret.c tests/sim/sim.c tests/sim/sim.h tests/sim/world.c
tests_sim_claims_LDADD = libstats.a libcore.a -lm
