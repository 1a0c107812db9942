#!/usr/bin/env python3
"""The JavaScript client without a cohortd: its parts, its queue in virtual time, and a server that misbehaves."""
import os
import sys

import js

js.prepare()
unit = sorted(f"unit/{f}" for f in os.listdir(os.path.join(js.HERE, "unit")))
sys.exit(js.node_tests(*unit, "node/trouble.test.mjs", "node/vectors.test.mjs"))
