# tests/fault: faults under load, with a ledger of every acknowledged event. Short here, long with ./run-tests --faults.
fault_tests = tests/fault/f1_kill.py tests/fault/f4_postgres.py tests/fault/f6_slow.py tests/fault/f14_leader.py
TESTS += $(fault_tests)
EXTRA_DIST += $(fault_tests) tests/fault/fault.py tests/fault/mutant.sh
