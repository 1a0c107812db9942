noinst_LIBRARIES += libcore.a
libcore_a_SOURCES = \
	src/core/error.c src/core/error.h
libcore_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
