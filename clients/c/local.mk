# clients/c: libcohort-client. All of it, src/core and src/codec included, is compiled again as position-independent
# code; the archive is one object in which only cohort_* can be seen from outside, the shared library is linked from the
# same parts.
client_abi = 0
client_so = clients/c/libcohort-client.so.$(client_abi)

noinst_LIBRARIES += clients/c/libparts.a
clients_c_libparts_a_SOURCES = \
	clients/c/backoff.c clients/c/backoff.h \
	clients/c/client.c clients/c/client_private.h clients/c/cohort_client.h \
	clients/c/context.c clients/c/context.h \
	clients/c/evaluate.c clients/c/evaluate.h \
	clients/c/evaluate_here.c \
	clients/c/evaluate_there.c \
	clients/c/http.c clients/c/http.h \
	clients/c/journal.c clients/c/journal.h \
	clients/c/poller.c \
	clients/c/queue.c clients/c/queue.h \
	clients/c/report.c \
	clients/c/say.c clients/c/say.h \
	clients/c/sender.c \
	src/base/buffer.c src/base/clock.c \
	$(libcore_a_SOURCES) $(libcodec_a_SOURCES)
clients_c_libparts_a_CFLAGS = $(AM_CFLAGS) -ffp-contract=off -fPIC -fvisibility=hidden -I$(top_srcdir) -DPACKAGE_VERSION='"$(PACKAGE_VERSION)"' \
	$(CURL_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS) $(PCRE2_CFLAGS)
client_libs = $(CURL_LIBS) $(JANSSON_LIBS) $(SODIUM_LIBS) $(PCRE2_LIBS) $(CRYPTO_LIBS) -lm

clients/c/libcohort-client.a: clients/c/libparts.a
	$(AM_V_GEN)rm -f $@ && $(LD) -r -o $@.o --whole-archive clients/c/libparts.a --no-whole-archive && \
		$(OBJCOPY) --localize-hidden $@.o && $(AR) cr $@ $@.o && rm -f $@.o
$(client_so): clients/c/libparts.a $(top_srcdir)/clients/c/libcohort-client.map
	$(AM_V_CCLD)$(CC) -shared $(CFLAGS) $(SAN_CFLAGS) $(LDFLAGS) -pthread -Wl,-soname,libcohort-client.so.$(client_abi) \
		-Wl,--version-script=$(top_srcdir)/clients/c/libcohort-client.map -o $@ \
		-Wl,--whole-archive clients/c/libparts.a -Wl,--no-whole-archive $(client_libs)
clients/c/libcohort-client.so: $(client_so)
	$(AM_V_at)ln -sf libcohort-client.so.$(client_abi) $@
client_files = clients/c/libcohort-client.a $(client_so) clients/c/libcohort-client.so
noinst_DATA = $(client_files) clients/c/cohort-client.pc
CLEANFILES += $(client_files) clients/c/cohort-client.pc
include_HEADERS = clients/c/cohort_client.h
pkgconfigdir = $(libdir)/pkgconfig
pkgconfig_DATA = clients/c/cohort-client.pc
clients/c/cohort-client.pc: $(top_srcdir)/clients/c/cohort-client.pc.in Makefile
	$(AM_V_GEN)mkdir -p clients/c && sed -e 's|@prefix[@]|$(prefix)|' -e 's|@exec_prefix[@]|$(exec_prefix)|' \
		-e 's|@libdir[@]|$(libdir)|' -e 's|@includedir[@]|$(includedir)|' -e 's|@PACKAGE_VERSION[@]|$(PACKAGE_VERSION)|' \
		$(top_srcdir)/clients/c/cohort-client.pc.in >$@.tmp && mv $@.tmp $@

install-exec-local: $(client_files)
	$(MKDIR_P) '$(DESTDIR)$(libdir)'
	$(INSTALL_DATA) clients/c/libcohort-client.a '$(DESTDIR)$(libdir)'
	$(INSTALL_PROGRAM) $(client_so) '$(DESTDIR)$(libdir)'
	ln -sf libcohort-client.so.$(client_abi) '$(DESTDIR)$(libdir)/libcohort-client.so'
uninstall-local:
	cd '$(DESTDIR)$(libdir)' && rm -f libcohort-client.a libcohort-client.so libcohort-client.so.$(client_abi)

EXTRA_DIST += clients/c/README.md clients/c/libcohort-client.map clients/c/cohort-client.pc.in clients/c/symbols.txt
