#!/usr/bin/env python3
"""F8: the spool's disk is full or broken. Events get 503, never a false 202; decisions go on; it heals by itself. By errors
of each write and sync, and on a real full file system where one can be mounted."""
import errno
import sys
import tempfile
import time

from fault import HUNG, LONG, Load, Node, Postgres, Shim, SmallDisk, check, drain, run, until


def refused(load):
    answers = load.answers()
    return answers.get(("events", 503), 0) + answers.get(("events", HUNG), 0)


def broken(node, load, checks, result, what, begin, end):
    """Events are refused while it lasts, decisions are not, and events are taken again after it."""
    before, decided = refused(load), len(load.decision_times)
    begin()
    until(lambda: refused(load) > before + 10, f"{what}: events get 503")
    until(lambda: len(load.decision_times) > decided + 10, f"{what}: decisions go on")
    end()
    began = time.monotonic()
    load.wait_for(500)
    result.recovered(time.monotonic() - began)
    result.cycles += 1
    checks.check(f"{what}: events are refused, decisions go on, and it heals", True)


def by_errors(checks, result):
    with tempfile.TemporaryDirectory(prefix="cohort-fault.") as d, Postgres() as pg:
        shim, node = Shim(d), Node(pg)
        node.environment = shim.environment(node.program)
        with node:
            node.begin("cta", guardrails=[])
            with Load([node], decide="cta", give_up=False) as load:
                for code in (errno.ENOSPC, errno.EIO) * (20 if LONG else 1):
                    load.wait_for(500)
                    broken(node, load, checks, result, errno.errorcode[code], lambda c=code: shim.set(broken=c), shim.set)
            drain([node])
            check(pg, load, result, checks)
            checks.check("no answer but 202 and 503 for events, 200 for decisions",
                         set(load.answers()) <= {("events", 202), ("events", 503), ("events", HUNG), ("decision", 200)}, load.answers())


def by_mount(checks, result):
    """The data directory on a file system of its own, filled by somebody else's file."""
    with SmallDisk() as disk:
        if not disk.path:
            return
        with Postgres() as pg, Node(pg, data=disk.path) as node:
            node.begin("cta", guardrails=[])
            with Load([node], decide="cta", give_up=False) as load:
                load.wait_for(500)
                broken(node, load, checks, result, "a full disk", disk.fill, disk.free)
            drain([node])
            check(pg, load, result, checks)


def fault(checks, result):
    by_errors(checks, result)
    by_mount(checks, result)


if __name__ == "__main__":
    sys.exit(run("F8 disk full, EIO", fault))
