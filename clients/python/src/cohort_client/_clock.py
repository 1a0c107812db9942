"""Time, and how wrong this machine's is."""
from __future__ import annotations

import time
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Optional

from ._say import Once

TOLERANCE = 60.0  # seconds; below it a Date header's resolution and a slow answer could be all there is


def http_date(text: Optional[str]) -> Optional[float]:
    """Seconds since 1970 of an HTTP date; None when it is none."""
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except (TypeError, ValueError, OverflowError):
        return None


def rfc3339(seconds: float) -> str:
    """A time as events carry it: UTC, microseconds."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Clock:
    """The machine's clock, corrected by the server's where the two differ by more than a minute."""

    def __init__(self) -> None:
        self.offset = 0.0  # seconds to add to this machine's clock
        self._once = Once()

    def machine(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return self.machine() + self.offset

    def learn(self, date: Optional[str]) -> None:
        """From the Date header of an answer. One without it leaves the clock as it is."""
        told = http_date(date)
        if told is None:
            return
        ahead = self.machine() - told
        if abs(ahead) <= TOLERANCE:
            self.offset = 0.0
            self._once.over("clock", "this machine's clock agrees with the server's again")
            return
        self.offset = -ahead
        self._once.warn("clock", f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the "
                                 "server's; events carry the server's time")
