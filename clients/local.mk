# clients: what they share; each has a local.mk of its own where make builds something of it.
EXTRA_DIST += clients/README.md clients/tests/trouble_server.py tests/vectors/event_retries.json
include clients/python/local.mk
include clients/js/local.mk
