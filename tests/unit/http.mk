# Tests of the request layer (src/web/http*).
http_test_cflags = $(AM_CFLAGS) $(CHECK_CFLAGS) $(EVENT_CFLAGS) $(OPENSSL_CFLAGS) $(SODIUM_CFLAGS)
http_test_libs = libweb.a libcodec.a libbase.a libcore.a $(CHECK_LIBS) $(EVENT_LIBS) $(SODIUM_LIBS) $(JANSSON_LIBS) -lm
check_PROGRAMS += tests/unit/test_http_head tests/unit/test_http_chunk
TESTS += tests/unit/test_http_head tests/unit/test_http_chunk
tests_unit_test_http_head_SOURCES = tests/unit/test_http_head.c
tests_unit_test_http_head_CFLAGS = $(http_test_cflags)
tests_unit_test_http_head_LDADD = $(http_test_libs)
tests_unit_test_http_chunk_SOURCES = tests/unit/test_http_chunk.c
tests_unit_test_http_chunk_CFLAGS = $(http_test_cflags)
tests_unit_test_http_chunk_LDADD = $(http_test_libs)

check_LIBRARIES += libhttpbed.a
libhttpbed_a_SOURCES = tests/unit/http_bed.c tests/unit/http_bed.h tests/unit/http_bed_tls.c tests/unit/http_bed_tls.h
libhttpbed_a_CFLAGS = $(http_test_cflags)
http_bed_libs = libhttpbed.a $(http_test_libs)

check_PROGRAMS += tests/unit/test_http_corpus
TESTS += tests/unit/test_http_corpus
EXTRA_DIST += tests/vectors/http_corpus.txt
tests_unit_test_http_corpus_SOURCES = tests/unit/test_http_corpus.c tests/unit/http_corpus.c tests/unit/http_corpus.h
tests_unit_test_http_corpus_CFLAGS = $(http_test_cflags)
tests_unit_test_http_corpus_LDADD = $(http_bed_libs)
check_PROGRAMS += tests/unit/test_http_conn tests/unit/test_http_limits
TESTS += tests/unit/test_http_conn tests/unit/test_http_limits
tests_unit_test_http_conn_SOURCES = tests/unit/test_http_conn.c
tests_unit_test_http_conn_CFLAGS = $(http_test_cflags)
tests_unit_test_http_conn_LDADD = $(http_bed_libs)
tests_unit_test_http_limits_SOURCES = tests/unit/test_http_limits.c
tests_unit_test_http_limits_CFLAGS = $(http_test_cflags)
tests_unit_test_http_limits_LDADD = $(http_bed_libs)

check_PROGRAMS += tests/unit/test_http_pace
TESTS += tests/unit/test_http_pace
tests_unit_test_http_pace_SOURCES = tests/unit/test_http_pace.c tests/unit/suite.h
tests_unit_test_http_pace_CFLAGS = $(http_test_cflags)
tests_unit_test_http_pace_LDADD = $(http_bed_libs)

check_PROGRAMS += tests/unit/test_http_tls
TESTS += tests/unit/test_http_tls
tests_unit_test_http_tls_SOURCES = tests/unit/test_http_tls.c tests/unit/suite.h
tests_unit_test_http_tls_CFLAGS = $(http_test_cflags)
tests_unit_test_http_tls_LDADD = $(http_bed_libs)

check_PROGRAMS += tests/unit/test_http_stream
TESTS += tests/unit/test_http_stream
tests_unit_test_http_stream_SOURCES = tests/unit/test_http_stream.c
tests_unit_test_http_stream_CFLAGS = $(http_test_cflags)
tests_unit_test_http_stream_LDADD = $(http_bed_libs)

check_PROGRAMS += tests/unit/test_web_query
TESTS += tests/unit/test_web_query
tests_unit_test_web_query_SOURCES = tests/unit/test_web_query.c
tests_unit_test_web_query_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_web_query_LDADD = libweb.a libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)

check_PROGRAMS += tests/unit/test_event_quick
TESTS += tests/unit/test_event_quick
tests_unit_test_event_quick_SOURCES = tests/unit/test_event_quick.c tests/unit/event_readers.c \
	tests/unit/event_readers.h tests/unit/plan_fixture.c tests/unit/plan_fixture.h tests/unit/suite.h
tests_unit_test_event_quick_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(EVENT_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_event_quick_LDADD = libweb.a libcodec.a libbase.a libcore.a $(CHECK_LIBS) $(EVENT_LIBS) \
	$(SODIUM_LIBS) $(JANSSON_LIBS) -lm

# Limits, addresses and what is logged of requests.
check_PROGRAMS += tests/unit/test_rate tests/unit/test_http_address tests/unit/test_log
TESTS += tests/unit/test_rate tests/unit/test_http_address tests/unit/test_log
tests_unit_test_rate_SOURCES = tests/unit/test_rate.c
tests_unit_test_rate_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_rate_LDADD = libweb.a $(CHECK_LIBS)
tests_unit_test_http_address_SOURCES = tests/unit/test_http_address.c
tests_unit_test_http_address_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_http_address_LDADD = libweb.a libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)
tests_unit_test_log_SOURCES = tests/unit/test_log.c
tests_unit_test_log_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_log_LDADD = libbase.a libcore.a $(CHECK_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS)
check_PROGRAMS += tests/unit/test_decision_path
TESTS += tests/unit/test_decision_path
tests_unit_test_decision_path_SOURCES = tests/unit/test_decision_path.c tests/unit/plan_fixture.c \
	tests/unit/plan_fixture.h tests/unit/suite.h
tests_unit_test_decision_path_CFLAGS = $(tests_unit_test_event_quick_CFLAGS)
tests_unit_test_decision_path_LDADD = $(tests_unit_test_event_quick_LDADD)
# each allocation fails in turn
check_PROGRAMS += tests/unit/test_api_memory
TESTS += tests/unit/test_api_memory
tests_unit_test_api_memory_SOURCES = tests/unit/test_api_memory.c tests/unit/api_bed.c tests/unit/api_bed.h \
	$(failing_jansson) tests/unit/model_document.h
tests_unit_test_api_memory_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_api_memory_LDFLAGS = $(AM_LDFLAGS) $(failing_jansson_wraps)
tests_unit_test_api_memory_LDADD = libweb.a libcodec.a libbase.a libcore.a $(EVENT_LIBS) $(SODIUM_LIBS) $(JANSSON_LIBS) -lm
failing_alloc_wraps = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup
failing_jansson_wraps = $(failing_alloc_wraps),--wrap=json_loadb
failing_jansson = tests/unit/failing_jansson.c tests/unit/failing_jansson.h tests/unit/failing_alloc.c tests/unit/failing_alloc.h
check_PROGRAMS += tests/unit/test_webhook_memory
TESTS += tests/unit/test_webhook_memory
tests_unit_test_webhook_memory_SOURCES = tests/unit/test_webhook_memory.c tests/unit/failing_alloc.c tests/unit/failing_alloc.h \
	src/cohortd/webhook_send.c src/cohortd/webhook_send.h
tests_unit_test_webhook_memory_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(PQ_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_webhook_memory_LDFLAGS = $(AM_LDFLAGS) $(failing_alloc_wraps)
tests_unit_test_webhook_memory_LDADD = libbase.a libcore.a $(CURL_LIBS) $(SODIUM_LIBS)
