#!/usr/bin/env python3
"""docs/quickstart-python.md exactly as printed: the service serves, tracks, and drains when it is interrupted or terminated."""
import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request

import bed
from cohort_server import Checks, Server, experiment
from trouble_server import Port


def fetch(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as r:
            return r.read().decode()
    except OSError:
        return None


def serve(c, s, tmp, command, end):
    user = f"c-{end.name}"
    decided = s.evaluate("checkout_cta", user)["value"]
    with Port() as port:
        env = dict(os.environ, PYTHONPATH=os.path.join(bed.TOP, command.group(1)), COHORT_URL=s.info["url"], COHORT_KEY=s.keys["events"],
                   PORT=str(port.number))
        use(c, port.number, user, decided, subprocess.Popen(command.group(2).split(), cwd=tmp, env=env, stderr=subprocess.PIPE), end)
    s.until(lambda: s.sql(f"select 1 from cohort.outcome where unit_id = cohort.unit_id('user', '{user}')"), "the outcome")
    c.check(f"it drained at {end.name}", True)


def use(c, port, user, decided, p, end):
    """As printed it gives cohortd a second: on a machine that stands still as long it may serve its default, and is asked again."""
    try:
        bed.until(lambda: fetch(port, f"/?user={user}") == decided, "the service serves what cohortd decides")
        bed.until(lambda: fetch(port, f"/unsubscribe?user={user}") == decided, "and tracks")
        c.check("it serves what cohortd decides, and tracks", True)
    finally:
        p.send_signal(end)
        try:
            p.communicate(timeout=60)
        finally:
            p.kill()


def main():
    c = Checks()
    with open(os.path.join(bed.TOP, "docs", "quickstart-python.md"), encoding="utf-8") as f:
        page = f.read()
    c.check("the page has at most 25 lines", len(page.splitlines()) <= 25)
    program = re.search(r"```python\n(.*?)```", page, re.S).group(1)
    with Server() as s, tempfile.TemporaryDirectory() as tmp:
        s.put("/v1/experiments/checkout_cta", experiment())
        s.post("/v1/experiments/checkout_cta/start")
        s.until(lambda: s.evaluate("checkout_cta", "c-17")["reason"] == "SPLIT", "the experiment runs")
        with open(os.path.join(tmp, "service.py"), "w", encoding="utf-8") as f:
            f.write(program)
        command = re.search(r"^    PYTHONPATH=(\S+) .* (python3 service\.py)$", page, re.M)
        for end in (signal.SIGINT, signal.SIGTERM):
            serve(c, s, tmp, command, end)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
