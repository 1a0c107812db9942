noinst_LIBRARIES += libweb.a
libweb_a_SOURCES = $(web_layer) $(web_apis)
libweb_a_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)

# The request layer.
web_layer = \
	src/web/http.h src/web/http_conn.h \
	src/web/http_body.c \
	src/web/http_chunk.c src/web/http_chunk.h \
	src/web/http_conn.c \
	src/web/http_deadline.c \
	src/web/http_fields.c \
	src/web/http_head.c src/web/http_head.h \
	src/web/http_listen.c \
	src/web/http_output.c \
	src/web/http_peers.c src/web/http_peers.h \
	src/web/http_reply.c \
	src/web/http_request.c \
	src/web/http_server.c \
	src/web/problem.c src/web/problem.h

# The router, authentication, and one file per API.
web_apis = \
	src/web/api.h src/web/api_worker.h src/web/api_worker.c \
	src/web/api_definitions.c src/web/api_definitions.h \
	src/web/api_events.c src/web/api_events.h \
	src/web/api_health.c src/web/api_health.h \
	src/web/api_ofrep.c src/web/api_ofrep.h \
	src/web/auth.c src/web/auth.h \
	src/web/cors.c src/web/cors.h \
	src/web/decision_log.c src/web/decision_log.h \
	src/web/event_batch.c src/web/event_batch.h \
	src/web/event_item.c src/web/event_item.h \
	src/web/records.c src/web/records.h \
	src/web/router.c src/web/router.h
