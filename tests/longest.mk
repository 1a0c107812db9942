# The tests that take longest, first: one of them alone at the end would leave the other processors idle. Those that compute
# all the time stand between those that mostly wait. What else there is to say of each is in its directory's local.mk.
TESTS += tests/fuzz/short.sh tests/fault/f1_kill.py clients/js/test/web.py tests/integration/trouble.py \
	tests/fault/i1_exact.py tests/integration/alone.py tests/integration/webhooks.py tests/integration/sql_orders.sh \
	tests/integration/shipper_faults.sh tests/sim/claims tests/fault/f14_leader.py tests/integration/sql_events.sh
