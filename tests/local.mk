# Each kind of test keeps its own list.
include tests/unit/local.mk
include tests/vectors/local.mk
include tests/integration/local.mk
include tests/lint/local.mk
include tests/bench/local.mk
include tests/sim/local.mk
include tests/fault/local.mk
include tests/fuzz/local.mk
