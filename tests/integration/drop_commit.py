#!/usr/bin/env python3
"""A proxy before PostgreSQL's socket that loses answers: drop_commit.py SOCKET DIR EVERY

Listens on DIR/.s.PGSQL.5432. Every EVERY-th COMMIT goes to the server; its answer is waited for, not passed
on, and both connections are closed. Prints "lost N" at the end (SIGTERM)."""

import os
import signal
import socket
import sys
import threading

COMMIT = b"Q\x00\x00\x00\x0bcommit\x00"


class Proxy:
    def __init__(self, server, every):
        self.server, self.every = server, every
        self.seen = self.lost = 0
        self.lock = threading.Lock()

    def to_lose(self, data):
        if COMMIT not in data:
            return False
        with self.lock:
            self.seen += 1
            return self.seen % self.every == 0

    def serve(self, client):
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.server)
        muted = threading.Event()
        back = threading.Thread(target=self.answers, args=(server, client, muted), daemon=True)
        back.start()
        try:
            while data := client.recv(65536):
                if self.to_lose(data):
                    muted.set()
                server.sendall(data)
        except OSError:
            pass
        server.close()

    def answers(self, server, client, muted):
        try:
            while data := server.recv(65536):
                if muted.is_set() and b"COMMIT\x00" in data:
                    with self.lock:
                        self.lost += 1
                    break
                client.sendall(data)
        except OSError:
            pass
        for s in (client, server):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def main():
    proxy = Proxy(sys.argv[1], int(sys.argv[3]))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.join(sys.argv[2], ".s.PGSQL.5432"))
    listener.listen(16)

    def finish(*_):
        print("lost", proxy.lost, flush=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, finish)
    print("ready", flush=True)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=proxy.serve, args=(client,), daemon=True).start()


main()
