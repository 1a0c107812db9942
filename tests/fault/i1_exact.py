#!/usr/bin/env python3
"""I1: many events, a fifth of them again over other connections and another node, with restarts: the count is exact."""
import signal
import sys

from fault import LONG, Load, Node, Postgres, check, drain, run

CLIENTS = 4
NO_CONFLICT = [("cohort.ingest_outcomes(bigint,uuid)", "on conflict (unit_id, event_id, ts) do nothing", "")]


def exact(checks, result, events, sql=(), restarts=3, repeat=0.2):
    with Postgres() as pg, Node(pg, "node-a") as a, Node(pg, "node-b") as b:
        pg.mutate(sql)
        with Load([a, b], clients=CLIENTS, batch=500, share=events // CLIENTS, give_up=False, people=5000, repeat=repeat) as load:
            for i in range(restarts):
                load.wait_for(events // (restarts + 2), 3600)
                node = (a, b)[i % 2]
                node.stop(signal.SIGKILL if i % 3 else signal.SIGTERM)
                node.start()
                result.cycles += 1
            while not load.finished():
                load.wait_for(1, 3600)
        result.recovered(drain([a, b], 20 if sql else 1200))
        result.notes.append(f"{load.answered / load.seconds:.0f} new events/s")
        check(pg, load, result, checks)
        made = sum(c.ledger.made for c in load.clients)
        bad = sum(x.bad for c in load.clients for x in c.ledger.batches)
        checks.equal(f"exactly {events} events made, and {events - bad} outcomes stored",
                     (made, pg.value("select count(*) from cohort.outcome")), (events, str(events - bad)))


def fault(checks, result):
    exact(checks, result, 10_000_000 if LONG else 1_000_000)


def no_conflict(checks, result, sql):
    exact(checks, result, 8_000, sql, restarts=1, repeat=1)


if __name__ == "__main__":
    sys.exit(run("I1 exact count", fault, ("ON CONFLICT is dropped", NO_CONFLICT, no_conflict)))
