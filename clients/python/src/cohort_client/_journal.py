"""The queue's mirror on disk, so that events survive the process: SQLite, one file a process in a directory of yours.

A process holds its file locked as long as it lives. Whoever opens the directory later takes over what files of ended
processes still hold, and sends it under the same ids: should two take over the same event, it is stored once. Written
without waiting for the disk: it survives the end of the process, kill -9 too, but not of the machine.
"""
from __future__ import annotations

import glob
import os
import sqlite3
import uuid
from typing import Any, Callable, Iterable, List, Optional, Tuple

from ._events import Event
from ._say import Once

_TABLE = ("create table if not exists event (seq integer primary key, id text unique not null, path text not null, ts real not null, "
          "guessed integer not null, rest blob not null)")
_ADD = "insert or ignore into event (id, path, ts, guessed, rest) values (?, ?, ?, ?, ?)"


def _connect(path: str) -> sqlite3.Connection:
    """Raises sqlite3.OperationalError when another process holds the file."""
    db = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        db.execute("pragma locking_mode = exclusive")
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = normal")
        db.execute(_TABLE)
        db.execute("begin immediate")  # takes the lock, which stays
        db.execute("commit")
    except BaseException:
        db.close()
        raise
    return db


def _own(path: str) -> sqlite3.Connection:
    """A file of one's own, which somebody who takes over may have found before it was locked."""
    db = _connect(path)
    if not os.path.exists(path):
        db.close()
        raise sqlite3.OperationalError("the file was taken away")
    return db


def _row(e: Event) -> Tuple[Any, ...]:
    return (e.id, e.path, e.ts, int(e.guessed), e.rest)


class Journal:
    """Used under its queue's lock. A disk that fails costs durability, said once, never an event in memory."""

    def __init__(self, directory: str) -> None:
        self._directory, self._once = directory, Once()
        self._path = self._new_path()
        self._db: Optional[sqlite3.Connection] = None

    def _new_path(self) -> str:
        return os.path.join(self._directory, f"queue-{uuid.uuid4().hex}.db")

    def open(self) -> List[Event]:
        """Takes over what ended processes left, oldest first. Raises OSError or sqlite3.Error: a directory that can't be used is
        a mistake to be told at once."""
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        self._db = self._make()
        for path in sorted(glob.glob(os.path.join(glob.escape(self._directory), "queue-*.db"))):
            if path != self._path:
                self._take_over(path)
        rows = self._db.execute("select id, path, ts, guessed, rest from event order by ts, seq").fetchall()
        return [Event(i, path, ts, bool(guessed), bytes(rest)) for i, path, ts, guessed, rest in rows]

    def _make(self) -> sqlite3.Connection:
        for _ in range(4):
            try:
                return _own(self._path)
            except sqlite3.OperationalError:
                self._path = self._new_path()
        return _own(self._path)

    def _take_over(self, path: str) -> None:
        assert self._db
        try:
            left = _connect(path)
        except sqlite3.DatabaseError:
            return  # its process lives, or it is no file of ours
        try:
            rows = left.execute("select id, path, ts, guessed, rest from event order by seq").fetchall()
            self._db.execute("begin")
            self._db.executemany(_ADD, rows)
            self._db.execute("commit")
            os.unlink(path)
        finally:
            left.close()
        _unlink(path)

    def _try(self, write: Callable[[sqlite3.Connection], object]) -> None:
        try:
            if self._db is None:
                self._db = _own(self._path)
            write(self._db)
            self._once.over("disk", "events are written to the queue's directory again")
        except (sqlite3.Error, OSError) as e:
            self._once.warn("disk", f"events can't be written to {self._directory}, they are in memory only: {e}")

    def add(self, e: Event) -> None:
        self._try(lambda db: db.execute(_ADD, _row(e)))

    def mend(self, e: Event) -> None:
        self._try(lambda db: db.execute("update event set ts = ?, guessed = 0 where id = ?", (e.ts, e.id)))

    def remove(self, ids: Iterable[str]) -> None:
        rows = [(i,) for i in ids]

        def delete(db: sqlite3.Connection) -> None:
            db.execute("begin")
            try:
                db.executemany("delete from event where id = ?", rows)
            finally:
                db.execute("commit")
        self._try(delete)

    def release(self) -> None:
        """Lets go of the file: SQLite's must not be carried over a fork."""
        if self._db:
            self._db.close()
            self._db = None

    def reopen(self, events: Iterable[Event]) -> None:
        """With all that is queued: somebody may have taken the file over meanwhile."""
        rows = [_row(e) for e in events]

        def write(db: sqlite3.Connection) -> None:
            db.execute("begin")
            db.executemany(_ADD, rows)
            db.execute("commit")
        self._try(write)

    def renew(self) -> None:
        """A forked child's own file, made at its first event."""
        self._path, self._once = self._new_path(), Once()

    def close(self, empty: bool) -> None:
        self.release()
        if empty:
            _unlink(self._path)


def _unlink(path: str) -> None:
    for name in (path, path + "-wal", path + "-shm", path + "-journal"):
        try:
            os.unlink(name)
        except FileNotFoundError:
            pass
