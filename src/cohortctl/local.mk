# src/cohortctl: the program is main.c; the rest is a library, so that tests can link it.
noinst_LIBRARIES += libcohortctl.a
libcohortctl_a_SOURCES = \
	src/cohortctl/cli.c src/cohortctl/cli.h \
	src/cohortctl/client.c src/cohortctl/client.h \
	src/cohortctl/cmd_actions.c \
	src/cohortctl/cmd_apply.c \
	src/cohortctl/cmd_audit.c \
	src/cohortctl/cmd_dead_letters.c \
	src/cohortctl/cmd_evaluate.c \
	src/cohortctl/cmd_experiments.c \
	src/cohortctl/cmd_export.c \
	src/cohortctl/cmd_import.c \
	src/cohortctl/cmd_keys.c \
	src/cohortctl/cmd_layers.c \
	src/cohortctl/cmd_plan.c \
	src/cohortctl/cmd_preview.c \
	src/cohortctl/cmd_psql.c \
	src/cohortctl/cmd_rehearse.c \
	src/cohortctl/cmd_replay.c \
	src/cohortctl/cmd_results.c \
	src/cohortctl/cmd_show.c \
	src/cohortctl/cmd_simulate.c \
	src/cohortctl/cmd_status.c \
	src/cohortctl/cmd_validate.c \
	src/cohortctl/cmd_webhooks.c \
	src/cohortctl/cmd_verify_stop.c \
	src/cohortctl/command.h \
	src/cohortctl/context.c src/cohortctl/context.h \
	src/cohortctl/csv.c src/cohortctl/csv.h \
	src/cohortctl/definitions.c src/cohortctl/definitions.h \
	src/cohortctl/definitions_load.c \
	src/cohortctl/definitions_private.h \
	src/cohortctl/definitions_save.c \
	src/cohortctl/differ.c src/cohortctl/differ.h \
	src/cohortctl/discover.c src/cohortctl/discover.h \
	src/cohortctl/import.h \
	src/cohortctl/import_check.c \
	src/cohortctl/import_db.c src/cohortctl/import_db.h \
	src/cohortctl/import_read.c \
	src/cohortctl/json_text.c src/cohortctl/json_text.h \
	src/cohortctl/kind.c src/cohortctl/kind.h \
	src/cohortctl/path.c src/cohortctl/path.h \
	src/cohortctl/rehearse.c src/cohortctl/rehearse.h \
	src/cohortctl/rehearse_values.c \
	src/cohortctl/replay.c src/cohortctl/replay.h \
	src/cohortctl/report.c src/cohortctl/report.h \
	src/cohortctl/request.c src/cohortctl/request.h \
	src/cohortctl/sim_events.c src/cohortctl/sim_events.h \
	src/cohortctl/sim_model.c src/cohortctl/sim_model.h \
	src/cohortctl/sim_players.c src/cohortctl/sim_players.h \
	src/cohortctl/sim_run.c src/cohortctl/sim_run.h \
	src/cohortctl/sim_tally.c src/cohortctl/sim_tally.h \
	src/cohortctl/suggest.c src/cohortctl/suggest.h \
	src/cohortctl/table.c src/cohortctl/table.h \
	src/cohortctl/values.c src/cohortctl/values.h \
	src/cohortctl/verify_condition.c \
	src/cohortctl/verify_facts.c src/cohortctl/verify.h \
	src/cohortctl/verify_judge.c \
	src/cohortctl/verify_report.c \
	src/cohortctl/verify_units.c \
	src/cohortctl/verify_values.c
libcohortctl_a_CFLAGS = $(AM_CFLAGS) -I$(top_srcdir)/clients/c $(CURL_CFLAGS) $(PQ_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(ZLIB_CFLAGS)

bin_PROGRAMS += cohortctl
cohortctl_SOURCES = src/cohortctl/main.c
cohortctl_CFLAGS = $(libcohortctl_a_CFLAGS)
cohortctl_LDADD = libcohortctl.a clients/c/libcohort-client.a libstore.a libcodec.a libbase.a libcore.a libstats.a \
	$(CURL_LIBS) $(PQ_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS) $(ZLIB_LIBS) $(EVENT_LIBS) -lm
