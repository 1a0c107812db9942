"""Events: checked when they are made, so that a mistake is told where it was made and never reaches the queue."""
from __future__ import annotations

import json
import math
import re
import uuid
from typing import Any, Dict, Iterable, Mapping, Optional

from ._clock import rfc3339

OUTCOMES, EXPOSURES = "/v1/outcomes", "/v1/exposures"
EVENT_MOST = 32 << 10  # bytes of one event
BATCH_MOST, BATCH_BYTES = 500, 1 << 20  # of one request
ATTRIBUTES_MOST, UNITS_MOST, RAW_ID_MOST = 50, 8, 512
VALUE_MOST = 9.2e12
_UNIT_TYPE = re.compile(r"[a-z][a-z0-9_]{0,31}")


class Event:
    """One event, encoded but for its time: where that came from a clock nobody has compared with the server's (`guessed`), it may be
    mended once, when the server has rejected it."""

    __slots__ = ("id", "path", "ts", "guessed", "rest", "seq")

    def __init__(self, id: str, path: str, ts: float, guessed: bool, rest: bytes) -> None:
        self.id, self.path, self.ts, self.guessed, self.rest, self.seq = id, path, ts, guessed, rest, 0

    def encoded(self) -> bytes:
        return b'{"ts":"%s",%s' % (rfc3339(self.ts).encode(), self.rest)

    def __len__(self) -> int:
        return len(self.rest) + 36


def make(path: str, id: str, ts: float, guessed: bool, fields: Mapping[str, Any]) -> Event:
    rest = json.dumps({"id": id, **{k: v for k, v in fields.items() if v is not None}}, ensure_ascii=False, allow_nan=False,
                      separators=(",", ":")).encode("utf-8")[1:]
    if len(rest) > EVENT_MOST:
        raise ValueError(f"the event is {len(rest)} bytes; at most {EVENT_MOST}")
    return Event(id, path, ts, guessed, rest)


def check_id(text: str, what: str) -> str:
    """A UUID as the server wants it written."""
    try:
        return str(uuid.UUID(text))
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"{what} must be a UUID, not {text!r}") from None


def check_units(units: Mapping[str, str]) -> Dict[str, str]:
    if not 1 <= len(units) <= UNITS_MOST:
        raise ValueError(f"an event is about 1 to {UNITS_MOST} units, not {len(units)}")
    for kind, raw in units.items():
        if not isinstance(kind, str) or not _UNIT_TYPE.fullmatch(kind):
            raise ValueError(f"a unit type is like user or account, not {kind!r}")
        if not is_raw_id(raw):
            raise ValueError(f"the id of a {kind} is a string of 1 to {RAW_ID_MOST} bytes of UTF-8 without NUL")
    return dict(units)


def is_raw_id(raw: Any) -> bool:
    if not isinstance(raw, str) or "\0" in raw:
        return False
    try:
        return 1 <= len(raw.encode("utf-8")) <= RAW_ID_MOST
    except UnicodeEncodeError:  # half a surrogate pair
        return False


def check_value(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise TypeError(f"value must be a number, not {type(value).__name__}")
    if not isinstance(value, (int, float)):
        value = float(value)  # Decimal, Fraction, numpy's
    if not math.isfinite(value) or abs(value) > VALUE_MOST:
        raise ValueError("value must be between -9.2e12 and 9.2e12")
    return value


def _storable(v: Any) -> bool:
    if isinstance(v, str):
        try:
            v.encode("utf-8")
        except UnicodeEncodeError:
            return False
        return "\0" not in v
    return isinstance(v, (bool, int)) or (isinstance(v, float) and math.isfinite(v))


def check_attributes(attributes: Optional[Mapping[str, Any]]) -> Optional[Dict[str, Any]]:
    if not attributes:
        return None
    if len(attributes) > ATTRIBUTES_MOST:
        raise ValueError(f"an event has at most {ATTRIBUTES_MOST} attributes, not {len(attributes)}")
    for name, v in attributes.items():
        if not isinstance(name, str) or not _storable(name) or not _storable(v):
            raise ValueError(f"attribute {name!r} must be a string, a number or a boolean")
    return dict(attributes)


def segments(attributes: Mapping[str, Any], without: Iterable[str]) -> Optional[Dict[str, Any]]:
    """Of a context, what an exposure can carry: plain values, none that names a unit, the first 50."""
    left_out = {"targetingKey", "cohortTokens", "user", *without}
    plain = [(k, v) for k, v in attributes.items() if k not in left_out and _storable(k) and _storable(v)]
    return dict(plain[:ATTRIBUTES_MOST]) or None
