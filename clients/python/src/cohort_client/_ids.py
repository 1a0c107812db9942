"""Ids of events."""
from __future__ import annotations

import os
import uuid


def uuid7(seconds: float) -> str:
    """A version 7 UUID (RFC 9562) of a time in seconds since 1970: 48 bits of milliseconds, 74 random bits."""
    n = int(seconds * 1000) % (1 << 48) << 80 | int.from_bytes(os.urandom(10), "big")
    n = n & ~(0xF << 76) | 7 << 76
    n = n & ~(3 << 62) | 2 << 62
    return str(uuid.UUID(int=n))
