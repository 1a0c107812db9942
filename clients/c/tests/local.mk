# Tests of libcohort-client, in Python with the client on a leash.
check_PROGRAMS += clients/c/tests/client_tool
clients_c_tests_client_tool_SOURCES = clients/c/tests/client_tool.c
clients_c_tests_client_tool_CFLAGS = $(AM_CFLAGS) -I$(top_srcdir)/clients/c $(JANSSON_CFLAGS)
clients_c_tests_client_tool_LDADD = clients/c/libcohort-client.a $(client_libs)
check_PROGRAMS += clients/c/tests/test_backoff
TESTS += clients/c/tests/test_backoff
clients_c_tests_test_backoff_SOURCES = clients/c/tests/test_backoff.c
clients_c_tests_test_backoff_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
clients_c_tests_test_backoff_LDADD = clients/c/libparts.a $(client_libs)
client_tests = clients/c/tests/retries.py clients/c/tests/trouble.py clients/c/tests/vectors.py clients/c/tests/real.py \
	clients/c/tests/kills.py clients/c/tests/abi.sh clients/c/tests/quickstart.py
TESTS += $(client_tests)
EXTRA_DIST += $(client_tests) clients/c/tests/leash.py clients/c/tests/checked.py clients/c/tests/valgrind.supp docs/quickstart-c.md
