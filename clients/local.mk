# Clients, each with a list of its own, and the misbehaving server that all of them are tried against.
EXTRA_DIST += clients/tests/trouble_server.py
