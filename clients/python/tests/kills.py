#!/usr/bin/env python3
"""cohortd is killed 20 times under a client that goes on: every event it took is stored, once."""
import random
import signal
import sys
import threading

import bed
from cohort_server import Checks, Server, experiment
from trouble_server import Port

from cohort_client import Client

KILLS, THREADS = 20, 3
LOG = bed.Log()


class Load:
    """Threads that track outcomes and use prefetched values, as fast as a queue of 100 lets them."""

    def __init__(self, k):
        self.k, self.ending, self.lock = k, threading.Event(), threading.Lock()
        self.ids, self.people, self.failures = [], {}, []
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(THREADS)]

    def work(self, n):
        try:
            i = 0
            while not self.ending.is_set():
                i += 1
                who = f"u-{n}-{i}"
                flags = self.k.prefetch(who)
                d = flags.details("cta", "mine")
                one = self.k.track("unsubscribe", who, i, decision=d)
                with self.lock:
                    self.ids.append(one)
                    if d.error_code is None:
                        self.people[who] = d.variant
                while self.k.stats().queued > 100 and not self.ending.is_set():
                    self.ending.wait(0.002)
        except Exception as e:  # noqa: BLE001 - told at the end
            self.failures.append(repr(e))

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *exc):
        self.ending.set()
        for t in self.threads:
            t.join()


def check(s, c, load, kills):
    ids = "create temp table sent (id uuid);\ncopy sent from stdin;\n" + "".join(i + "\n" for i in load.ids) + "\\.\n"
    rows = ids + "select count(*), count(distinct o.event_id) from sent left join cohort.outcome o on o.event_id = sent.id"

    def stored():
        return [int(n) for n in s.sql(rows)[0]]
    s.until(lambda: stored()[1] == len(load.ids), f"{len(load.ids)} outcomes are stored: {stored()}")
    total, different = stored()
    exposed = dict(s.sql("select e.unit_id, v.key from cohort.exposure e join cohort.experiment x on x.id = e.experiment_id and x.key = 'cta'"
                         " join cohort.variant v on v.id = e.variant_id"))
    want = dict(s.sql("create temp table p (who text, variant text);\ncopy p from stdin;\n" +
                      "".join(f"{w}\t{v}\n" for w, v in load.people.items()) +
                      "\\.\nselect cohort.unit_id('user', who), variant from p"))
    missing = [u for u, v in want.items() if exposed.get(u) != v]
    print(f"kills sent stored doubled lost: {kills} {len(load.ids)} {different} {total - len(load.ids)} {len(load.ids) - different}; "
          f"exposures used missing: {len(want)} {len(missing)}; failed attempts: {load.k.stats().retries}", flush=True)
    c.equal("outcomes: none is lost", different, len(load.ids))
    c.equal("none is stored twice", total, len(load.ids))
    c.equal("every value that was used is an exposure to its variant", missing, [])
    c.equal("nothing else is an exposure", len(exposed), len(want))


def main():
    c, chance = Checks(), random.Random(7)
    with Port() as port, Server("--listen", f"127.0.0.1:{port.number}") as s:
        s.put("/v1/experiments/cta", experiment(guardrails=[]))
        s.put("/v1/metrics/unsubscribe", {"event": "unsubscribe", "kind": "binary"})
        s.post("/v1/experiments/cta/start")
        k = Client(s.info["url"], s.keys["events"], flush_interval=0.005)
        s.until(lambda: k.details("cta", "", "w", enroll=False).reason == "SPLIT", "the experiment runs")
        with Load(k) as load:
            for kill in range(KILLS):
                seen = k.stats().accepted
                s.until(lambda seen=seen: k.stats().accepted >= seen + 150, "events are accepted")
                load.ending.wait(chance.random() * 0.02)
                s.stop(signal.SIGKILL)
                s.start()
            c.equal(f"{KILLS} kills: it is where it was", s.info["url"], f"http://127.0.0.1:{port.number}")
        c.equal("no call of the client failed", load.failures, [])
        c.check("everything that was taken is answered", k.flush(60) and k.stats().dropped == k.stats().rejected == 0, (k.stats(), LOG.lines))
        c.check("attempts did fail", k.stats().retries >= KILLS / 2, k.stats())
        check(s, c, load, KILLS)
        c.check("close", k.close())
    c.done()


if __name__ == "__main__":
    sys.exit(main())
