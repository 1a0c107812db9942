"""Events on their way: a bounded queue in memory, which a journal on disk may mirror.

A batch that is being sent stays in the queue until it was answered. The bound is for those that wait: the oldest of them
give way, are counted, and it is said once. After a fork the child's queue is empty: what the parent had queued is the
parent's to send.
"""
from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from typing import Deque, Dict, Iterable, List, Optional, Set

from ._events import BATCH_MOST, EXPOSURES, OUTCOMES, Event
from ._journal import Journal
from ._say import Once


class Queue:
    def __init__(self, most: int, journal: Optional[Journal] = None) -> None:
        if most < 1:
            raise ValueError("max_events must be at least 1")
        self._most, self._journal, self._once = most, journal, Once()
        self._empty()
        if journal:
            for e in journal.open():
                self._append(e)
            self._bound()
        _queues.add(self)

    def _empty(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self._waiting: Dict[str, Deque[Event]] = {OUTCOMES: deque(), EXPOSURES: deque()}
        self._sending: List[Event] = []
        self._seq = 0
        self.dropped = 0  # gave way to younger ones

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values())) + len(self._sending)

    def _append(self, e: Event) -> None:
        self._seq += 1
        e.seq = self._seq
        self._waiting[e.path].append(e)

    def add(self, e: Event) -> None:
        """Kept from here on: in memory, and in the journal where there is one."""
        with self.changed:
            self._append(e)
            if self._journal:
                self._journal.add(e)
            self._bound()
            n = len(self)
            if n == 1 or n >= BATCH_MOST:  # between them the sender waits for company, and need not be told
                self.changed.notify_all()

    def _oldest(self) -> Optional[Deque[Event]]:
        filled = [q for q in self._waiting.values() if q]
        return min(filled, key=lambda q: q[0].seq) if filled else None

    def _bound(self) -> None:
        gone = []
        while sum(map(len, self._waiting.values())) > self._most:
            oldest = self._oldest()
            assert oldest
            gone.append(oldest.popleft().id)
        if gone:
            self.dropped += len(gone)
            self._once.warn("full", f"the queue of events is full ({self._most}): the oldest are dropped and counted")
            if self._journal:
                self._journal.remove(gone)

    def take(self, most: int, bytes_most: int) -> List[Event]:
        """The oldest events that go to one path; they are in flight until done() or back(). One taker at a time."""
        with self.lock:
            oldest = self._oldest()
            size = 0
            while oldest and len(self._sending) < most and (not self._sending or size + len(oldest[0]) <= bytes_most):
                size += len(oldest[0])
                self._sending.append(oldest.popleft())
            return list(self._sending)

    def mend(self, e: Event, seconds: float) -> None:
        """Moves the time of an event that was rejected for it; it never changes again."""
        with self.lock:
            e.ts, e.guessed = e.ts + seconds, False
            if self._journal:
                self._journal.mend(e)

    def done(self, ids: Iterable[str]) -> None:
        """These were answered; they are the queue's no longer."""
        with self.changed:
            gone: Set[str] = set(ids)
            self._sending = [e for e in self._sending if e.id not in gone]
            if self._journal and gone:
                self._journal.remove(gone)
            if not len(self):
                self._once.over("full", "the queue of events is empty again")
            self.changed.notify_all()

    def back(self) -> None:
        """What is in flight waits again, before all others."""
        with self.lock:
            for e in reversed(self._sending):
                self._waiting[e.path].appendleft(e)
            self._sending = []
            self._bound()

    @property
    def durable(self) -> bool:
        return self._journal is not None

    def last(self) -> int:
        return self._seq

    def has_until(self, seq: int) -> bool:
        """Whether an event up to this one still waits or is in flight."""
        oldest = self._oldest()
        return bool((oldest and oldest[0].seq <= seq) or (self._sending and self._sending[0].seq <= seq))

    def close(self) -> None:
        with self.lock:
            if self._journal:
                self._journal.close(empty=not len(self))
                self._journal = None

    # Around fork(): nobody is within the queue meanwhile, and the journal's file is closed.

    def _before_fork(self) -> None:
        self.lock.acquire()
        if self._journal:
            self._journal.release()

    def _in_parent(self) -> None:
        if self._journal:
            self._journal.reopen([*self._sending, *self._waiting[OUTCOMES], *self._waiting[EXPOSURES]])
        self.lock.release()

    def _in_child(self) -> None:
        self._empty()
        if self._journal:
            self._journal.renew()


_queues: "weakref.WeakSet[Queue]" = weakref.WeakSet()
_held: List[Queue] = []


def _before() -> None:
    _held[:] = list(_queues)
    for q in _held:
        q._before_fork()


def _parent() -> None:
    for q in reversed(_held):
        q._in_parent()
    _held.clear()


def _child() -> None:
    for q in _held:
        q._in_child()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_parent, after_in_child=_child)
