"""How long to wait before the next attempt."""
from __future__ import annotations

import random
from typing import Callable, Mapping, Optional


def retry_after(headers: Mapping[str, str]) -> Optional[float]:
    """Seconds that an answer asks to wait: Retry-After, which counts as whole seconds or not at all. headers: lower-case names."""
    text = headers.get("retry-after", "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


class Backoff:
    """Waits that double from `first` to `most` seconds, each shortened at random by up to half, so that clients which failed
    together don't come back together."""

    def __init__(self, first: float, most: float, rand: Callable[[], float] = random.random) -> None:
        self.first, self.most, self.failures = first, most, 0
        self._random = rand

    def reset(self) -> None:
        self.failures = 0

    def next(self, asked: Optional[float] = None) -> float:
        """Seconds to wait after one more failure; never less than was asked for, and up to a tenth more."""
        full = min(self.most, self.first * 2.0 ** min(self.failures, 30))
        self.failures += 1
        wait = full * (1 - 0.5 * self._random())
        return wait if asked is None else max(wait, asked * (1 + 0.1 * self._random()))
