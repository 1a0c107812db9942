noinst_LIBRARIES += libstore.a
libstore_a_SOURCES = \
	src/store/pg.c \
	src/store/pg.h
libstore_a_CFLAGS = $(AM_CFLAGS) $(PQ_CFLAGS) $(SODIUM_CFLAGS) $(JANSSON_CFLAGS)
