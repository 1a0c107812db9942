noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	src/base/buffer.c src/base/buffer.h \
	src/base/call.h \
	src/base/clock.c src/base/clock.h \
	src/base/counters.c src/base/counters.h \
	src/base/log.c src/base/log.h \
	src/base/log_text.c src/base/log_text.h \
	src/base/mailbox.c src/base/mailbox.h
libbase_a_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(SODIUM_CFLAGS)
