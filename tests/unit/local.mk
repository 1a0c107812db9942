# tests/unit
include tests/unit/cohortctl.mk

# records, the spool, COPY
check_PROGRAMS += tests/unit/test_record
TESTS += tests/unit/test_record
tests_unit_test_record_SOURCES = tests/unit/test_record.c
tests_unit_test_record_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_record_LDADD = libcodec.a libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)
check_PROGRAMS += tests/unit/test_spool
TESTS += tests/unit/test_spool
tests_unit_test_spool_SOURCES = tests/unit/test_spool.c
tests_unit_test_spool_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_spool_LDADD = libspool.a libbase.a libcore.a $(CHECK_LIBS) $(SQLITE_LIBS) $(SODIUM_LIBS)
check_PROGRAMS += tests/unit/test_spool_repair tests/unit/test_snapshot
TESTS += tests/unit/test_spool_repair tests/unit/test_snapshot
tests_unit_test_spool_repair_SOURCES = tests/unit/test_spool_repair.c
tests_unit_test_spool_repair_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_test_spool_repair_LDADD = $(tests_unit_test_spool_LDADD)
tests_unit_test_snapshot_SOURCES = tests/unit/test_snapshot.c
tests_unit_test_snapshot_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_snapshot_LDADD = $(tests_unit_test_spool_LDADD)

check_PROGRAMS += tests/unit/test_stats_evt tests/unit/test_stats_guardrail tests/unit/test_stats_tests
TESTS += tests/unit/test_stats_evt tests/unit/test_stats_guardrail tests/unit/test_stats_tests
tests_unit_test_stats_evt_SOURCES = tests/unit/test_stats_evt.c
tests_unit_test_stats_evt_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_stats_evt_LDADD = libstats.a $(CHECK_LIBS) -lm
tests_unit_test_stats_guardrail_SOURCES = tests/unit/test_stats_guardrail.c
tests_unit_test_stats_guardrail_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_stats_guardrail_LDADD = libstats.a $(CHECK_LIBS) -lm
tests_unit_test_stats_tests_SOURCES = tests/unit/test_stats_tests.c
tests_unit_test_stats_tests_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_stats_tests_LDADD = libstats.a $(CHECK_LIBS) -lm
check_PROGRAMS += tests/unit/test_stats_power
TESTS += tests/unit/test_stats_power
tests_unit_test_stats_power_SOURCES = tests/unit/test_stats_power.c
tests_unit_test_stats_power_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_stats_power_LDADD = libstats.a $(CHECK_LIBS) -lm
# options of cohortd
check_PROGRAMS += tests/unit/test_config
TESTS += tests/unit/test_config
tests_unit_test_config_SOURCES = tests/unit/test_config.c
tests_unit_test_config_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_config_LDADD = libcohortd.a libweb.a libbase.a libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)

# the request layer
include tests/unit/http.mk

# core and codec
include tests/unit/core.mk
check_PROGRAMS += tests/unit/test_copy_binary
TESTS += tests/unit/test_copy_binary
tests_unit_test_copy_binary_SOURCES = tests/unit/test_copy_binary.c
tests_unit_test_copy_binary_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(PQ_CFLAGS)
tests_unit_test_copy_binary_LDADD = libstore.a libbase.a libcore.a $(CHECK_LIBS) $(PQ_LIBS) $(SODIUM_LIBS)

# Durability, with the mutants the tests must catch: a source of the spool built to acknowledge early, or not to sync. What
# a mutant changes stands before the library, which gives the rest.
check_PROGRAMS += tests/unit/spool_crash tests/unit/spool_crash_early tests/unit/spool_crash_nosync
TESTS += tests/unit/spool_crash tests/unit/spool_crash_early tests/unit/spool_sync.sh
EXTRA_DIST += tests/unit/spool_sync.sh
spool_crash_libs = libbase.a libcore.a $(SQLITE_LIBS) $(SODIUM_LIBS)
spool_crash_cflags = $(AM_CFLAGS) $(SQLITE_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_spool_crash_SOURCES = tests/unit/spool_crash.c
tests_unit_spool_crash_CFLAGS = $(spool_crash_cflags)
tests_unit_spool_crash_LDADD = libspool.a $(spool_crash_libs)
tests_unit_spool_crash_early_SOURCES = tests/unit/spool_crash.c src/spool/spool.c
tests_unit_spool_crash_early_CFLAGS = $(spool_crash_cflags) -DSPOOL_MUTANT_ACK_EARLY -DEXPECT_LOSS
tests_unit_spool_crash_early_LDADD = libspool.a $(spool_crash_libs)
tests_unit_spool_crash_nosync_SOURCES = tests/unit/spool_crash.c src/spool/spool_file.c
tests_unit_spool_crash_nosync_CFLAGS = $(spool_crash_cflags) -DSPOOL_MUTANT_NO_SYNC
tests_unit_spool_crash_nosync_LDADD = libspool.a $(spool_crash_libs)

# Faults of the disk under the spool and the snapshots, and builds that must not get past them.
check_PROGRAMS += tests/unit/spool_faults tests/unit/spool_faults_early tests/unit/spool_faults_nosync \
	tests/unit/spool_faults_keys tests/unit/spool_faults_mark tests/unit/spool_faults_snapshot
TESTS += tests/unit/spool_faults tests/unit/spool_faults_early tests/unit/spool_faults_nosync \
	tests/unit/spool_faults_keys tests/unit/spool_faults_mark tests/unit/spool_faults_snapshot
spool_faults_sources = tests/unit/spool_faults.c tests/unit/fault_shim.c tests/unit/fault_shim.h
spool_faults_cflags = $(spool_crash_cflags) -D_GNU_SOURCE
tests_unit_spool_faults_SOURCES = $(spool_faults_sources)
tests_unit_spool_faults_CFLAGS = $(spool_faults_cflags)
tests_unit_spool_faults_LDADD = libspool.a $(spool_crash_libs)
tests_unit_spool_faults_early_SOURCES = $(spool_faults_sources) src/spool/spool.c
tests_unit_spool_faults_early_CFLAGS = $(spool_faults_cflags) -DSPOOL_MUTANT_ACK_EARLY -DEXPECT_LOSS
tests_unit_spool_faults_early_LDADD = libspool.a $(spool_crash_libs)
tests_unit_spool_faults_nosync_SOURCES = $(spool_faults_sources) src/spool/spool_file.c
tests_unit_spool_faults_nosync_CFLAGS = $(spool_faults_cflags) -DSPOOL_MUTANT_NO_SYNC -DEXPECT_LOSS
tests_unit_spool_faults_nosync_LDADD = libspool.a $(spool_crash_libs)
tests_unit_spool_faults_keys_SOURCES = $(spool_faults_sources) src/spool/spool_file.c src/spool/spool_meta.c
tests_unit_spool_faults_keys_CFLAGS = $(spool_faults_cflags) -DSPOOL_MUTANT_PLAIN_KEYS -DEXPECT_LOSS
tests_unit_spool_faults_keys_LDADD = libspool.a $(spool_crash_libs)
tests_unit_spool_faults_mark_SOURCES = $(spool_faults_sources) src/spool/spool_open.c
tests_unit_spool_faults_mark_CFLAGS = $(spool_faults_cflags) -DSPOOL_MUTANT_NO_MARK -DEXPECT_LOSS
tests_unit_spool_faults_mark_LDADD = libspool.a $(spool_crash_libs)
tests_unit_spool_faults_snapshot_SOURCES = $(spool_faults_sources) src/spool/snapshot_file.c
tests_unit_spool_faults_snapshot_CFLAGS = $(spool_faults_cflags) -DSNAPSHOT_MUTANT_NO_SYNC -DEXPECT_LOSS
tests_unit_spool_faults_snapshot_LDADD = libspool.a $(spool_crash_libs)

# what a stop says
check_PROGRAMS += tests/unit/test_bandit_update
TESTS += tests/unit/test_bandit_update
tests_unit_test_bandit_update_SOURCES = tests/unit/test_bandit_update.c
tests_unit_test_bandit_update_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS) $(PQ_CFLAGS)
tests_unit_test_bandit_update_LDADD = libstore.a libcodec.a libbase.a libcore.a libstats.a $(CHECK_LIBS) $(PQ_LIBS) \
	$(JANSSON_LIBS) $(EVENT_LIBS) $(SODIUM_LIBS) -lm

check_PROGRAMS += tests/unit/test_evidence
TESTS += tests/unit/test_evidence
tests_unit_test_evidence_SOURCES = tests/unit/test_evidence.c
tests_unit_test_evidence_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_evidence_LDADD = libstore.a libcodec.a libbase.a libcore.a libstats.a $(CHECK_LIBS) $(PQ_LIBS) \
	$(JANSSON_LIBS) $(EVENT_LIBS) $(SODIUM_LIBS) -lm

# estimates and their always-valid intervals, the histogram tilt
check_PROGRAMS += tests/unit/test_stats_tilt
TESTS += tests/unit/test_stats_tilt
tests_unit_test_stats_tilt_SOURCES = tests/unit/test_stats_tilt.c tests/unit/suite.h
tests_unit_test_stats_tilt_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_stats_tilt_LDADD = libstats.a $(CHECK_LIBS) -lm
check_PROGRAMS += tests/unit/test_stats_asympcs
TESTS += tests/unit/test_stats_asympcs
tests_unit_test_stats_asympcs_SOURCES = tests/unit/test_stats_asympcs.c tests/unit/suite.h
tests_unit_test_stats_asympcs_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_stats_asympcs_LDADD = libstats.a $(CHECK_LIBS) -lm
check_PROGRAMS += tests/unit/test_stats_effects
TESTS += tests/unit/test_stats_effects
tests_unit_test_stats_effects_SOURCES = tests/unit/test_stats_effects.c tests/unit/suite.h
tests_unit_test_stats_effects_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_stats_effects_LDADD = libstats.a $(CHECK_LIBS) -lm
check_PROGRAMS += tests/unit/test_stats_report
TESTS += tests/unit/test_stats_report
tests_unit_test_stats_report_SOURCES = tests/unit/test_stats_report.c
tests_unit_test_stats_report_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_stats_report_LDADD = libstats.a $(CHECK_LIBS) -lm
check_PROGRAMS += tests/unit/test_stats_quantile
TESTS += tests/unit/test_stats_quantile
tests_unit_test_stats_quantile_SOURCES = tests/unit/test_stats_quantile.c tests/unit/suite.h
tests_unit_test_stats_quantile_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_stats_quantile_LDADD = libstats.a $(CHECK_LIBS) -lm
# verdicts, drift, several tests, segments
check_PROGRAMS += tests/unit/test_stats_verdict
TESTS += tests/unit/test_stats_verdict
tests_unit_test_stats_verdict_SOURCES = tests/unit/test_stats_verdict.c
tests_unit_test_stats_verdict_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_stats_verdict_LDADD = libstats.a $(CHECK_LIBS) -lm
# bandits: shares, effects after adaptation, off-policy values, models, uplift
check_PROGRAMS += tests/unit/test_stats_thompson
TESTS += tests/unit/test_stats_thompson
tests_unit_test_stats_thompson_SOURCES = tests/unit/test_stats_thompson.c tests/unit/suite.h
tests_unit_test_stats_thompson_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_stats_thompson_LDADD = libstats.a $(CHECK_LIBS) -lm
check_PROGRAMS += tests/unit/test_stats_adaptive
TESTS += tests/unit/test_stats_adaptive
tests_unit_test_stats_adaptive_SOURCES = tests/unit/test_stats_adaptive.c tests/unit/suite.h
tests_unit_test_stats_adaptive_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_stats_adaptive_LDADD = libstats.a $(CHECK_LIBS) -lm
check_PROGRAMS += tests/unit/test_stats_off_policy
TESTS += tests/unit/test_stats_off_policy
tests_unit_test_stats_off_policy_SOURCES = tests/unit/test_stats_off_policy.c tests/unit/suite.h
tests_unit_test_stats_off_policy_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_stats_off_policy_LDADD = libstats.a $(CHECK_LIBS) -lm
check_PROGRAMS += tests/unit/test_stats_linear_model
TESTS += tests/unit/test_stats_linear_model
tests_unit_test_stats_linear_model_SOURCES = tests/unit/test_stats_linear_model.c tests/unit/suite.h
tests_unit_test_stats_linear_model_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_stats_linear_model_LDADD = libstats.a $(CHECK_LIBS) -lm
check_PROGRAMS += tests/unit/test_stats_uplift
TESTS += tests/unit/test_stats_uplift
tests_unit_test_stats_uplift_SOURCES = tests/unit/test_stats_uplift.c tests/unit/suite.h
tests_unit_test_stats_uplift_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_stats_uplift_LDADD = libstats.a $(CHECK_LIBS) -lm

# the spool and snapshots with each allocation failing in turn
check_PROGRAMS += tests/unit/spool_memory
TESTS += tests/unit/spool_memory
tests_unit_spool_memory_SOURCES = tests/unit/spool_memory.c tests/unit/failing_alloc.c tests/unit/failing_alloc.h
tests_unit_spool_memory_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS) $(SQLITE_CFLAGS)
tests_unit_spool_memory_LDFLAGS = $(AM_LDFLAGS) $(failing_alloc_wraps)
tests_unit_spool_memory_LDADD = libspool.a libbase.a libcore.a $(SQLITE_LIBS) $(SODIUM_LIBS)
