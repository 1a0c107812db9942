#!/usr/bin/env python3
"""F6: PostgreSQL hangs: tables are locked, its processes stand still. Decisions and events go on meanwhile, and a server that
starts then waits."""
import contextlib
import os
import signal
import sys
import threading

from fault import LONG, Load, Node, Postgres, check, drain, run, until


def locked(pg, load):
    # The roll-up takes some of them in another order, and the database may choose us to end the deadlock.
    holder = until(lambda: pg.hold("begin; lock table cohort.outcome, cohort.decision, cohort.experiment, cohort.config_version,"
                                   " cohort.leader_state in access exclusive mode", check=False), "the tables are locked")
    load.wait_for(4000)
    holder.communicate(b"rollback;\n", timeout=60)


@contextlib.contextmanager
def standstill(pg):
    """Every process of the server stands still, as on a disk that hangs."""
    top = pg.postmaster()
    with open(f"/proc/{top}/task/{top}/children") as f:
        pids = [top] + [int(p) for p in f.read().split()]
    for p in pids:
        os.kill(p, signal.SIGSTOP)
    try:
        yield
    finally:
        for p in pids:
            try:
                os.kill(p, signal.SIGCONT)
            except ProcessLookupError:
                pass


def frozen(pg, load):
    with standstill(pg):
        load.wait_for(4000)


def frozen_at_start(pg, checks):
    """The first connection is not answered in time, and the database is there again when it is asked why."""
    node, stands = Node(pg, "node-b"), threading.Event()

    def end():
        with standstill(pg):
            stands.set()
            until(lambda: "waiting for the database" in node.log(), "the first connection was not answered")
    thread = threading.Thread(target=end)
    thread.start()
    stands.wait()
    with node:
        thread.join()
    checks.check("a server that starts while the database stands still waits for it", True)


def fault(checks, result):
    with Postgres() as pg, Node(pg) as node:
        node.begin("cta", guardrails=[])
        with Load([node], decide="cta", give_up=False) as load:
            load.wait_for(2000)
            for one in (locked, frozen) * (20 if LONG else 1):
                before = len(load.decision_times)
                one(pg, load)
                during = sorted(load.decision_times[before:])
                result.cycles += 1
                result.notes.append(f"{one.__name__}: {len(during)} decisions, slowest {1000 * during[-1]:.0f} ms")
                checks.check(f"{one.__name__}: decisions went on", len(during) > 5, len(during))
        result.notes = result.notes[:2]
        result.recovered(drain([node]))
        load.check_answered(checks)
        check(pg, load, result, checks, decisions="all")
        frozen_at_start(pg, checks)


if __name__ == "__main__":
    sys.exit(run("F6 PostgreSQL hangs", fault))
