# tests/sim

# Short forms run as tests; each takes a number of runs for the long one.
check_PROGRAMS += tests/sim/evt_sim
TESTS += tests/sim/evt_sim
tests_sim_evt_sim_SOURCES = tests/sim/evt_sim.c
tests_sim_evt_sim_LDADD = libstats.a -lm
