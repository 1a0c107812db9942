# tests/fault: faults under load, with a ledger of every acknowledged event. Short here, long with ./run-tests --faults.
long_fault_tests = tests/fault/f1_kill.py tests/fault/f14_leader.py tests/fault/i1_exact.py
short_fault_tests = tests/fault/f4_postgres.py tests/fault/f5_away.py tests/fault/f6_slow.py tests/fault/f8_disk.py tests/fault/f9_clock.py
fault_tests = $(long_fault_tests) $(short_fault_tests)
TESTS += $(short_fault_tests)
EXTRA_DIST += $(fault_tests) tests/fault/fault.py tests/fault/mutant.sh tests/fault/shim.c

# The names of the fault tests, for ./run-tests --faults.
print-fault-tests:
	@echo $(fault_tests)
.PHONY: print-fault-tests
