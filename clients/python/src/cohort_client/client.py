"""The client for threads; AsyncClient wraps it."""
from __future__ import annotations

import atexit
import os
import ssl
import weakref
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Dict, Iterator, Mapping, Optional, Set, Tuple, Type, TypeVar, Union

from . import _events
from ._clock import Clock
from ._delivery import Delivery
from ._evaluate import Evaluator, context_of
from ._http import Transport
from ._ids import uuid7
from ._journal import Journal
from ._queue import Queue
from ._say import logger
from ._sender import Sender
from .details import Details, failed, from_answer
from .flags import Flags

T = TypeVar("T")
VERSION = "0.1.0"


@dataclass(frozen=True)
class Stats:
    """Counts of events since the client was made. queued: not answered yet. accepted: on the server's disk. rejected: refused by
    the server, each with its reason in the log once a code. dropped: gave way in a full queue. retries: attempts that failed."""

    queued: int
    accepted: int
    rejected: int
    dropped: int
    retries: int


class Client:
    """One for a process and server: it is safe for threads, and a forked child goes on with an empty queue of its own.

    Evaluations never raise: in trouble the default is served, and details() say why. Events are queued and delivered by a
    thread, again and again until they are answered, under an id made once, so that none is doubled.

    base_url: like http://127.0.0.1:8440; https verifies certificates (ssl_context for authorities of your own).
    key: an API key; of role `events` on a server, whose outcomes are trusted.
    timeout: seconds an evaluation may take in all. event_timeout: the same for a batch of events.
    max_events: how many may wait; beyond that the oldest are dropped, counted in stats() and told once in the log.
    queue_dir: a directory where events survive the process (kill -9 too). Without it they are in memory only.
    flush_interval: seconds that events wait for company. drain_timeout: seconds that close() waits for answers.
    """

    def __init__(self, base_url: str, key: str, *, timeout: float = 1.0, event_timeout: float = 10.0, max_events: int = 10000,
                 queue_dir: Optional[str] = None, flush_interval: float = 0.5, drain_timeout: float = 5.0,
                 ssl_context: Optional[ssl.SSLContext] = None) -> None:
        self._transport = Transport(base_url, key, ssl_context, "cohort-client-python/" + VERSION)
        self._clock = Clock()
        self._evaluator = Evaluator(self._transport, self._clock, timeout)
        self._queue = Queue(max_events, Journal(queue_dir) if queue_dir else None)
        self._delivery = Delivery(self._queue, self._transport, self._clock, event_timeout)
        self._sender = Sender(self._queue, self._delivery, flush_interval)
        self._drain_timeout = drain_timeout
        self._closed = False
        _clients.add(self)
        if len(self._queue):  # what a process before us left
            _undrained.add(self)
            self._sender.wake()

    # Decisions

    def value(self, key: str, default: T, targeting_key: Optional[str] = None, attributes: Optional[Mapping[str, Any]] = None, *,
              enroll: bool = True) -> T:
        """A flag's value for a unit, of the default's type; `default` in any trouble. It is an exposure, unless the experiment
        says `reported` (then see expose()). enroll=False reads without enrolling."""
        return self.details(key, default, targeting_key, attributes, enroll=enroll).value

    def details(self, key: str, default: T, targeting_key: Optional[str] = None, attributes: Optional[Mapping[str, Any]] = None, *,
                enroll: bool = True) -> Details[T]:
        """value(), with the variant, the reason, the decision's id, phase and probabilities; or what went wrong."""
        if not isinstance(key, str) or not key or not _events._storable(key):
            return failed(key, default, "FLAG_NOT_FOUND", "a flag's key is a string that is not empty")
        answer, failure = self._evaluator.single(key, context_of(targeting_key, attributes), enroll)
        return failed(key, default, *failure) if failure else from_answer(key, answer, default)

    def prefetch(self, targeting_key: str, attributes: Optional[Mapping[str, Any]] = None) -> Flags:
        """All flags for one context in one request. No exposure, until one of its values is used."""
        flags = Flags(self, context_of(targeting_key, attributes))
        flags.refresh()
        return flags

    # Events

    def track(self, name: str, targeting_key: Optional[str] = None, value: Optional[float] = None, *,
              attributes: Optional[Mapping[str, Any]] = None, units: Optional[Mapping[str, str]] = None,
              decision: Union[str, Details[Any], None] = None, at: Optional[datetime] = None, id: Optional[str] = None) -> str:
        """Something happened to a unit: queues an outcome and returns its id. From then on it is kept, until the server has it.

        name: the event of a metric. targeting_key: the user; units: others it is about, {"account": "a-3"}. value: a number, up to
        six decimals. attributes: at most 50 strings, numbers and booleans. decision: the details of the decision it follows from, or
        their decision_id. at: when it happened (now).
        id: a UUID of your own, for what may be tracked twice: with the same `at` it counts once.
        Raises ValueError or TypeError for what the server could only reject, RuntimeError after close().
        """
        if not isinstance(name, str) or not name or not _events._storable(name):
            raise ValueError("name must be the name of an event, a string")
        token = decision.metadata.get("eventToken") if isinstance(decision, Details) else None
        decision_id = decision.decision_id if isinstance(decision, Details) else decision
        about = {**({"user": targeting_key} if targeting_key is not None else {}), **(units or {})}
        return self._add(_events.OUTCOMES, at, _events.check_id(id, "id") if id is not None else None, {
            "name": name, "units": _events.check_units(about), "value": _events.check_value(value),
            "decision": _events.check_id(decision_id, "decision") if decision_id is not None else None,
            "attributes": _events.check_attributes(attributes), "event_token": token})

    def expose(self, details: Details[Any], targeting_key: str, attributes: Optional[Mapping[str, Any]] = None) -> None:
        """Somebody really saw it: for experiments whose exposure is `reported`. Needs the details it was decided with."""
        self._expose(details, context_of(targeting_key, attributes))

    def _expose(self, d: Details[Any], context: Mapping[str, Any]) -> None:
        other = d.metadata.get("unitType")  # an experiment on accounts, devices, …; its holdouts are too
        units: Dict[str, Any] = {"user": context.get("targetingKey"), **({other: context.get(other)} if isinstance(other, str) else {})}
        known = {t: raw for t, raw in units.items() if _events.is_raw_id(raw)}
        for experiment, variant, phase in _exposures(d):
            try:
                self._add(_events.EXPOSURES, None, None, {
                    "experiment": experiment, "variant": variant, "phase": phase, "units": _events.check_units(known),
                    "decision": d.decision_id, "attributes": _events.segments(context, known),
                    "event_token": d.metadata.get("eventToken"),
                    "token": d.metadata.get("token") if experiment == d.experiment else None})
            except (ValueError, TypeError, RuntimeError) as e:  # the value is served all the same
                logger.warning("an exposure to %s was not reported: %s", experiment, e)

    def _add(self, path: str, at: Optional[datetime], id: Optional[str], fields: Dict[str, Any]) -> str:
        if self._closed:
            raise RuntimeError("the client is closed")
        if at is not None and at.tzinfo is None:
            raise ValueError("at must have a time zone, like datetime.now(timezone.utc)")
        now = self._clock.wall()
        event = _events.make(path, id or uuid7(now), now if at is None else at.timestamp(), at is None and not self._clock.offset, fields)
        _undrained.add(self)
        self._queue.add(event)
        self._sender.wake()
        return event.id

    def stats(self) -> Stats:
        return Stats(len(self._queue), self._delivery.accepted, self._delivery.rejected, self._queue.dropped, self._delivery.retries)

    # The end

    def flush(self, timeout: Optional[float] = None) -> bool:
        """Waits until everything queued so far was answered, at most timeout (drain_timeout) seconds. True when it was."""
        return self._sender.flush(self._drain_timeout if timeout is None else timeout)

    def close(self, timeout: Optional[float] = None) -> bool:
        """flush(), then ends the client. What could not be delivered is told in the log; with queue_dir it stays there for the
        next process. True when nothing was left."""
        if self._closed:
            return not len(self._queue)
        done = self.flush(timeout)
        self._closed = True
        self._sender.stop(0.2)
        left = len(self._queue)
        if left:
            logger.warning("closed with %d events that the server has not answered: %s", left,
                           "they stay in queue_dir" if self._queue.durable else "they are lost")
        self._queue.close()
        self._transport.close()
        _undrained.discard(self)
        return done

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()

    def _in_child(self) -> None:
        """After fork(). The queue has emptied itself before."""
        self._transport.reset()
        self._evaluator.reset()
        self._sender.reset()
        self._delivery.reset()


def _exposures(d: Details[Any]) -> Iterator[Tuple[str, str, int]]:
    """Each (experiment, variant, phase) that using a decision exposes to: the one that drew it, and the holdouts that were asked,
    whatever the arm (a holdout has one phase)."""
    if d.experiment and d.phase is not None and d.variant:
        yield d.experiment, d.variant, d.phase
    holdouts = d.metadata.get("holdouts")
    for pair in holdouts.split(",") if isinstance(holdouts, str) else ():
        key, _, arm = pair.partition("=")
        if key and arm:
            yield key, arm, 1


_clients: "weakref.WeakSet[Client]" = weakref.WeakSet()
_undrained: Set[Client] = set()  # had events and are not closed: kept, though nobody else may hold them


def _fork_children() -> None:
    for c in list(_clients):
        c._in_child()


def _drain_all() -> None:
    """Who forgets close() loses nothing either, if the server answers within drain_timeout."""
    for c in list(_undrained):
        c.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fork_children)
atexit.register(_drain_all)
