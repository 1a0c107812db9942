"""All flags of one context, fetched at once: a prefetch, so that only a value that is used is an exposure."""
from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Set, TypeVar

from ._evaluate import Failure
from .details import Details, failed, from_answer

if TYPE_CHECKING:
    from .client import Client

T = TypeVar("T")


class Flags:
    """What Client.prefetch() returns. The first use of each experiment's value is reported, later ones are the same exposure."""

    def __init__(self, client: "Client", context: Mapping[str, Any]) -> None:
        self._client, self._context = client, dict(context)
        self._flags: Dict[str, Any] = {}
        self._etag: Optional[str] = None
        self._failure: Optional[Failure] = None
        self._exposed: Set[object] = set()
        self._lock = threading.Lock()

    @property
    def error(self) -> Optional[str]:
        """Why the last fetch failed; the flags of the one before stay in use."""
        return self._failure.message if self._failure else None

    def keys(self) -> List[str]:
        return list(self._flags)

    def refresh(self) -> bool:
        """Fetches again; true when something changed. A failure leaves everything as it was."""
        flags, etag, self._failure = self._client._evaluator.bulk(self._context, self._etag)
        if flags is None:
            return False
        self._flags, self._etag = flags, etag
        return True

    def value(self, key: str, default: T, enroll: bool = True) -> T:
        """A flag's value; `default` in any trouble. enroll=False looks without using it: no exposure."""
        return self.details(key, default, enroll).value

    def details(self, key: str, default: T, enroll: bool = True) -> Details[T]:
        answer = self._flags.get(key)
        if answer is None:
            if self._failure and not self._flags:
                return failed(key, default, *self._failure)
            return failed(key, default, "FLAG_NOT_FOUND", f"there is no flag {key!r} in what was fetched")
        d = from_answer(key, answer, default)
        if enroll and d.error_code is None:
            self._use(d)
        return d

    def _use(self, d: Details[Any]) -> None:
        what = (d.experiment, d.phase, d.variant, d.metadata.get("holdouts"))
        with self._lock:
            if what in self._exposed:
                return
            self._exposed.add(what)
        self._client._expose(d, self._context)
