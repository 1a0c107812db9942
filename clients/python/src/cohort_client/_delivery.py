"""One attempt to deliver: a batch, its answer, and what becomes of each event. No thread and no wait: the caller has them."""
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, List, Optional

from ._backoff import Backoff, retry_after
from ._clock import Clock
from ._events import BATCH_BYTES, BATCH_MOST, Event
from ._http import Answer, Transport, Unreachable
from ._queue import Queue
from ._say import Once


@dataclass
class Wait:
    """After a failure: seconds until the next attempt, and whether the server asked for them."""

    seconds: float
    asked: bool = False


class Delivery:
    def __init__(self, queue: Queue, transport: Transport, clock: Clock, timeout: float) -> None:
        self._queue, self._transport, self._clock, self._timeout = queue, transport, clock, timeout
        self.reset()

    def reset(self) -> None:
        """In a forked child, whose counts are its own."""
        self.backoff = Backoff(1.0, 60.0)
        self.batch_most = BATCH_MOST
        self._parts: List[int] = []  # sizes of the batches to come, while one is divided to find the event that is refused
        self.accepted = self.rejected = self.retries = 0
        self._once = Once()

    def attempt(self) -> Optional[Wait]:
        """Sends the oldest batch. None: it was answered, or there is none."""
        if not len(self._queue):
            return None
        batch = self._queue.take(self._parts[0] if self._parts else self.batch_most, BATCH_BYTES)
        if not batch:
            return None
        body = b'{"events":[' + b",".join(e.encoded() for e in batch) + b"]}"
        try:
            answer = self._transport.request("POST", batch[0].path, body, self._timeout)
        except Unreachable as e:
            self._queue.back()
            return self._failed(str(e), None)
        self._clock.learn(answer.headers.get("date"))
        return self._answered(batch, answer)

    def _answered(self, batch: List[Event], answer: Answer) -> Optional[Wait]:
        if answer.status == 202 and self._count(batch, answer.body):
            self._queue.back()  # those without a result, if any
            self._part_done()
            self.backoff.reset()
            self._once.over("events", "events are delivered again")
            return None
        if _about_events(answer):
            self._divide(batch, answer)
            return None
        self._queue.back()
        return self._failed(f"the server answers {answer.status}{_detail(answer)}", retry_after(answer.headers))

    def _count(self, batch: List[Event], body: bytes) -> bool:
        """The results of a 202. False: it names none of the batch, so it is not the server's."""
        try:
            results = json.loads(body)["results"]
            told: Dict[int, Any] = {r["index"]: r for r in results if r["status"] in ("accepted", "rejected")}
        except (ValueError, KeyError, TypeError):
            return False
        known = [(e, told[i]) for i, e in enumerate(batch) if i in told]
        self._queue.done([e.id for e, r in known if not self._mended(e, r)])
        for e, r in known:
            if r["status"] == "accepted":
                self.accepted += 1
        return bool(known)

    def _mended(self, e: Event, result: Dict[str, Any]) -> bool:
        """Whether a rejected event goes again, with the server's time; one that does not is given up."""
        if result["status"] == "accepted":
            return False
        code = str(result.get("code", "rejected"))
        if code in ("from_the_future", "too_old") and e.guessed and self._clock.offset:
            self._queue.mend(e, self._clock.offset)
            return True
        self._reject(e, code, str(result.get("reason", "")))
        return False

    def _reject(self, e: Event, code: str, reason: str) -> None:
        self.rejected += 1
        self._once.warn("rejected " + code, f"the server rejected event {e.id} ({code}): {reason} Further events rejected as {code} "
                                            "are only counted")

    def _divide(self, batch: List[Event], answer: Answer) -> None:
        """None of the batch was kept, because of something in it: halves, until the one event is found."""
        if len(batch) == 1:
            self._reject(batch[0], str(answer.status), _detail(answer).lstrip(": "))
            self._queue.done([batch[0].id])
            self._part_done()
            return
        first = (len(batch) + 1) // 2
        self._parts[:1] = [first, len(batch) - first]
        self._queue.back()

    def _part_done(self) -> None:
        del self._parts[:1]

    def give_up_for_now(self) -> Wait:
        return self._failed("an attempt ended by a mistake of this client", None)

    def _failed(self, why: str, asked: Optional[float]) -> Wait:
        self.retries += 1
        self._once.warn("events", f"events wait, {why}")
        return Wait(self.backoff.next(asked), asked is not None)


def _about_events(answer: Answer) -> bool:
    """Whether a refusal is of what was sent, not of the key or the address. A page of HTML was not written by cohortd: a proxy's 400 says
    nothing about the events."""
    page = answer.headers.get("content-type", "").lower().startswith("text/html")
    return answer.status == 413 or (answer.status == 400 and not page)


def _detail(answer: Answer) -> str:
    """What a problem document says; nothing of a page in HTML."""
    try:
        return f": {json.loads(answer.body)['detail']}"
    except (ValueError, KeyError, TypeError):
        return ""
