# Tests of src/core and src/codec, but for records.
CORE_TESTS = \
	tests/unit/test_core_bandit tests/unit/test_core_blind tests/unit/test_core_condition tests/unit/test_core_decide tests/unit/test_core_draw \
	tests/unit/test_core_contextual tests/unit/test_core_features tests/unit/test_core_policy tests/unit/test_core_sha256 \
	tests/unit/test_core_model tests/unit/test_core_plan tests/unit/test_core_stream tests/unit/test_core_token \
	tests/unit/test_core_uniform tests/unit/test_core_unit
check_PROGRAMS += $(CORE_TESTS)
TESTS += $(CORE_TESTS)
BANDIT_FIXTURE = tests/unit/bandit_fixture.c tests/unit/bandit_fixture.h tests/unit/plan_fixture.c \
	tests/unit/plan_fixture.h tests/unit/suite.h
tests_unit_test_core_bandit_SOURCES = tests/unit/test_core_bandit.c $(BANDIT_FIXTURE)
tests_unit_test_core_bandit_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_bandit_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)
tests_unit_test_core_contextual_SOURCES = tests/unit/test_core_contextual.c $(BANDIT_FIXTURE)
tests_unit_test_core_contextual_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_contextual_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS) -lm
tests_unit_test_core_features_SOURCES = tests/unit/test_core_features.c tests/unit/suite.h
tests_unit_test_core_features_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_features_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS) -lm
tests_unit_test_core_sha256_SOURCES = tests/unit/test_core_sha256.c tests/unit/suite.h
tests_unit_test_core_sha256_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_sha256_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)
tests_unit_test_core_policy_SOURCES = tests/unit/test_core_policy.c tests/unit/suite.h
tests_unit_test_core_policy_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_policy_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS) -lm
tests_unit_test_core_blind_SOURCES = tests/unit/test_core_blind.c tests/unit/plan_fixture.c \
	tests/unit/plan_fixture.h tests/unit/suite.h
tests_unit_test_core_blind_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_blind_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)
tests_unit_test_core_condition_SOURCES = tests/unit/test_core_condition.c tests/unit/suite.h
tests_unit_test_core_condition_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_condition_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)
tests_unit_test_core_decide_SOURCES = tests/unit/test_core_decide.c tests/unit/plan_fixture.c \
	tests/unit/plan_fixture.h tests/unit/suite.h
tests_unit_test_core_decide_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_decide_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)
tests_unit_test_core_model_SOURCES = tests/unit/test_core_model.c tests/unit/plan_fixture.c \
	tests/unit/plan_fixture.h tests/unit/suite.h
tests_unit_test_core_model_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_model_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)
tests_unit_test_core_stream_SOURCES = tests/unit/test_core_stream.c tests/unit/plan_fixture.c \
	tests/unit/plan_fixture.h tests/unit/suite.h
tests_unit_test_core_stream_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_stream_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)
tests_unit_test_core_token_SOURCES = tests/unit/test_core_token.c tests/unit/plan_fixture.c \
	tests/unit/plan_fixture.h tests/unit/suite.h
tests_unit_test_core_token_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_token_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)
tests_unit_test_core_draw_SOURCES = tests/unit/test_core_draw.c tests/unit/suite.h
tests_unit_test_core_draw_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_draw_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)
tests_unit_test_core_plan_SOURCES = tests/unit/test_core_plan.c tests/unit/plan_fixture.c \
	tests/unit/plan_fixture.h tests/unit/suite.h
tests_unit_test_core_plan_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_plan_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)
tests_unit_test_core_uniform_SOURCES = tests/unit/test_core_uniform.c tests/unit/plan_fixture.c \
	tests/unit/plan_fixture.h tests/unit/suite.h
tests_unit_test_core_uniform_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_uniform_LDADD = libcore.a libstats.a $(CHECK_LIBS) $(SODIUM_LIBS) -lm
tests_unit_test_core_unit_SOURCES = tests/unit/test_core_unit.c tests/unit/suite.h
tests_unit_test_core_unit_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_core_unit_LDADD = libcore.a $(CHECK_LIBS) $(SODIUM_LIBS)

CODEC_TESTS = \
	tests/unit/test_codec_json_in tests/unit/test_codec_memory tests/unit/test_codec_plan_json \
	tests/unit/test_codec_plan_model tests/unit/test_codec_plan_set tests/unit/test_codec_text
check_PROGRAMS += $(CODEC_TESTS)
TESTS += $(CODEC_TESTS)
check_PROGRAMS += tests/unit/test_json_quick
TESTS += tests/unit/test_json_quick
tests_unit_test_json_quick_SOURCES = tests/unit/test_json_quick.c tests/unit/json_twins.c tests/unit/json_twins.h \
	tests/unit/suite.h
tests_unit_test_json_quick_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_json_quick_LDADD = libcodec.a libbase.a libcore.a $(CHECK_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS) -lm
tests_unit_test_codec_json_in_SOURCES = tests/unit/test_codec_json_in.c tests/unit/suite.h
tests_unit_test_codec_json_in_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_codec_json_in_LDADD = libcodec.a libcore.a $(CHECK_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS)
tests_unit_test_codec_plan_json_SOURCES = tests/unit/test_codec_plan_json.c tests/unit/suite.h
tests_unit_test_codec_plan_json_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_codec_plan_json_LDADD = libcodec.a libcore.a $(CHECK_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS)
tests_unit_test_codec_plan_model_SOURCES = tests/unit/test_codec_plan_model.c tests/unit/model_document.h tests/unit/suite.h
tests_unit_test_codec_plan_model_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_codec_plan_model_LDADD = libcodec.a libcore.a $(CHECK_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS)
tests_unit_test_codec_plan_set_SOURCES = tests/unit/test_codec_plan_set.c tests/unit/model_document.h tests/unit/suite.h
tests_unit_test_codec_plan_set_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_codec_plan_set_LDADD = libcodec.a libcore.a $(CHECK_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS)
tests_unit_test_codec_text_SOURCES = tests/unit/test_codec_text.c tests/unit/suite.h
tests_unit_test_codec_text_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_codec_text_LDADD = libcodec.a libcore.a $(CHECK_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS)
tests_unit_test_codec_memory_SOURCES = tests/unit/test_codec_memory.c tests/unit/model_document.h tests/unit/suite.h
tests_unit_test_codec_memory_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
tests_unit_test_codec_memory_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
tests_unit_test_codec_memory_LDADD = libcodec.a libcore.a $(CHECK_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS)

# conditions: patterns, segments, bounds, and a random comparison with another evaluator
CONDITION_TESTS = \
	tests/unit/test_core_pattern tests/unit/test_core_segment tests/unit/test_condition_random
check_PROGRAMS += $(CONDITION_TESTS)
TESTS += $(CONDITION_TESTS)
tests_unit_test_core_pattern_SOURCES = tests/unit/test_core_pattern.c tests/unit/suite.h
tests_unit_test_core_pattern_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_test_core_pattern_LDADD = libcore.a $(CHECK_LIBS)
tests_unit_test_core_segment_SOURCES = tests/unit/test_core_segment.c tests/unit/suite.h
tests_unit_test_core_segment_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_core_segment_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
tests_unit_test_core_segment_LDADD = libcodec.a libcore.a $(CHECK_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS)
tests_unit_test_condition_random_SOURCES = tests/unit/test_condition_random.c \
	tests/unit/condition_reference.c tests/unit/condition_reference.h
tests_unit_test_condition_random_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_unit_test_condition_random_LDADD = libcodec.a libcore.a $(JANSSON_LIBS) $(SODIUM_LIBS)
