"""The answer to "which value?", with how it came about."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Optional, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Details(Generic[T]):
    """A value and its decision. Where error_code is set the value is the default of the code.

    reason: OFREP's word (SPLIT, TARGETING_MATCH, DEFAULT, DISABLED, …), or ERROR. cohort_reason: the server's own, finer one
    (VARIANT, HOLDOUT, GUARD_STOP, …; docs/http-api.md lists them). propensity: the share of the variant among those
    enrolled; inclusion: the share of units that are enrolled; both in parts per million. error_code: OpenFeature's
    (FLAG_NOT_FOUND, TYPE_MISMATCH, TARGETING_KEY_MISSING, INVALID_CONTEXT, PARSE_ERROR, GENERAL).
    """

    key: str
    value: T
    reason: str
    variant: Optional[str] = None
    decision_id: Optional[str] = None
    cohort_reason: Optional[str] = None
    experiment: Optional[str] = None
    phase: Optional[int] = None
    propensity: Optional[int] = None
    inclusion: Optional[int] = None
    error_code: Optional[str] = None
    error_message: Optional[str] = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


def failed(key: str, default: T, code: str, message: str) -> Details[T]:
    return Details(key, default, "ERROR", error_code=code, error_message=message)


def _text(v: Any) -> Optional[str]:
    return v if isinstance(v, str) else None


def _int(v: Any) -> Optional[int]:
    return v if isinstance(v, int) and not isinstance(v, bool) else None


def _kind(v: Any) -> str:
    for kind, name in ((bool, "boolean"), (int, "integer"), (float, "float"), (str, "string"), ((Mapping, Sequence), "object")):
        if isinstance(v, kind):  # type: ignore[arg-type]
            return name
    return type(v).__name__


def _as_default(value: Any, default: Any) -> Any:
    """The value where it is of the default's type, a whole number as the float that equals it; else raises TypeError.
    A default of None takes any type."""
    got, want = _kind(value), _kind(default)
    if default is None or got == want:
        return value
    if (got, want) == ("integer", "float") and abs(value) <= 1 << 53:
        return float(value)
    raise TypeError(f"the flag's value is of type {got}, the default of type {want}")


def from_answer(key: str, answer: Any, default: T) -> Details[T]:
    """One flag's object of an OFREP answer. No value in it means the default; one of another type than the default's is
    TYPE_MISMATCH."""
    if not isinstance(answer, dict) or not isinstance(answer.get("metadata", {}), dict):
        return failed(key, default, "PARSE_ERROR", "the answer is no OFREP answer")
    if answer.get("errorCode"):
        return failed(key, default, str(answer["errorCode"]), str(answer.get("errorDetails", "")))
    try:
        value = _as_default(answer["value"], default) if answer.get("value") is not None else default
    except TypeError as e:
        return failed(key, default, "TYPE_MISMATCH", str(e))
    m = answer.get("metadata", {})
    return Details(key, value, _text(answer.get("reason")) or "UNKNOWN", _text(answer.get("variant")), _text(m.get("decisionId")),
                   _text(m.get("reason")), _text(m.get("experiment")), _int(m.get("phase")), _int(m.get("propensity")),
                   _int(m.get("inclusion")), metadata=m)
