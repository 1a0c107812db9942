# tests/bench

# All of them in one table: make bench, or make bench BENCH='ofrep bulk'; in a build with -O2. docs/performance.md.
bench_binaries = tests/bench/http_hello tests/bench/spool tests/bench/plan tests/bench/local_decisions tests/bench/streams tests/bench/load
EXTRA_DIST += tests/bench/run.py tests/bench/bench.py tests/bench/ofrep.py tests/bench/connections.py
.PHONY: bench
bench: cohortd$(EXEEXT) $(bench_binaries)
	@COHORT_BUILD=$(abs_top_builddir) srcdir=$(srcdir) python3 $(srcdir)/tests/bench/run.py $(BENCH)

# The request layer beside nginx.
EXTRA_PROGRAMS += tests/bench/http_hello
EXTRA_DIST += tests/bench/http_hello.py tests/bench/http_tls.sh
tests_bench_http_hello_SOURCES = tests/bench/http_hello.c
tests_bench_http_hello_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
tests_bench_http_hello_LDADD = libweb.a libcodec.a libbase.a libcore.a $(EVENT_LIBS) $(SODIUM_LIBS) $(JANSSON_LIBS) -lm

# The spool beside a bare fdatasync: make tests/bench/spool, in a build with -O2.
EXTRA_PROGRAMS += tests/bench/spool
tests_bench_spool_SOURCES = tests/bench/spool.c
tests_bench_spool_CFLAGS = $(AM_CFLAGS)
tests_bench_spool_LDADD = libspool.a libbase.a libcore.a $(SQLITE_LIBS) $(SODIUM_LIBS)

# From 202 to stored; memory while PostgreSQL is away.
EXTRA_DIST += tests/bench/ingest.py tests/bench/memory.py tests/bench/ofrep.py tests/bench/sizes.py

# Decisions in this process, compiling a plan, its memory: make tests/bench/plan, in a build with -O2.
EXTRA_PROGRAMS += tests/bench/plan
tests_bench_plan_SOURCES = tests/bench/plan.c
tests_bench_plan_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(SODIUM_CFLAGS)
tests_bench_plan_LDADD = libcodec.a libcore.a $(JANSSON_LIBS) $(SODIUM_LIBS) -lm

# The roll-up beside counting everything again.
EXTRA_DIST += tests/bench/rollup.sh tests/bench/rollup.sql

# Assignments computed again in SQL, beside the hashes they are made of.
EXTRA_DIST += tests/bench/recompute.sh tests/bench/recompute.sql

# Local decisions beside HTTP and beside another SDK: make tests/bench/local_decisions, in a build with -O2.
EXTRA_PROGRAMS += tests/bench/local_decisions
EXTRA_DIST += tests/bench/local_decisions.py tests/bench/local_decisions.mjs
tests_bench_local_decisions_SOURCES = tests/bench/local_decisions.c
tests_bench_local_decisions_CFLAGS = $(AM_CFLAGS) -I$(top_srcdir)/clients/c
tests_bench_local_decisions_LDADD = clients/c/libcohort-client.a $(client_libs)

# Answers under idle and hostile connections and in overload: make tests/bench/load and cohortd in a build with -O2, then
# COHORT_BUILD=build-rel tests/bench/limits.py.
check_PROGRAMS += tests/bench/load
EXTRA_DIST += tests/bench/limits.py tests/integration/load.py tests/integration/hostile.py
tests_bench_load_SOURCES = tests/bench/load.c
tests_bench_load_CFLAGS = $(AM_CFLAGS)

# What limits cost a request: make tests/bench/rate, in a build with -O2.
EXTRA_PROGRAMS += tests/bench/rate
tests_bench_rate_SOURCES = tests/bench/rate.c
tests_bench_rate_CFLAGS = $(AM_CFLAGS)
tests_bench_rate_LDADD = libweb.a libcodec.a libbase.a libcore.a $(EVENT_LIBS) $(SODIUM_LIBS) $(JANSSON_LIBS) -lm
# Many streams, and a change told to all of them: make tests/bench/streams, then tests/bench/streams.py.
EXTRA_PROGRAMS += tests/bench/streams
EXTRA_DIST += tests/bench/streams.py
tests_bench_streams_SOURCES = tests/bench/streams.c
tests_bench_streams_CFLAGS = $(AM_CFLAGS)
