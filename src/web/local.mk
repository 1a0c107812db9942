noinst_LIBRARIES += libweb.a
libweb_a_SOURCES = $(web_layer) $(web_apis)
libweb_a_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(OPENSSL_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)

# The request layer.
web_layer = \
	src/web/http.h src/web/http_conn.h \
	src/web/http_address.c src/web/http_address.h \
	src/web/http_body.c \
	src/web/http_chunk.c src/web/http_chunk.h \
	src/web/http_conn.c \
	src/web/http_deadline.c \
	src/web/http_fields.c \
	src/web/http_head.c src/web/http_head.h \
	src/web/http_input.c \
	src/web/http_listen.c \
	src/web/http_output.c \
	src/web/http_pace.c \
	src/web/http_peers.c src/web/http_peers.h \
	src/web/http_listen_unix.c \
	src/web/http_reply.c \
	src/web/http_request.c \
	src/web/http_secure.c \
	src/web/http_server.c \
	src/web/http_stream.c \
	src/web/http_shared.c src/web/http_shared.h \
	src/web/http_trace.c \
	src/web/http_tls.c src/web/http_tls.h \
	src/web/openssl.h \
	src/web/problem.c src/web/problem.h

# The router, authentication, and one file per API.
web_apis = \
	src/web/api.h src/web/api_worker.h src/web/api_worker.c \
	src/web/api_actions.c src/web/api_actions.h \
	src/web/api_definitions.c src/web/api_definitions.h \
	src/web/api_events.c src/web/api_events.h \
	src/web/api_health.c src/web/api_health.h \
	src/web/api_ofrep.c src/web/api_ofrep.h \
	src/web/api_openapi.c src/web/api_openapi.h src/web/openapi_data.h \
	src/web/api_plan.c src/web/api_plan.h \
	src/web/api_preview.c src/web/api_preview.h \
	src/web/api_stream.c src/web/api_stream.h \
	src/web/auth.c src/web/auth.h \
	src/web/cors.c src/web/cors.h \
	src/web/decision_json.c src/web/decision_json.h \
	src/web/decision_log.c src/web/decision_log.h \
	src/web/decision_memory.c src/web/decision_memory.h \
	src/web/etag.c src/web/etag.h \
	src/web/freshness.c src/web/freshness.h \
	src/web/event_batch.c src/web/event_batch.h \
	src/web/event_item.c src/web/event_item.h \
	src/web/event_outcome.c src/web/event_outcome.h \
	src/web/event_quick.c src/web/event_quick.h \
	src/web/kept_attributes.c src/web/kept_attributes.h \
	src/web/query.c src/web/query.h \
	src/web/rate_limits.c src/web/rate_limits.h \
	src/web/rate_table.c src/web/rate_table.h \
	src/web/records.c src/web/records.h \
	src/web/refetch.c src/web/refetch.h \
	src/web/router.c src/web/router.h \
	src/web/stream_offer.c src/web/stream_offer.h \
	src/web/streams.c src/web/streams.h \
	src/web/subject_read.c src/web/subject_read.h

# The API's description travels in the binary.
nodist_libweb_a_SOURCES = src/web/openapi_data.c
CLEANFILES += src/web/openapi_data.c
EXTRA_DIST += build-aux/embed-file.sh docs/openapi.json
src/web/openapi_data.c: $(top_srcdir)/docs/openapi.json $(top_srcdir)/build-aux/embed-file.sh
	$(AM_V_GEN)mkdir -p src/web && sh $(top_srcdir)/build-aux/embed-file.sh openapi_json web/openapi_data.h \
		$(top_srcdir)/docs/openapi.json >$@.tmp && mv $@.tmp $@
