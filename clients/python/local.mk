# The client for Python. Nothing of it is built; its tests run it where it lies.
python_client = clients/python/pyproject.toml clients/python/README.md \
	clients/python/src/cohort_client/__init__.py clients/python/src/cohort_client/_backoff.py \
	clients/python/src/cohort_client/_clock.py clients/python/src/cohort_client/_delivery.py \
	clients/python/src/cohort_client/_evaluate.py clients/python/src/cohort_client/_events.py \
	clients/python/src/cohort_client/_http.py clients/python/src/cohort_client/_ids.py \
	clients/python/src/cohort_client/_journal.py clients/python/src/cohort_client/_queue.py \
	clients/python/src/cohort_client/_say.py clients/python/src/cohort_client/_sender.py \
	clients/python/src/cohort_client/aio.py clients/python/src/cohort_client/client.py \
	clients/python/src/cohort_client/details.py clients/python/src/cohort_client/flags.py \
	clients/python/src/cohort_client/hashing.py clients/python/src/cohort_client/openfeature.py \
	clients/python/src/cohort_client/py.typed
python_client_tests = clients/python/tests/contract.py clients/python/tests/trouble.py clients/python/tests/server.py \
	clients/python/tests/kills.py clients/python/tests/provider.py clients/python/tests/quickstart.py
TESTS += $(python_client_tests)
EXTRA_DIST += $(python_client) $(python_client_tests) clients/python/tests/bed.py docs/quickstart-python.md
