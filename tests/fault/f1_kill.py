#!/usr/bin/env python3
"""F1: cohortd is killed by SIGKILL at random moments while it takes 1,000 events a second and more."""
import random
import signal
import sys
import tempfile
import time

from fault import HUNG, LONG, SEED, Load, Node, Postgres, Shim, check, drain, run, until


# Each new connection begins at the first group again.
NO_WATERMARK = [("cohort.spool_watermark(uuid,text)", "select s.watermark into mark from cohort.spool s where s.spool_id = $1",
                 "update cohort.spool s set watermark = 0 where s.spool_id = $1 returning s.watermark into mark")]


def cycles_of_kills(checks, result, cycles, sql=()):
    chance = random.Random(SEED)
    with Postgres() as pg, Node(pg) as node:
        pg.mutate(sql)
        node.begin("cta", guardrails=[])
        node.begin("seen", guardrails=[], exposure="reported")
        with Load([node], clients=4, decide="cta", reported="seen") as load:
            for _ in range(cycles):
                # Half of the kills hit right behind an answer, half anywhere.
                load.wait_for(chance.randrange(100, 1500))
                if chance.random() < 0.5:
                    load.pause.wait(chance.random() * 0.05)
                began = time.monotonic()
                node.stop(signal.SIGKILL)
                node.start()
                result.recovered(time.monotonic() - began)
                result.cycles += 1
            load.wait_for(500)
            # Once more when everything is stored: nothing of it is stored again.
            load.permitted.clear()
            drain([node])
            node.stop(signal.SIGKILL)
            node.start()
            load.permitted.set()
            load.wait_for(500)
        drain([node])
        result.notes.append(f"{load.answered / load.seconds:.0f} new events/s, repeats and restarts included")
        check(pg, load, result, checks)


def fault(checks, result):
    cycles_of_kills(checks, result, 1000 if LONG else 200)


def early_answer(checks, result, program):
    """What is acknowledged while the disk hangs is not on it when the server is killed then."""
    with tempfile.TemporaryDirectory(prefix="cohort-fault.") as d, Postgres() as pg:
        shim, node = Shim(d), Node(pg, program=program)
        node.environment = shim.environment(node.program)
        with node:
            with Load([node], repeat=0, give_up=False) as load:
                load.wait_for(500)
                shim.set(broken=shim.HANGS)
                before = load.answered
                until(lambda: load.answered >= before + 500 or load.answers().get(("events", HUNG)), "an answer")
                node.stop(signal.SIGKILL)
                shim.set()
                node.start()
            drain([node])
            check(pg, load, result, checks)


def no_watermark(checks, result, sql):
    cycles_of_kills(checks, result, 3, sql=sql)


if __name__ == "__main__":
    sys.exit(run("F1 SIGKILL", fault, ("202 before the commit", "early_answer", early_answer),
                 ("groups without a watermark", NO_WATERMARK, no_watermark)))
