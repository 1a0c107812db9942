"""Clients that mean harm, in a process of their own, and what a server's memory is meanwhile.

    with Hostile(server.address, request, loris=2000, deaf=100, endless=100):
        ... ask as a good client ...

request: a whole good request, as bytes. loris: send a byte of a header each second. deaf: ask again and again and never
read. endless: send a chunk's size line that never ends. Whoever is thrown out comes again within a second.
"""
import multiprocessing
import os
import resource
import socket
import threading
import time

ENDLESS = b"POST /ofrep/v1/evaluate/flags HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;"


def resident(pid):
    """Bytes of memory that a process has."""
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def allow_descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Client:
    """piece: what is sent at each tick; first: what is sent before."""

    def __init__(self, address, first, piece, small):
        self.address, self.first, self.piece, self.small = address, first, piece, small
        self.socket = None
        self.refused = 0

    def connect(self):
        self.socket = socket.socket()
        if self.small:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(self.address)
        self.socket.setblocking(False)
        self.send(self.first)

    def send(self, data):
        try:
            while data:
                data = data[self.socket.send(data):]
        except BlockingIOError:
            pass

    def tick(self):
        try:
            if self.socket is None:
                self.connect()
            self.send(self.piece)
            if not self.small and self.socket.recv(4096, socket.MSG_DONTWAIT):
                raise ConnectionResetError  # an answer: this one is refused
        except BlockingIOError:
            pass
        except OSError:
            self.refused += 1
            if self.socket:
                self.socket.close()
            self.socket = None


def _run(address, request, numbers, ready, stop, refused):
    allow_descriptors()
    clients = [Client(address, request[:request.index(b"\r\n") + 2] + b"Host: h\r\nX: ", b"x", False)
               for _ in range(numbers[0])]
    clients += [Client(address, b"", request * 200, True) for _ in range(numbers[1])]
    clients += [Client(address, ENDLESS, b"a" * 300, False) for _ in range(numbers[2])]
    for client in clients:
        client.tick()
    ready.set()
    begin, at = time.monotonic(), 0
    while not stop.wait(0.01):
        due = int((time.monotonic() - begin) * len(clients))  # each once a second, evenly
        while at < due:
            clients[at % len(clients)].tick()
            at += 1
        refused.value = sum(c.refused for c in clients)


class Hostile:
    def __init__(self, address, request, loris=0, deaf=0, endless=0):
        host, port = address.rsplit(":", 1)
        context = multiprocessing.get_context("fork")
        self.ready, self.stop, self.number = context.Event(), context.Event(), context.Value("i", 0)
        self.process = context.Process(target=_run, daemon=True, args=(
            (host, int(port)), request, (loris, deaf, endless), self.ready, self.stop, self.number))

    def __enter__(self):
        self.process.start()
        assert self.ready.wait(60), "the hostile clients connect"
        return self

    def __exit__(self, *exc):
        self.stop.set()
        self.process.join(60)

    def refused(self):
        """How often one of them was thrown out or refused."""
        return self.number.value


class Watch:
    """The most memory that a process had while it was watched; halted: for how long nobody could watch it."""

    def __init__(self, pid):
        self.pid, self.most, self.halted, self.over = pid, 0, 0.0, threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        seen = time.monotonic()
        while not self.over.wait(0.05):
            self.most = max(self.most, resident(self.pid))
            self.halted, seen = max(self.halted, time.monotonic() - seen), time.monotonic()

    def __enter__(self):
        self.before = resident(self.pid)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.over.set()
        self.thread.join()

    def growth(self):
        return max(self.most - self.before, 0)
