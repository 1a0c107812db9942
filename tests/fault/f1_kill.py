#!/usr/bin/env python3
"""F1: cohortd is killed by SIGKILL at random moments while it takes 1,000 events a second and more."""
import random
import signal
import sys
import time

from fault import LONG, SEED, Load, Node, Postgres, check, drain, experiment, run


# Each new connection begins at the first group again.
NO_WATERMARK = [("cohort.spool_watermark(uuid,text)", "select s.watermark into mark from cohort.spool s where s.spool_id = $1",
                 "update cohort.spool s set watermark = 0 where s.spool_id = $1 returning s.watermark into mark")]


def cycles_of_kills(checks, result, cycles, program=None, sql=()):
    chance = random.Random(SEED)
    with Postgres() as pg, Node(pg, program=program) as node:
        pg.mutate(sql)
        node.put("/v1/experiments/cta", experiment(guardrails=[]), key="admin")
        node.put("/v1/experiments/seen", experiment(guardrails=[], exposure="reported"), key="admin")
        for key in ("cta", "seen"):
            node.post(f"/v1/experiments/{key}/start")
        node.until(lambda: node.evaluate("seen", "c")["reason"] == "SPLIT", "both run")
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
    cycles_of_kills(checks, result, 8, program)


def no_watermark(checks, result, sql):
    cycles_of_kills(checks, result, 3, sql=sql)


if __name__ == "__main__":
    sys.exit(run("F1 SIGKILL", fault, ("202 before the commit", "early_answer", early_answer),
                 ("groups without a watermark", NO_WATERMARK, no_watermark)))
