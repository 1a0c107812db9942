"""HTTP/1.1 by the standard library: connections that are kept, and a deadline for the whole of an exchange.

http.client's timeout is for each read, so a server that trickles would hold a caller for ever; here every read gets what is
left until the deadline.
"""
from __future__ import annotations

import http.client
import io
import socket
import ssl
import threading
import time
from typing import Any, Dict, List, NamedTuple, Optional
from urllib.parse import urlsplit

BODY_MOST = 16 << 20  # bytes of an answer
IDLE_MOST = 16  # connections kept


class Unreachable(Exception):
    """No answer: refused, cut, too slow, or not the server it should be."""


class Answer(NamedTuple):
    status: int
    headers: Dict[str, str]  # lower-case names
    body: bytes


class _DeadlineReader(io.RawIOBase):
    def __init__(self, sock: Any, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline
        self._raw = sock.makefile("rb", buffering=0)  # counts as a user of the socket: it stays open until this is closed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> Optional[int]:
        self._sock.settimeout(_left(self._deadline))
        n: Optional[int] = self._raw.readinto(buffer)
        return n

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Readable:
    """A socket for http.client's response, which only asks for a file of it."""

    def __init__(self, sock: Any, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def makefile(self, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._sock, self._deadline))


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


class Transport:
    """Exchanges with one server. Safe for threads; reset() in a forked child."""

    def __init__(self, base_url: str, key: str, context: Optional[ssl.SSLContext], agent: str) -> None:
        url = urlsplit(base_url)
        if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
            raise ValueError(f"base_url must be like http://127.0.0.1:8440, not {base_url!r}")
        if not isinstance(key, str) or not key or not key.isascii() or not key.isprintable():
            raise ValueError("key must be the text of an API key, like ck_events_…")
        self._host, self._port = url.hostname, url.port or (443 if url.scheme == "https" else 80)
        self._prefix = url.path.rstrip("/")
        self._context = (context or ssl.create_default_context()) if url.scheme == "https" else None
        self._headers = {"Authorization": "Bearer " + key, "User-Agent": agent, "Accept": "application/json"}
        self.reset()

    def reset(self) -> None:
        """Forgets its connections: they belong to another process, or to a time before a failure."""
        self._lock = threading.Lock()
        self._idle: List[http.client.HTTPConnection] = []

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for c in idle:
            c.close()

    def request(self, method: str, path: str, body: Optional[bytes], timeout: float,
                headers: Optional[Dict[str, str]] = None) -> Answer:
        """One exchange within `timeout` seconds, redirects not followed. Raises Unreachable."""
        deadline = time.monotonic() + timeout
        send = dict(self._headers, **(headers or {}))
        if body is not None:
            send["Content-Type"] = "application/json"
        kept = self._take()
        if kept:
            try:
                return self._exchange(kept, method, path, body, send, deadline)
            except (TimeoutError, socket.timeout) as e:
                raise Unreachable(_why(e)) from e
            except (OSError, http.client.HTTPException):
                self.close()  # the server had closed it, and the others most likely too: a new one tells
        try:
            return self._exchange(self._connect(deadline), method, path, body, send, deadline)
        except (OSError, http.client.HTTPException) as e:
            raise Unreachable(_why(e)) from e

    def _take(self) -> Optional[http.client.HTTPConnection]:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _connect(self, deadline: float) -> http.client.HTTPConnection:
        left = _left(deadline)
        if self._context:
            return http.client.HTTPSConnection(self._host, self._port, timeout=left, context=self._context)
        return http.client.HTTPConnection(self._host, self._port, timeout=left)

    def _exchange(self, c: http.client.HTTPConnection, method: str, path: str, body: Optional[bytes],
                  headers: Dict[str, str], deadline: float) -> Answer:
        done = False
        try:
            if c.sock:
                c.sock.settimeout(_left(deadline))
            c.response_class = lambda sock, *a, **kw: http.client.HTTPResponse(_Readable(sock, deadline), *a, **kw)  # type: ignore
            c.request(method, self._prefix + path, body, headers)
            r = c.getresponse()
            text = r.read(BODY_MOST + 1)
            if len(text) > BODY_MOST:
                raise http.client.HTTPException("the answer is too large")
            done = not r.will_close
            return Answer(r.status, {k.lower(): v for k, v in r.getheaders()}, text)
        finally:
            if done:
                self._put(c)
            else:
                c.close()

    def _put(self, c: http.client.HTTPConnection) -> None:
        with self._lock:
            if len(self._idle) < IDLE_MOST:
                self._idle.append(c)
                return
        c.close()


def _why(e: Exception) -> str:
    if isinstance(e, ssl.SSLCertVerificationError):
        return f"the server's certificate is not good: {e.verify_message}"
    return str(e) or type(e).__name__
