#!/usr/bin/env python3
"""cohortctl simulate plays rough customers: late, reported twice, by a program that crashes, at a server that is killed. What it
says it reported is what the database counts, once each."""
import json
import os
import signal
import subprocess
import sys

from cohort_server import BUILD, Checks, Server, experiment, free_port

CUSTOMERS = 3000


def start(s, *options):
    return subprocess.Popen([os.environ.get("COHORTCTL", os.path.join(BUILD, "cohortctl")), "--data", s.data, "simulate", "--flag", "cta",
                             "--json", "--quiet", "--base", "unsubscribe=0.3", "--effect", "treatment:unsubscribe=1.5", *options],
                            stdout=subprocess.PIPE)


def summary(process):
    out, _ = process.communicate(timeout=200)
    assert process.returncode == 0, process.returncode
    return json.loads(out)


def main():
    c = Checks()
    with Server("--listen", f"127.0.0.1:{free_port()}") as s:
        s.put("/v1/experiments/cta", experiment(guardrails=[]))
        s.post("/v1/experiments/cta/start")
        s.until(lambda: s.evaluate("cta", "w", "events")["reason"] == "SPLIT", "cta is served")
        play = start(s, "--customers", str(CUSTOMERS), "--rate", "600", "--delay", "0.5", "--twice", "0.2", "--crashes", "5", "--prefix", "rough-")
        for n in (500, 1200, 2000):
            s.until(lambda n=n: int(s.value("select count(*) from cohort.exposure")) > n, f"{n} customers")
            s.stop(signal.SIGKILL)
            s.start()
        rough = summary(play)
        played = sum(a["events"]["unsubscribe"] for a in rough["served"])
        c.equal("everybody was answered, or counted as not", rough["customers"] + rough["failed"], CUSTOMERS)
        c.check("as rough as asked for", rough["crashes"] == 5 and rough["twice"] > 0.1 * played and rough["retries"] > 0, rough)
        c.equal("what was reported was taken, twice where it was sent twice", (rough["accepted"], rough["rejected"]), (played + rough["twice"], 0))
        s.until(lambda: int(s.value("select count(*) from cohort.outcome")) >= played, "the last ones to be stored")
        c.equal("and is counted once", int(s.value("select count(*) from cohort.outcome")), played)
        # Half of them: what was under way when the server was killed, or the machine halted, came later.
        late = s.value("select percentile_cont(0.5) within group (order by extract(epoch from o.ts - e.first_ts)) from cohort.outcome o"
                       " join cohort.exposure e on e.unit_id = o.unit_id")
        c.check("about half a second after the exposure", 0.2 < float(late) < 1.5, late)
        quick = [summary(start(s, "--customers", "300", "--rate", "0", "--prefix", "same-")) for _ in range(2)]
        c.equal("the same seed plays the same customers", quick[0]["served"] and sorted(map(json.dumps, quick[0]["served"])),
                sorted(map(json.dumps, quick[1]["served"])))
    c.done()


if __name__ == "__main__":
    sys.exit(main())
