noinst_LIBRARIES += libstore.a
libstore_a_SOURCES = \
	src/store/bandit.c src/store/bandit.h \
	src/store/call_ops.c src/store/call_ops.h \
	src/store/caller.c src/store/caller.h \
	src/store/chores.c src/store/chores.h \
	src/store/copy_binary.c src/store/copy_binary.h \
	src/store/definitions.c src/store/definitions.h \
	src/store/migrate.c src/store/migrate.h \
	src/store/pg.c src/store/pg.h \
	src/store/pg_wait.c src/store/pg_wait.h \
	src/store/ship_batch.c src/store/ship_batch.h \
	src/store/ship_books.c src/store/ship_books.h \
	src/store/ship_connect.c src/store/ship_private.h \
	src/store/ship_mark.c src/store/ship_mark.h \
	src/store/ship_refused.c src/store/ship_refused.h \
	src/store/ship_order.c src/store/ship_order.h \
	src/store/ship_rows.c src/store/ship_rows.h \
	src/store/shipper.c src/store/shipper.h \
	src/store/sql_files.h \
	src/store/stops.c src/store/stops.h \
	src/store/webhook_queue.c src/store/webhook_queue.h
libstore_a_CFLAGS = $(AM_CFLAGS) $(PQ_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)

# Migrations and functions travel in the binary.
sql_files = $(wildcard $(top_srcdir)/sql/migrations/*.sql) $(wildcard $(top_srcdir)/sql/functions/*.sql)
nodist_libstore_a_SOURCES = src/store/migrations_data.c
CLEANFILES += src/store/migrations_data.c
EXTRA_DIST += build-aux/embed-sql.sh
src/store/migrations_data.c: $(sql_files) $(wildcard $(top_srcdir)/sql/migrations $(top_srcdir)/sql/functions) \
		$(top_srcdir)/build-aux/embed-sql.sh
	$(AM_V_GEN)mkdir -p src/store && sh $(top_srcdir)/build-aux/embed-sql.sh $(sort $(sql_files)) >$@.tmp && mv $@.tmp $@

# The monitor.
libstore_a_SOURCES += \
	src/store/condition.c src/store/condition.h \
	src/store/evidence.c src/store/evidence.h \
	src/store/leader.c src/store/leader.h \
	src/store/monitor.c src/store/monitor.h \
	src/store/monitor_conditions.c src/store/monitor_harm.c src/store/monitor_private.h

# Results.
libstore_a_SOURCES += \
	src/store/results.c src/store/results.h \
	src/store/results_bandit.c \
	src/store/results_json.c src/store/results_private.h \
	src/store/results_read.c \
	src/store/results_uplift.c \
	src/store/results_words.c

# What the leader learns from the log.
libstore_a_SOURCES += \
	src/store/learn.c src/store/learn.h \
	src/store/learn_policies.c src/store/learn_train.c \
	src/store/policy.c src/store/policy.h \
	src/store/policy_value.c src/store/policy_value.h \
	src/store/train_fit.c src/store/train_read.c src/store/train.h
