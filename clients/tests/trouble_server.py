#!/usr/bin/env python3
"""A server that misbehaves as it is told: what clients of every language are tried against.

In Python:

    with TroubleServer() as s:
        s.script({"status": 503, "headers": {"Retry-After": "1"}}, {"drop": "after"})
        ...
        s.requests        # [{"at", "method", "path", "headers" (lower case), "body" (text), "answer" (status or null)}, ...]

For any other language it is a program. It prints one line, {"url": "http://127.0.0.1:PORT", "ca": FILE or null}, and ends when its standard
input does; two paths of its own drive it:

    POST /_script     a JSON list of answers, which replaces what is left of the one before
    GET  /_requests   {"requests", "stored", "repeated", "changed"} so far, but for these two; DELETE forgets it

An answer is an object; every member is optional:

    status   200 …: the status line. Left out: the usual answer (below)
    headers  name → value, beside Content-Length
    body     text; or anything else, which is sent as JSON with its content type
    delay    seconds before the answer
    slow     seconds over which the answer's bytes trickle
    drop     "before": the connection is closed unread; "after": when the request was read and the usual answer is in force
             (an event may have been kept, and nobody said so)
    reject   {"0": "too_old"}: with the usual answer to a batch, the items that are rejected, by index, with their code
    path     only for requests whose path begins so; other requests leave the answer where it is
    times    how many requests it is for (1); null: all from now on

When the script is at its end the usual answers are given: flags from `flags`, unknown ones 404; events are kept and answered
202. `stored` has each event by its id; `repeated` counts ids that came again, `changed` lists those that came again with
something else in them, which a client must never send.
`at` is in seconds, of a clock that never goes back. tests/vectors/event_retries.json is written in these words.
--tls CERT KEY speaks TLS; --tls-elsewhere does with a certificate of its own for elsewhere.example, made by openssl(1) ("ca"
is its file; status 77 where there is no openssl). --date SECONDS shifts the clock that the Date header tells.
"""
import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FLAGS = {"on": True, "text": "hello", "count": 5, "price": 5.0, "layout": {"a": [1, 2]}}


def usual_flag(key, value):
    return {"key": key, "reason": "SPLIT", "variant": "treatment", "value": value,
            "metadata": {"decisionId": "01999999-0000-7000-8000-000000000000", "reason": "VARIANT", "experiment": key, "phase": 1,
                         "propensity": 500000, "inclusion": 1000000, "planVersion": 1}}


class Port:
    """A port on loopback that is this test's to its end, also while no server of it listens there: it is bound, so that no other program
    and no connection that leaves is given it, and servers that ask for SO_REUSEADDR, as they do, may listen."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.number = self.socket.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def date_time_string(self, timestamp=None):
        return formatdate(time.time() + self.server.trouble.date_shift, usegmt=True)

    def any(self):
        trouble = self.server.trouble
        if trouble.ending.is_set():
            return self.hang_up()  # connections that are still open don't outlive a server that is down
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path in ("/_script", "/_requests"):
            return self.drive(trouble, body)
        answer = trouble.next(self.path)
        if answer.get("drop") == "before":
            return self.hang_up()
        usual = "status" not in answer
        reject = answer.get("reject", {})
        status, headers, text = trouble.usual(self.command, self.path, body, reject) if usual else (answer["status"], {}, b"")
        if not usual or "body" in answer:
            text = encode(answer.get("body", ""), headers)
        headers.update(answer.get("headers", {}))
        trouble.note(self, body, None if answer.get("drop") else status)
        if answer.get("delay"):
            trouble.ending.wait(answer["delay"])
        if answer.get("drop"):
            return self.hang_up()
        return self.answer(status, headers, text, answer.get("slow", 0))

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = any

    def drive(self, trouble, body):
        headers, text = {}, b""
        if self.path == "/_script":
            trouble.script(*json.loads(body))
        elif self.command == "DELETE":
            trouble.forget()
        else:
            text = encode({name: getattr(trouble, name) for name in ("requests", "stored", "repeated", "changed")}, headers)
        self.answer(200, headers, text, 0)

    def answer(self, status, headers, text, slow):
        self.send_response_only(status)
        if "Date" not in headers:
            self.send_header("Date", self.date_time_string())
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if not slow:
            self.wfile.write(text)
            return
        for i in range(len(text)):
            self.server.trouble.ending.wait(slow / len(text))
            self.wfile.write(text[i:i + 1])
            self.wfile.flush()

    def hang_up(self):
        self.close_connection = True


def encode(body, headers):
    if isinstance(body, str):
        return body.encode()
    headers["Content-Type"] = "application/json"
    return json.dumps(body, ensure_ascii=False).encode()


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # a client that hangs up is no news here


class TroubleServer:
    def __init__(self, tls=None, port=0):
        """tls: (certificate file, key file). port: one of its own, to come back at the address it had."""
        self.flags = dict(FLAGS)
        self.date_shift = 0.0
        self.lock = threading.Lock()
        self.ending = threading.Event()
        self.answers = []
        self.forget()
        self.server = QuietServer(("127.0.0.1", port), Handler)
        self.server.trouble = self
        if tls:
            import ssl
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            # The handshake belongs to the connection's own thread: one that fails must not end the listener's.
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.ending.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    def script(self, *answers):
        with self.lock:
            self.answers = [dict(a) for a in answers]

    def forget(self):
        with self.lock:
            self.requests, self.stored, self.repeated, self.changed = [], {}, 0, []

    def next(self, path):
        with self.lock:
            for i, a in enumerate(self.answers):
                if not path.startswith(a.get("path", "/")):
                    continue
                if a.get("times", 1) is not None:
                    a["times"] = a.get("times", 1) - 1
                    if a["times"] <= 0:
                        del self.answers[i]
                return a
            return {}

    def note(self, request, body, status):
        with self.lock:
            self.requests.append({"at": time.monotonic(), "method": request.command, "path": request.path, "answer": status,
                                  "body": body.decode(errors="replace"),
                                  "headers": {k.lower(): v for k, v in request.headers.items()}})

    def usual(self, method, path, body, reject):
        headers = {}
        path = path.split("?")[0]
        if path in ("/v1/outcomes", "/v1/exposures"):
            return self.keep(json.loads(body), headers, reject)
        if path == "/ofrep/v1/evaluate/flags":
            flags = [usual_flag(k, v) for k, v in sorted(self.flags.items())]
            return 200, headers, encode({"flags": flags, "metadata": {}}, headers)
        key = path[len("/ofrep/v1/evaluate/flags/"):]
        if path.startswith("/ofrep/v1/evaluate/flags/") and key in self.flags:
            return 200, headers, encode(usual_flag(key, self.flags[key]), headers)
        return 404, headers, encode({"key": key, "errorCode": "FLAG_NOT_FOUND", "errorDetails": "no such flag"}, headers)

    def keep(self, doc, headers, reject):
        events = doc["events"] if isinstance(doc, dict) else doc
        results = [{"index": i, "id": e["id"], "status": "accepted"} for i, e in enumerate(events)]
        for i, code in reject.items():
            results[int(i)].update(status="rejected", code=code, reason=f"The test says {code}.")
        kept = [e for e, r in zip(events, results) if r["status"] == "accepted"]
        with self.lock:
            for e in kept:
                if e["id"] in self.stored:
                    self.repeated += 1
                    if self.stored[e["id"]] != e:
                        self.changed.append(e["id"])
                self.stored.setdefault(e["id"], e)
        counts = {"accepted": len(kept), "rejected": len(events) - len(kept)}
        return 202, headers, encode({"results": results, **counts}, headers)


def elsewhere(folder):
    """A certificate that is not for 127.0.0.1, and its key."""
    if not shutil.which("openssl"):
        print("SKIP: openssl is not installed: no certificate can be made", file=sys.stderr)
        sys.exit(77)
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=elsewhere.example",
                    "-addext", "subjectAltName=DNS:elsewhere.example", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


def main():
    p = argparse.ArgumentParser(description="A server that misbehaves as it is told; see the text at the top of this file.")
    p.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    p.add_argument("--tls-elsewhere", action="store_true")
    p.add_argument("--port", type=int, default=0)
    p.add_argument("--date", type=float, default=0.0, metavar="SECONDS")
    a = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="cohort-trouble.", dir="/tmp") as folder:
        tls = elsewhere(folder) if a.tls_elsewhere else a.tls
        with TroubleServer(tls, a.port) as s:
            s.date_shift = a.date
            print(json.dumps({"url": s.url, "ca": tls[0] if tls else None}), flush=True)
            sys.stdin.read()


if __name__ == "__main__":
    main()
