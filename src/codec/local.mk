noinst_LIBRARIES += libcodec.a
libcodec_a_SOURCES = \
	src/codec/json_dump.c src/codec/json_dump.h \
	src/codec/json_attr.c src/codec/json_attr.h \
	src/codec/json_in.c src/codec/json_in.h \
	src/codec/json_out.c src/codec/json_out.h \
	src/codec/json_quick.c src/codec/json_quick.h \
	src/codec/json_scan.c src/codec/json_scan.h \
	src/codec/json_tame.c src/codec/json_tame.h \
	src/codec/plan_document.c src/codec/plan_document.h \
	src/codec/model_json.c src/codec/model_json.h \
	src/codec/plan_bandit.c \
	src/codec/plan_experiments.c \
	src/codec/plan_fields.c src/codec/plan_fields.h \
	src/codec/plan_json.c src/codec/plan_json.h \
	src/codec/record.c src/codec/record.h src/codec/record_bytes.h \
	src/codec/record_list.c src/codec/record_list.h \
	src/codec/text.c
libcodec_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
