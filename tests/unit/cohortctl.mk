# cohortctl
check_PROGRAMS += tests/unit/test_csv tests/unit/test_ctl
TESTS += tests/unit/test_csv tests/unit/test_ctl
tests_unit_test_csv_SOURCES = tests/unit/test_csv.c
tests_unit_test_csv_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS) $(ZLIB_CFLAGS)
tests_unit_test_csv_LDADD = libcohortctl.a libcodec.a libbase.a libcore.a $(CHECK_LIBS) $(ZLIB_LIBS) $(SODIUM_LIBS)
tests_unit_test_ctl_SOURCES = tests/unit/test_ctl.c
tests_unit_test_ctl_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_ctl_LDADD = libcohortctl.a libbase.a libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)

check_PROGRAMS += tests/unit/test_ctl_definitions
TESTS += tests/unit/test_ctl_definitions
tests_unit_test_ctl_definitions_SOURCES = tests/unit/test_ctl_definitions.c
tests_unit_test_ctl_definitions_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_ctl_definitions_LDADD = libcohortctl.a libcodec.a libbase.a libcore.a $(CHECK_LIBS) $(JANSSON_LIBS) \
	$(CURL_LIBS) $(SODIUM_LIBS)
