noinst_LIBRARIES += libspool.a
libspool_a_SOURCES = \
	src/spool/group.c \
	src/spool/group.h \
	src/spool/salvage.c \
	src/spool/salvage.h \
	src/spool/snapshot.c \
	src/spool/snapshot.h \
	src/spool/snapshot_file.c \
	src/spool/snapshot_file.h \
	src/spool/snapshot_stops.c \
	src/spool/snapshot_private.h \
	src/spool/spool.c \
	src/spool/spool.h \
	src/spool/spool_internal.h \
	src/spool/spool_file.c \
	src/spool/spool_file.h \
	src/spool/spool_mark.c \
	src/spool/spool_mark.h \
	src/spool/spool_meta.c \
	src/spool/spool_open.c \
	src/spool/spool_repair.c \
	src/spool/spool_read.c
libspool_a_CFLAGS = $(AM_CFLAGS) $(SQLITE_CFLAGS) $(SODIUM_CFLAGS)
