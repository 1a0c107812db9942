#!/usr/bin/env python3
"""cohortd is killed by SIGKILL twenty times while a Node program and a web page track without a pause: what the clients said they
kept is stored, once. Prints a table: events sent, acknowledged, stored, doubled, lost."""
import json
import os
import random
import signal
import subprocess
import sys
import threading

import js

KILLS = 20
SEED = int(os.environ.get("FAULT_SEED", "20240607"))


class Client:
    """One of the programs under kills/: it tracks until its input ends, drains, and prints its statistics and the ids it made."""

    def __init__(self, name, address, s):
        env = dict(os.environ, COHORTD=json.dumps({"url": address, "keys": s.keys}))
        self.name = name
        self.process = subprocess.Popen(["node", f"kills/{name}.mjs"], cwd=os.path.join(js.PLACE, "test"), env=env,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"

    def end(self):
        out, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, self.name
        return json.loads(out)


def kill(s, chance):
    pause = threading.Event()
    for _ in range(KILLS):
        pause.wait(0.1 + chance.random() * 0.4)
        s.stop(signal.SIGKILL)
        s.start()


def check(c, s, name, said):
    ids = said["ids"]
    listed = ",".join(f"('{i}'::uuid)" for i in ids)
    query = (f"with made(id) as (values {listed}) select count(distinct o.event_id), count(o.event_id) from made "
             "left join cohort.outcome o on o.event_id = made.id")
    s.until(lambda: int(s.sql(query)[0][0]) >= said["accepted"],
            f"{name}: what was acknowledged is stored")
    stored, rows = (int(n) for n in s.sql(query)[0])
    print(f"{name:8} sent {len(ids)}  acknowledged {said['accepted']}  stored {stored}  doubled {rows - stored}  lost {len(ids) - stored}  "
          f"attempts that failed {said['retries']}", flush=True)
    c.equal(f"{name}: nothing is left, dropped or refused, and all that was tracked was made", (said["queued"], said["dropped"], said["rejected"], said["tracked"]), (0, 0, 0, len(ids)))
    c.equal(f"{name}: all that was kept is stored", stored, len(ids))
    c.equal(f"{name}: nothing twice", rows, stored)


def main():
    js.prepare()
    names = ["node"] + (["web"] if os.path.exists(os.environ.get("CHROMIUM", "/usr/bin/chromium")) else [])
    if len(names) == 1:
        print("skipped: chromium is not installed, so no web page takes part", flush=True)
    c = js.Checks()
    with js.Port() as port, js.Server("--listen", f"127.0.0.1:{port.number}", "--client-events", "token") as s:
        js.define(s)
        clients = [Client(name, s.info["url"], s) for name in names]
        kill(s, random.Random(SEED))
        for client in clients:
            client.process.stdin.close()
            client.process.stdin = None
        for client in clients:
            check(c, s, client.name, client.end())
    c.done()


if __name__ == "__main__":
    sys.exit(main())
