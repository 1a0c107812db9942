#!/usr/bin/env python3
"""The memory of cohortd while PostgreSQL is away and events go on coming.

    COHORT_BUILD=build tests/bench/memory.py [minutes] [events a second]

Batches of 100 outcomes at an even pace, one decision a batch. Prints the resident memory each minute, and what is in the
spool; at the end the database comes back and everything is shipped.
"""
import os
import sys
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "fault"))
from fault import Node, Postgres, drain, experiment, now  # noqa: E402

BATCH = 100


def outcomes():
    ts = now()
    return {"events": [{"id": str(uuid.uuid4()), "name": "unsubscribe", "units": {"user": uuid.uuid4().hex[:16]}, "ts": ts}
                       for _ in range(BATCH)]}


def spooled_mb(node):
    return sum(os.path.getsize(os.path.join(node.data, f)) for f in os.listdir(node.data) if f.startswith("spool.db")) >> 20


def main():
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 3
    rate = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    with Postgres() as pg, Node(pg) as node:
        node.put("/v1/experiments/cta", experiment(guardrails=[]))
        node.post("/v1/experiments/cta/start")
        node.until(lambda: node.evaluate("cta", "c")["reason"] == "SPLIT", "it runs")
        pg.stop("fast")
        begin = time.monotonic()
        sent, next_look = 0, 0.0
        while (spent := time.monotonic() - begin) < minutes * 60 or next_look <= minutes * 60:
            if spent >= next_look:
                print(f"{next_look / 60:4.0f} min: {node.memory_kb():7d} KB resident, {sent:8d} events, "
                      f"{spooled_mb(node):5d} MB of spool", flush=True)
                next_look += 60
            if sent > spent * rate:
                time.sleep(sent / rate - spent)
                continue
            answer = node.post("/v1/outcomes", outcomes(), key="events")
            assert answer.status == 202, answer
            node.evaluate("cta", uuid.uuid4().hex)
            sent += BATCH
        pg.start()
        print(f"shipped in {drain([node], 600):.1f} s, then {node.memory_kb()} KB")


if __name__ == "__main__":
    main()
