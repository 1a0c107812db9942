# tests/integration: each starts a private PostgreSQL of its own (pg.sh) and needs no running server.
AM_TESTS_ENVIRONMENT = PG_BINDIR='$(PG_BINDIR)'; export PG_BINDIR;
EXTRA_DIST += tests/integration/pg.sh
