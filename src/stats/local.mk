noinst_LIBRARIES += libstats.a
libstats_a_SOURCES = \
	src/stats/drift.c src/stats/drift.h \
	src/stats/evt.c src/stats/evt.h \
	src/stats/fixed.c src/stats/fixed.h \
	src/stats/guardrail.c src/stats/guardrail.h \
	src/stats/multiplicity.c src/stats/multiplicity.h \
	src/stats/power.c src/stats/power.h \
	src/stats/special.c src/stats/special.h \
	src/stats/srm.c src/stats/srm.h
libstats_a_CFLAGS = $(AM_CFLAGS)
