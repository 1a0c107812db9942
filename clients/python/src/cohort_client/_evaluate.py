"""OFREP evaluations over a transport, with a pause while the server can't answer.

After three failures in a row it pauses: defaults are served at once, and one caller at a time tries again. A server that is down or
slow costs few callers their timeout, not every one.
"""
from __future__ import annotations

import json
import threading
from datetime import datetime
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple
from urllib.parse import quote

from ._backoff import Backoff, retry_after
from ._clock import Clock
from ._http import Answer, Transport, Unreachable
from ._say import Once

BULK = "/ofrep/v1/evaluate/flags"
FAILURES_MOST = 3
_CODES = {400: "PARSE_ERROR", 404: "FLAG_NOT_FOUND", 413: "INVALID_CONTEXT"}


class Failure(NamedTuple):
    code: str  # OpenFeature's
    message: str


def context_of(targeting_key: Optional[str], attributes: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    context = dict(attributes or {})
    if targeting_key is not None:
        context["targetingKey"] = targeting_key
    return context


def _json(v: Any) -> Any:
    if isinstance(v, datetime):
        return v.isoformat()
    if isinstance(v, Mapping):
        return dict(v)
    if isinstance(v, (set, frozenset, tuple)):
        return list(v)
    raise TypeError(f"a {type(v).__name__} is nothing that a context can hold")


def encode_context(context: Mapping[str, Any]) -> bytes:
    """Raises ValueError or TypeError when it can't be JSON."""
    return json.dumps({"context": context}, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_json).encode("utf-8")


class Evaluator:
    def __init__(self, transport: Transport, clock: Clock, timeout: float) -> None:
        self._transport, self._clock, self._timeout = transport, clock, timeout
        self._backoff, self._once = Backoff(1.0, 30.0), Once()
        self.reset()

    def reset(self) -> None:
        """In a forked child; the pause goes on."""
        self._lock = threading.Lock()
        self._paused_until = getattr(self, "_paused_until", 0.0)  # monotonic
        self._failures, self._why = getattr(self, "_failures", 0), getattr(self, "_why", "")

    def single(self, key: str, context: Mapping[str, Any], enroll: bool) -> Tuple[Any, Optional[Failure]]:
        path = f"{BULK}/{quote(key, safe='')}"
        answer, failure = self._ask(path if enroll else path + "?enroll=false", context, {})
        return (None, failure) if failure or answer is None else _parsed(answer)

    def bulk(self, context: Mapping[str, Any], etag: Optional[str]) -> Tuple[Optional[Dict[str, Any]], Optional[str], Optional[Failure]]:
        """Flags by key and their ETag; None for flags: as before (304), or a failure."""
        answer, failure = self._ask(BULK, context, {"If-None-Match": etag} if etag else {})
        if failure or answer is None or answer.status == 304:
            return None, etag, failure
        doc, failure = _parsed(answer)
        flags = doc.get("flags") if isinstance(doc, dict) else None
        if failure or not isinstance(flags, list):
            return None, etag, failure or Failure("PARSE_ERROR", "the answer has no flags")
        return {f["key"]: f for f in flags if isinstance(f, dict) and isinstance(f.get("key"), str)}, answer.headers.get("etag"), None

    def _ask(self, path: str, context: Mapping[str, Any], headers: Dict[str, str]) -> Tuple[Optional[Answer], Optional[Failure]]:
        try:
            body = encode_context(context)
        except (ValueError, TypeError, RecursionError) as e:
            return None, Failure("INVALID_CONTEXT", str(e))
        paused = self._enter()
        if paused:
            return None, paused
        try:
            answer = self._transport.request("POST", path, body, self._timeout, headers)
        except Unreachable as e:
            return None, self._failed(f"the server can't be reached: {e}", None)
        self._clock.learn(answer.headers.get("date"))
        if answer.status == 429 or answer.status >= 500:
            return None, self._failed(f"the server answers {answer.status}", retry_after(answer.headers))
        self._resume()
        return answer, self._refused(answer)

    def _enter(self) -> Optional[Failure]:
        """A failure while it pauses. When the pause is over one caller goes ahead, the others wait for what it finds."""
        with self._lock:
            if not self._paused_until:
                return None
            now = self._clock.monotonic()
            if now < self._paused_until:
                return Failure("GENERAL", f"{self._why} (asked again in {self._paused_until - now:.1f} s)")
            self._paused_until = now + self._timeout
            return None

    def _failed(self, why: str, asked: Optional[float]) -> Failure:
        with self._lock:
            self._why = why
            self._failures += 1
            pauses = asked is not None or self._failures >= FAILURES_MOST
            self._paused_until = self._clock.monotonic() + self._backoff.next(asked) if pauses else 0.0
        self._once.warn("away", f"defaults are served, {why}")
        return Failure("GENERAL", why)

    def _resume(self) -> None:
        with self._lock:
            self._paused_until, self._failures = 0.0, 0
            self._backoff.reset()
        self._once.over("away", "flags are evaluated again")

    def _refused(self, answer: Answer) -> Optional[Failure]:
        if answer.status in (200, 304):
            return None
        if answer.status in (401, 403):
            why = f"the server answers {answer.status}: the API key is {'unknown' if answer.status == 401 else 'not allowed to decide'}"
            self._once.warn("key", f"defaults are served, {why}")
            return Failure("GENERAL", why)
        try:
            doc = json.loads(answer.body)
            return Failure(str(doc["errorCode"]), str(doc.get("errorDetails", "")))
        except (ValueError, KeyError, TypeError, AttributeError):
            return Failure(_CODES.get(answer.status, "GENERAL"), f"the server answers {answer.status}")


def _parsed(answer: Answer) -> Tuple[Any, Optional[Failure]]:
    try:
        return json.loads(answer.body), None
    except (ValueError, RecursionError):
        return None, Failure("PARSE_ERROR", "the answer is not JSON")
