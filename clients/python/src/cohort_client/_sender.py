"""The thread that delivers. It starts with the first event, so that a process that forks before has none, and again in a
child after its first event."""
from __future__ import annotations

import threading
import time
from typing import Optional

from ._delivery import Delivery
from ._queue import Queue
from ._say import logger


class Sender:
    """interval: seconds that events wait for company."""

    def __init__(self, queue: Queue, delivery: Delivery, interval: float) -> None:
        self._queue, self._delivery, self._interval = queue, delivery, interval
        self.reset()

    def reset(self) -> None:
        """In a forked child: its thread was the parent's."""
        self._thread: Optional[threading.Thread] = None
        self._not_before = 0.0  # monotonic
        self._asked = False  # the server set not_before
        self._flushing = 0
        self._stopping = False

    def wake(self) -> None:
        with self._queue.changed:
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._run, name="cohort-client", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # no thread can be had now, as at the interpreter's end: the next event tries again
                    return
                self._thread = thread

    def _pause(self, first_seen: float) -> float:
        """Seconds until the next attempt is due."""
        now = time.monotonic()
        at_once = self._flushing or len(self._queue) >= self._delivery.batch_most
        return max(self._not_before - now, 0.0 if at_once else first_seen + self._interval - now)

    def _run(self) -> None:
        first_seen: Optional[float] = None
        changed = self._queue.changed
        while True:
            with changed:
                while not self._stopping:
                    if not len(self._queue):
                        first_seen = None
                        changed.wait()
                        continue
                    first_seen = first_seen if first_seen is not None else time.monotonic()
                    pause = self._pause(first_seen)
                    if pause <= 0:
                        break
                    changed.wait(pause)
                if self._stopping:
                    return
            self._attempt()

    def _attempt(self) -> None:
        try:
            wait = self._delivery.attempt()
        except Exception:  # a mistake of ours must not end the thread while events wait
            logger.exception("delivering events failed")
            self._queue.back()
            wait = self._delivery.give_up_for_now()
        with self._queue.changed:
            self._not_before = time.monotonic() + wait.seconds if wait else 0.0
            self._asked = bool(wait and wait.asked)

    def flush(self, timeout: float) -> bool:
        """Until everything queued so far was answered; false at the end of the timeout. A back-off is cut short, a wait that the
        server asked for is not."""
        deadline = time.monotonic() + timeout
        changed = self._queue.changed
        with changed:
            until = self._queue.last()
            if not self._queue.has_until(until):
                return True
            self.wake()
            self._flushing += 1
            if not self._asked:
                self._not_before = 0.0
                self._delivery.backoff.reset()
            changed.notify_all()
            try:
                while self._queue.has_until(until):
                    left = deadline - time.monotonic()
                    if left <= 0:
                        return False
                    changed.wait(left)
                return True
            finally:
                self._flushing -= 1

    def stop(self, timeout: float) -> None:
        with self._queue.changed:
            self._stopping = True
            thread = self._thread
            self._queue.changed.notify_all()
        if thread and thread is not threading.current_thread():
            thread.join(timeout)
