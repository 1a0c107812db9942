#!/usr/bin/env python3
"""20 kills of the server, and 4 of the client, while a client tracks without a pause: how many events were sent, stored, doubled
and lost. What cohort_track said is kept must be stored, exactly once."""
import os
import random
import signal
import sys
import tempfile
import threading
import time

from leash import PATIENCE_MS, Client
from cohort_server import Checks, Server, experiment
from trouble_server import Port

KILLS, CLIENT_KILLS = 20, 4
SETTINGS = {"backoff_min_ms": 20, "backoff_max_ms": 300, "flush_ms": 5, "timeout_ms": 2000, "queue_max": 1000000}


class Player(threading.Thread):
    """Tracks until it is told to end; knows how many events were said to be kept."""

    def __init__(self, url, key, file):
        super().__init__()
        self.url, self.key, self.file = url, key, file
        self.kept, self.ending, self.kill = 0, threading.Event(), threading.Event()
        self.client, self.repeated = self.start_client(), 0

    def start_client(self):
        client = Client(self.url, self.key, queue_file=self.file, **SETTINGS)
        client("context", user="c-1")
        return client

    def run(self):
        while not self.ending.is_set():
            if self.client("track", name="unsubscribe", value=self.kept)["code"] == 0:
                self.kept += 1
            if self.kept % 50 == 0:
                time.sleep(0.01)  # some hundred a second: a rate, not a wait
            if self.kill.is_set():
                self.repeated += self.client("stats")["failures"]
                self.client.kill()
                self.client = self.start_client()
                self.kill.clear()


def main():
    c = Checks()
    random.seed(7)
    with tempfile.TemporaryDirectory(prefix="cohort-client.", dir="/tmp") as folder, Port() as port, \
            Server("--listen", f"127.0.0.1:{port.number}") as s:
        s.put("/v1/experiments/cta", experiment())
        player = Player(s.info["url"], s.keys["events"], os.path.join(folder, "queue"))
        player.start()
        for kill in range(KILLS):
            before = player.kept
            s.until(lambda: player.kept > before + random.randint(20, 200), "some events")
            if kill % (KILLS // CLIENT_KILLS) == 2:
                player.kill.set()
                s.until(lambda: not player.kill.is_set(), "another client")
            s.stop(signal.SIGKILL)
            s.start()
        player.ending.set()
        player.join()
        c.equal("all was taken at the end", player.client("flush", ms=PATIENCE_MS)["code"], 0)
        stats = player.client("stats")
        player.repeated += stats["failures"]
        player.client.end()
        s.until(lambda: int(s.value("select count(*) from cohort.outcome")) >= player.kept, "the last ones to be stored")
        stored = int(s.value("select count(*) from cohort.outcome"))
        distinct = int(s.value("select count(distinct (event_id, value)) from cohort.outcome"))
        again = int(s.value("select coalesce(sum(duplicates), 0) from cohort.ingest_batch"))
        c.equal(f"{KILLS} kills of the server, {CLIENT_KILLS} of the client: {player.kept} events kept, {stored} stored "
                f"({player.repeated} requests failed, {again} events came again and were known): lost", player.kept - stored, 0)
        c.equal("doubled", stored - distinct, 0)
        c.equal("refused or dropped", (stats["refused"], stats["dropped"], int(s.value("select count(*) from cohort.dead_letter"))), (0, 0, 0))
    c.done()


if __name__ == "__main__":
    sys.exit(main())
