"""What the tests of this client share: where things are, and a log that can be read."""
import logging
import os
import sys
import threading
import time
from datetime import datetime, timezone

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENT = os.path.dirname(HERE)
TOP = os.path.dirname(os.path.dirname(CLIENT))
for _path in (os.path.join(CLIENT, "src"), os.path.join(TOP, "clients", "tests"), os.path.join(TOP, "tests", "integration")):
    sys.path.insert(0, _path)


# For clients: of a request. A machine may stand still for seconds, and a default is not what was asked for then.
PATIENT = {"timeout": 20, "event_timeout": 20}


def skip(why):
    print(f"skipped: {why}", flush=True)
    sys.exit(77)


def until(condition, what, patience=60):
    """Waits until condition() is true and returns it."""
    end, pause = time.monotonic() + patience, threading.Event()
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience} s in vain: {what}")
        pause.wait(0.01)


class Log(logging.Handler):
    """Warnings and news of the client, as lines."""

    def __init__(self):
        super().__init__()
        self.lines = []
        logger = logging.getLogger("cohort_client")
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.addHandler(self)

    def emit(self, record):
        self.lines.append(record.getMessage())

    def of(self, words):
        return [line for line in self.lines if words in line]

    def clear(self):
        self.lines = []


def datetime_now():
    return datetime.now(timezone.utc)
