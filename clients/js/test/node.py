#!/usr/bin/env python3
"""The JavaScript client in Node against a real cohortd, and the unmodified OFREP provider of OpenFeature beside it."""
import sys

import js

js.prepare()
with js.Server() as s:
    js.define(s)
    status = js.node_tests("node/cohortd.test.mjs", "node/ofrep.test.mjs", "node/documents.test.mjs", server=s)
sys.exit(status)
