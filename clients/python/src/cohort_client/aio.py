"""The client for asyncio: the same guarantees, requests on a few threads of its own so that the loop is never held."""
from __future__ import annotations

import asyncio
import functools
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from types import TracebackType
from typing import Any, Callable, Mapping, Optional, Type, TypeVar, Union

from .client import Client, Stats
from .details import Details
from .flags import Flags

T = TypeVar("T")
R = TypeVar("R")


class AsyncFlags(Flags):
    """Flags whose refresh() is awaited. Values are read without waiting."""

    def __init__(self, owner: "AsyncClient", context: Mapping[str, Any]) -> None:
        super().__init__(owner.client, context)
        self._owner = owner

    async def refresh(self) -> bool:  # type: ignore[override]
        return await self._owner._run(super().refresh)


class AsyncClient:
    """Takes what Client takes, and `threads`: how many requests may be under way at once.

    track() and expose() only queue: they are plain calls, so that no event is lost for want of an await. client is the Client
    within, which may be used beside it from threads.
    """

    def __init__(self, base_url: str, key: str, *, threads: int = 16, **options: Any) -> None:
        self.client = Client(base_url, key, **options)
        self._threads = threads
        self._new_pool()

    def _new_pool(self) -> None:
        self._pool, self._pid = ThreadPoolExecutor(self._threads, "cohort-client"), os.getpid()

    async def _run(self, f: Callable[..., R], *args: Any, **kw: Any) -> R:
        if self._pid != os.getpid():  # a forked child has none of its parent's threads
            self._new_pool()
        return await asyncio.get_running_loop().run_in_executor(self._pool, functools.partial(f, *args, **kw))

    async def value(self, key: str, default: T, targeting_key: Optional[str] = None, attributes: Optional[Mapping[str, Any]] = None, *,
                    enroll: bool = True) -> T:
        return (await self.details(key, default, targeting_key, attributes, enroll=enroll)).value

    async def details(self, key: str, default: T, targeting_key: Optional[str] = None,
                      attributes: Optional[Mapping[str, Any]] = None, *, enroll: bool = True) -> Details[T]:
        return await self._run(self.client.details, key, default, targeting_key, attributes, enroll=enroll)

    async def prefetch(self, targeting_key: str, attributes: Optional[Mapping[str, Any]] = None) -> AsyncFlags:
        flags = AsyncFlags(self, {**(attributes or {}), "targetingKey": targeting_key})
        await flags.refresh()
        return flags

    def track(self, name: str, targeting_key: Optional[str] = None, value: Optional[float] = None, *,
              attributes: Optional[Mapping[str, Any]] = None, units: Optional[Mapping[str, str]] = None,
              decision: Union[str, Details[Any], None] = None, at: Optional[datetime] = None, id: Optional[str] = None) -> str:
        return self.client.track(name, targeting_key, value, attributes=attributes, units=units, decision=decision, at=at, id=id)

    def expose(self, details: Details[Any], targeting_key: str, attributes: Optional[Mapping[str, Any]] = None) -> None:
        self.client.expose(details, targeting_key, attributes)

    def stats(self) -> Stats:
        return self.client.stats()

    async def flush(self, timeout: Optional[float] = None) -> bool:
        return await self._run(self.client.flush, timeout)

    async def close(self, timeout: Optional[float] = None) -> bool:
        done = await self._run(self.client.close, timeout)
        self._pool.shutdown(wait=False)
        return done

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                        trace: Optional[TracebackType]) -> None:
        await self.close()
