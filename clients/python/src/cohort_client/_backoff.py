"""How long to wait before the next attempt."""
from __future__ import annotations

import random
from typing import Callable, Mapping, Optional

TOLD_MOST = 3600.0  # a proxy's mistake stops nobody for a day


def retry_after(headers: Mapping[str, str]) -> Optional[float]:
    """Seconds that an answer asks to wait: Retry-After, which counts as whole seconds, an hour at most, or not at all. headers:
    lower-case names."""
    text = headers.get("retry-after", "").strip()
    if not (text.isascii() and text.isdigit()):
        return None
    return min(float(text), TOLD_MOST)  # of however many digits


class Backoff:
    """Waits that double from `first` to `most` seconds, each shortened at random by up to half, so that clients which failed
    together don't come back together."""

    def __init__(self, first: float, most: float, rand: Callable[[], float] = random.random) -> None:
        self.first, self.most, self.failures = first, most, 0
        self._random = rand

    def reset(self) -> None:
        self.failures = 0

    def next(self, asked: Optional[float] = None) -> float:
        """Seconds to wait after one more failure: or, when that is longer, what was asked for and up to a quarter more."""
        full = min(self.most, self.first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        wait = full * (1 - 0.5 * self._random())
        return wait if asked is None else max(wait, asked * (1 + 0.25 * self._random()))
