# The JavaScript client: built and tried by npm in the build directory, which is skipped aloud where npm or its packages are not to be had.
js_tests = clients/js/test/units.py clients/js/test/node.py clients/js/test/kills.py
TESTS += $(js_tests)
EXTRA_DIST += $(js_tests) clients/js/test/web.py docs/quickstart-node.md docs/quickstart-web.md clients/js/README.md \
	clients/js/test/kills/node.mjs clients/js/test/kills/web.mjs clients/js/test/virtual.mjs \
	clients/js/.npmrc \
	clients/js/package-lock.json \
	clients/js/package.json \
	clients/js/packages/core/package.json \
	clients/js/packages/core/src/backoff.ts \
	clients/js/packages/core/src/clock.ts \
	clients/js/packages/core/src/events.ts \
	clients/js/packages/core/src/index.ts \
	clients/js/packages/core/src/metadata.ts \
	clients/js/packages/core/src/queue.ts \
	clients/js/packages/core/src/say.ts \
	clients/js/packages/core/src/sender.ts \
	clients/js/packages/core/src/store.ts \
	clients/js/packages/core/src/uuid.ts \
	clients/js/packages/core/tsconfig.json \
	clients/js/packages/openfeature-server/package.json \
	clients/js/packages/openfeature-server/src/breaker.ts \
	clients/js/packages/openfeature-server/src/decision_fetch.ts \
	clients/js/packages/openfeature-server/src/index.ts \
	clients/js/packages/openfeature-server/src/options.ts \
	clients/js/packages/openfeature-server/src/provider.ts \
	clients/js/packages/openfeature-server/tsconfig.json \
	clients/js/packages/openfeature-web/package.json \
	clients/js/packages/openfeature-web/src/browser_store.ts \
	clients/js/packages/openfeature-web/src/bulk_fetch.ts \
	clients/js/packages/openfeature-web/src/event_tokens.ts \
	clients/js/packages/openfeature-web/src/index.ts \
	clients/js/packages/openfeature-web/src/options.ts \
	clients/js/packages/openfeature-web/src/provider.ts \
	clients/js/packages/openfeature-web/src/session.ts \
	clients/js/packages/openfeature-web/tsconfig.json \
	clients/js/test/documents.mjs \
	clients/js/test/elsewhere.mjs \
	clients/js/test/harness.mjs \
	clients/js/test/js.py \
	clients/js/test/node/cohortd.test.mjs \
	clients/js/test/node/documents.test.mjs \
	clients/js/test/node/ofrep.test.mjs \
	clients/js/test/node/trouble.test.mjs \
	clients/js/test/node/vectors.test.mjs \
	clients/js/test/unit/parts.test.mjs \
	clients/js/test/unit/queue.test.mjs \
	clients/js/test/web/browser.mjs \
	clients/js/test/web/cohortd.test.mjs \
	clients/js/test/web/push.test.mjs \
	clients/js/test/web/site.mjs \
	clients/js/test/web/trouble.test.mjs \
	clients/js/tsconfig.base.json \
	clients/js/tsconfig.json
