noinst_LIBRARIES += libcodec.a
libcodec_a_SOURCES = \
	src/codec/record.c \
	src/codec/record.h
libcodec_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
