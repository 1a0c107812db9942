#!/usr/bin/env python3
"""F9: a server's clock jumps: an hour, a year, forwards and backwards. Assignments stay, nothing is stopped that does no
harm, and what is acknowledged is stored."""
import sys
import tempfile

from fault import Load, Node, Postgres, Shim, check, drain, run, until

HOUR, YEAR = 3600, 365 * 86400


def assignments(node):
    return [node.evaluate("cta", f"p-{i}")["variant"] for i in range(60)]


def jump(node, shim, shift, before, checks, result):
    shim.set(shift=shift)
    passes = node.metric("cohortd_monitor_passes_total")
    until(lambda: node.metric("cohortd_monitor_passes_total") > passes + 1, "the monitor goes on")
    checks.equal(f"clock {shift:+d} s: the same assignments", assignments(node), before)
    result.cycles += 1


def fault(checks, result):
    with tempfile.TemporaryDirectory(prefix="cohort-fault.") as d, Postgres() as pg:
        shim, node = Shim(d), Node(pg)
        node.environment = shim.environment(node.program)
        with node:
            node.begin("cta")
            before = assignments(node)
            # A clock that is ahead within event_max_age takes the events of clients whose clocks are right; by one that
            # is behind they come from the future and are dead letters, with that reason: none are sent then.
            with Load([node], decide="cta", give_up=False) as load:
                for shift in (HOUR, 0):
                    jump(node, shim, shift, before, checks, result)
            for shift in (-HOUR, YEAR, -YEAR, 0):
                jump(node, shim, shift, before, checks, result)
            drain([node])
            check(pg, load, result, checks)
            checks.equal("nothing was stopped", pg.value("select count(*) from cohort.stop_event"), "0")
            checks.equal("the experiment runs", node.evaluate("cta", "c")["reason"], "SPLIT")


if __name__ == "__main__":
    sys.exit(run("F9 clock", fault))
