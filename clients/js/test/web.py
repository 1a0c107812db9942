#!/usr/bin/env python3
"""The JavaScript client in headless Chromium: against a real cohortd that asks browsers for event tokens, and a server that
misbehaves; and the unmodified OFREP web provider of OpenFeature beside it."""
import os
import sys

import js

if not os.path.exists(os.environ.get("CHROMIUM", "/usr/bin/chromium")):
    js.skip("chromium is not installed")
js.prepare()
with js.Server("--client-events", "token") as s:
    js.define(s)
    status = js.node_tests("web/cohortd.test.mjs", "web/trouble.test.mjs", server=s)
    # By itself: its edits make every open page ask again.
    status = js.node_tests("web/push.test.mjs", server=s) or status
sys.exit(status)
