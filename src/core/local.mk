noinst_LIBRARIES += libcore.a
libcore_a_SOURCES = \
	src/core/arena.c src/core/arena.h \
	src/core/base64.c src/core/base64.h \
	src/core/attr.c src/core/attr.h \
	src/core/condition.c src/core/condition.h src/core/condition_private.h \
	src/core/condition_demand.c \
	src/core/condition_eval.c \
	src/core/decide.c src/core/decide.h src/core/decide_private.h \
	src/core/decide_experiment.c \
	src/core/decide_holdout.c \
	src/core/decide_prerequisite.c \
	src/core/decide_sticky.c \
	src/core/draw.c src/core/draw.h \
	src/core/error.c src/core/error.h \
	src/core/event_token.c src/core/event_token.h \
	src/core/features.c src/core/features.h \
	src/core/fold.c src/core/fold.h \
	src/core/model.c src/core/model.h \
	src/core/pattern.c src/core/pattern.h \
	src/core/plan.c src/core/plan.h src/core/plan_private.h \
	src/core/plan_bandit.c \
	src/core/plan_build.c src/core/plan_build.h src/core/plan_builder_private.h \
	src/core/plan_contextual.c \
	src/core/plan_draw.c \
	src/core/plan_experiment.c \
	src/core/plan_flag.c \
	src/core/plan_inputs.c \
	src/core/plan_link.c \
	src/core/plan_model.c \
	src/core/plan_phase.c \
	src/core/plan_relations.c \
	src/core/plan_replay.c src/core/plan_replay.h \
	src/core/plan_reported.c \
	src/core/plan_set.c src/core/plan_set.h \
	src/core/plan_state.c src/core/plan_state.h \
	src/core/plan_stops.c src/core/plan_stops.h \
	src/core/policy.c src/core/policy.h \
	src/core/reason.c \
	src/core/segment.c src/core/segment.h \
	src/core/semver.c src/core/semver.h \
	src/core/slots.c src/core/slots.h \
	src/core/stream_token.c src/core/stream_token.h \
	src/core/subject.c \
	src/core/sha256.c src/core/sha256.h \
	src/core/token.c src/core/token.h src/core/token_private.h \
	src/core/trace.c src/core/trace.h \
	src/core/unit.c src/core/unit.h \
	src/core/value_set.c src/core/value_set.h
# No fused multiply-add: probabilities must be the same on every machine (src/core/policy.h).
libcore_a_CFLAGS = $(AM_CFLAGS) -ffp-contract=off $(PCRE2_CFLAGS) $(SODIUM_CFLAGS)
