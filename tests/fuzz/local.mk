# tests/fuzz: the targets, which libFuzzer drives where clang is (--enable-fuzzing), and the saved corpora, which
# any build replays.
FUZZ_SOURCES = \
	tests/fuzz/fuzz.h tests/fuzz/targets.c \
	tests/fuzz/api.c tests/fuzz/condition.c tests/fuzz/decision.c tests/fuzz/events.c tests/fuzz/http.c \
	tests/fuzz/key.c tests/fuzz/outcomes.c tests/fuzz/plan.c tests/fuzz/record.c tests/fuzz/snapshot.c \
	tests/fuzz/spool.c tests/fuzz/text.c tests/fuzz/token.c \
	tests/unit/api_bed.c tests/unit/api_bed.h tests/unit/event_readers.c tests/unit/event_readers.h \
	tests/unit/json_twins.c tests/unit/json_twins.h \
	tests/unit/model_document.h
check_LIBRARIES += libfuzz.a
libfuzz_a_SOURCES = $(FUZZ_SOURCES)
libfuzz_a_CFLAGS = $(AM_CFLAGS) -I$(top_srcdir)/tests $(EVENT_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(SQLITE_CFLAGS)
fuzz_libs = libfuzz.a libweb.a libspool.a libcodec.a libbase.a libcore.a \
	$(EVENT_LIBS) $(SQLITE_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS) -lm
check_PROGRAMS += tests/fuzz/replay
tests_fuzz_replay_SOURCES = tests/fuzz/replay.c
tests_fuzz_replay_CFLAGS = $(libfuzz_a_CFLAGS)
tests_fuzz_replay_LDADD = $(fuzz_libs)

# clang only: ./configure --enable-fuzzing, then make tests/fuzz/fuzz.
EXTRA_PROGRAMS += tests/fuzz/fuzz
tests_fuzz_fuzz_SOURCES = tests/fuzz/libfuzzer.c
tests_fuzz_fuzz_CFLAGS = $(libfuzz_a_CFLAGS)
tests_fuzz_fuzz_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
tests_fuzz_fuzz_LDADD = $(fuzz_libs)

fuzz_corpora = $(wildcard $(top_srcdir)/tests/fuzz/corpus/*)
TESTS += tests/fuzz/corpus.sh
EXTRA_DIST += tests/fuzz/corpus.sh tests/fuzz/short.sh tests/fuzz/fuzz.py tests/fuzz/seeds.py tests/fuzz/words.dict $(fuzz_corpora)
EXTRA_DIST += tests/fuzz/corpus.sh tests/fuzz/short.sh tests/fuzz/fuzz.py tests/fuzz/seeds.py \
	tests/fuzz/words.dict $(fuzz_corpora)
