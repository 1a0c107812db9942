# cohortd: everything but main is a library too, for the unit tests.
noinst_LIBRARIES += libcohortd.a
libcohortd_a_SOURCES = \
	src/cohortd/activation.c src/cohortd/activation.h \
	src/cohortd/cluster.c src/cohortd/cluster.h \
	src/cohortd/config.c src/cohortd/config.h \
	src/cohortd/control.c src/cohortd/control.h \
	src/cohortd/database.c src/cohortd/database.h \
	src/cohortd/datadir.c src/cohortd/datadir.h \
	src/cohortd/descriptors.c src/cohortd/descriptors.h \
	src/cohortd/embedded.c src/cohortd/embedded.h \
	src/cohortd/environment.c src/cohortd/environment.h \
	src/cohortd/files.c src/cohortd/files.h \
	src/cohortd/guard.c src/cohortd/guard.h \
	src/cohortd/help.c \
	src/cohortd/keeper.c src/cohortd/keeper.h \
	src/cohortd/keys.c src/cohortd/keys.h \
	src/cohortd/learner.c src/cohortd/learner.h \
	src/cohortd/link.c src/cohortd/link.h \
	src/cohortd/listen.c src/cohortd/listen.h \
	src/cohortd/notify.c src/cohortd/notify.h \
	src/cohortd/options.c src/cohortd/options.h \
	src/cohortd/own_database.c src/cohortd/own_database.h \
	src/cohortd/process.c src/cohortd/process.h \
	src/cohortd/queue.c src/cohortd/queue.h \
	src/cohortd/queue_watch.c src/cohortd/queue_watch.h \
	src/cohortd/relay.c src/cohortd/relay.h \
	src/cohortd/reload.c src/cohortd/reload.h \
	src/cohortd/server.c src/cohortd/server.h \
	src/cohortd/source.c src/cohortd/source.h \
	src/cohortd/stop_signal.c src/cohortd/stop_signal.h \
	src/cohortd/thread.c src/cohortd/thread.h \
	src/cohortd/vitals.c src/cohortd/vitals.h \
	src/cohortd/webhook_send.c src/cohortd/webhook_send.h \
	src/cohortd/webhooks.c src/cohortd/webhooks.h \
	src/cohortd/worker.c src/cohortd/worker.h
libcohortd_a_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(EVENT_CFLAGS) $(JANSSON_CFLAGS) $(PQ_CFLAGS) $(SODIUM_CFLAGS) $(SQLITE_CFLAGS)

bin_PROGRAMS += cohortd
cohortd_SOURCES = src/cohortd/main.c
cohortd_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
cohortd_LDADD = libcohortd.a libweb.a libstore.a libspool.a libcodec.a libstats.a libbase.a libcore.a \
	$(EVENT_LIBS) $(PQ_LIBS) $(SQLITE_LIBS) $(CURL_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS) -lm
