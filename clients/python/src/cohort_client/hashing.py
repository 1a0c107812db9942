"""The assignment contract (docs/assignment.md) for who wants to compute a draw again. Integers only; conditions, holdouts and
state are not looked at: this says what somebody draws, not what they were served.

    from cohort_client.hashing import Phase, assigned, unit

    u = unit(unit_key, "user", "c-17")
    assigned(u, experiment_salt, [Phase(1, phase_salt, "{[0,200000)}", {"control": "{[0,500000)}", "hurry": "{[500000,1000000)}"})])
"""
from __future__ import annotations

import hashlib
import hmac
import re
import struct
import uuid
from typing import Iterable, List, Mapping, NamedTuple, Optional, Tuple

SLOTS = 1_000_000
Range = Tuple[int, int]


def unit(key: bytes, unit_type: str, raw: str) -> uuid.UUID:
    """The unit of a raw id: the first 16 bytes of HMAC-SHA-256(key, unit type ‖ 0 ‖ raw id), as the tables print it.

    key: the environment's unit key, 32 bytes. raw: 1 to 512 bytes of UTF-8 without NUL, taken as it is.
    """
    id = raw.encode("utf-8")
    if len(key) != 32:
        raise ValueError(f"a unit key is 32 bytes, not {len(key)}")
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", unit_type):
        raise ValueError(f"a unit type is like user or account, not {unit_type!r}")
    if not 1 <= len(id) <= 512 or b"\0" in id:
        raise ValueError("a raw id is 1 to 512 bytes without NUL")
    return uuid.UUID(bytes=hmac.new(key, unit_type.encode() + b"\0" + id, hashlib.sha256).digest()[:16])


def draw(salt: bytes, unit: uuid.UUID) -> Tuple[int, ...]:
    """w0 … w7: SHA-256(salt ‖ unit) as eight big-endian 32-bit words. salt: 16 bytes."""
    if len(salt) != 16:
        raise ValueError(f"a salt is 16 bytes, not {len(salt)}")
    return struct.unpack(">8I", hashlib.sha256(salt + unit.bytes).digest())


def slot(word: int) -> int:
    """0 … 999,999 of a word of 32 bits."""
    return word * SLOTS >> 32


def ranges(text: str) -> List[Range]:
    """Half-open ranges of slots, as PostgreSQL prints an int4multirange: "{[0,200000),[500000,1000000)}"."""
    if not re.fullmatch(r"\{(\[\d+,\d+\)(,\[\d+,\d+\))*)?\}", text):
        raise ValueError(f"ranges of slots are like {{[0,200000)}}, not {text!r}")
    return [(int(a), int(b)) for a, b in re.findall(r"\[(\d+),(\d+)\)", text)]


class Phase(NamedTuple):
    """A phase as the tables have it; slots as the texts that ranges() reads."""

    number: int
    salt: bytes
    traffic_slots: str
    variants: Mapping[str, str]


class Assignment(NamedTuple):
    phase: int
    variant: str
    propensity: int  # the variant's share of its phase, parts per million


def _owns(slots: str, at: int) -> bool:
    return any(a <= at < b for a, b in ranges(slots))


def assigned(unit: uuid.UUID, experiment_salt: bytes, phases: Iterable[Phase]) -> Optional[Assignment]:
    """What a unit draws in an experiment; None when no phase owns its traffic slot, or no variant its slot in the phase."""
    traffic = slot(draw(experiment_salt, unit)[0])
    for p in phases:
        if not _owns(p.traffic_slots, traffic):
            continue
        at = slot(draw(p.salt, unit)[1])
        for key, slots in p.variants.items():
            if _owns(slots, at):
                return Assignment(p.number, key, sum(b - a for a, b in ranges(slots)))
        return None
    return None
