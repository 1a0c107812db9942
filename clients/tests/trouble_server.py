#!/usr/bin/env python3
"""A small server that misbehaves as told, for the tests of every client. Python's standard library only.

    trouble_server.py [--tls]      prints one line of JSON: {"url": "http://127.0.0.1:PORT", "pid": N, "ca": FILE or null}
                                   and serves until its standard input ends (or it is killed).

--tls: HTTPS with a certificate made for elsewhere.example, not for 127.0.0.1, by openssl(1); "ca" is its file. Exit
status 77 with a sentence where openssl is missing.

It is told what to do at /_trouble, from any language:

    PUT  /_trouble/script   [ANSWER, …]   what the next requests are answered, in order; then as a healthy server would
    GET  /_trouble/log                    what came: [{"at", "method", "path", "headers", "body", "status"}, …]
    POST /_trouble/reset                  forgets the script and the log

An ANSWER is an object; all members are optional:

    status    200, 401, 503, …; without it, as a healthy server would
    headers   {"Retry-After": "1", …}; lower or upper case, as they are to be sent
    body      a text, or JSON (an object or a list); without it, a fitting one
    delay_ms  how long to wait before the answer
    close     true: close the connection without an answer
    reject    {"0": "too_old"}: of a batch of events, the items that are rejected, by index, with their code
    path      only requests whose path begins with this take the answer; others pass it by

A healthy server here takes every batch of events, decides every flag as {"value": VALUE, "variant": "treatment"} with VALUE
from "values" of the script's neighbour PUT /_trouble/flags {"key": value, …} (default {"cta": "Hurry!"}; an unknown flag is
404), and has no plan document (404). "at" in the log is in seconds, of a clock that never goes back. Requests of OFREP
and events are logged, those to /_trouble are not.
"""
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4


class State:
    def __init__(self):
        self.lock = threading.Lock()
        self.reset()

    def reset(self):
        with self.lock:
            self.script, self.log, self.flags = [], [], {"cta": "Hurry!"}

    def next_answer(self, path):
        with self.lock:
            for i, answer in enumerate(self.script):
                if path.startswith(answer.get("path", "/")):
                    return self.script.pop(i)
        return {}

    def note(self, entry):
        with self.lock:
            self.log.append(entry)


STATE = State()


def problem(status, text):
    return {"title": text, "status": status, "detail": text, "code": "trouble"}


def results(batch, reject):
    events = batch.get("events", []) if isinstance(batch, dict) else batch
    items = []
    for i, e in enumerate(events):
        code = reject.get(str(i))
        item = {"index": i, "id": e.get("id"), "status": "rejected" if code else "accepted"}
        if code:
            item.update(code=code, reason=f"The test says {code}.")
        items.append(item)
    n = sum(1 for r in items if r["status"] == "rejected")
    return {"results": items, "accepted": len(items) - n, "rejected": n}


def evaluation(key):
    return {"key": key, "reason": "SPLIT", "variant": "treatment", "value": STATE.flags[key],
            "metadata": {"decisionId": str(uuid4()), "reason": "VARIANT", "experiment": key, "phase": 1,
                         "propensity": 500000, "inclusion": 1000000, "planVersion": 12, "eventToken": "token"}}


def healthy(method, path, body, answer):
    """Status and body as of a server in good health."""
    if path in ("/v1/outcomes", "/v1/exposures"):
        return 202, results(body, answer.get("reject", {}))
    if path == "/ofrep/v1/evaluate/flags":
        return 200, {"flags": [evaluation(k) for k in STATE.flags], "metadata": {"eventToken": "token"}}
    if path.startswith("/ofrep/v1/evaluate/flags/"):
        key = path.rsplit("/", 1)[1]
        if key in STATE.flags:
            return 200, evaluation(key)
        return 404, {"key": key, "errorCode": "FLAG_NOT_FOUND", "errorDetails": "There is no flag with this key."}
    return 404, problem(404, "There is nothing at this path.")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return formatdate(timestamp if timestamp is not None else time.time(), usegmt=True)

    def reply(self, status, body, headers=None):
        sent = {k.lower() for k in headers or {}}
        data = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response_only(status)
        if "date" not in sent:
            self.send_header("Date", self.date_time_string())
        if "content-type" not in sent and data:
            self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json")
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Expose-Headers", "ETag, Retry-After, Date")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if status != 304:
            self.wfile.write(data)

    def told(self, path, body):
        if path == "/_trouble/log":
            with STATE.lock:
                log = list(STATE.log)
            self.reply(200, log)
            return
        if path == "/_trouble/reset":
            STATE.reset()
        elif path == "/_trouble/script":
            with STATE.lock:
                STATE.script = list(body)
        elif path == "/_trouble/flags":
            with STATE.lock:
                STATE.flags = dict(body)
        else:
            self.reply(404, problem(404, "Nothing to be told there."))
            return
        self.reply(200, {})

    def handle_request(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.split("?")[0]
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw.decode("utf-8", "replace")
        if path.startswith("/_trouble/"):
            self.told(path, body)
            return
        at = time.monotonic()
        answer = STATE.next_answer(path)
        status, text = healthy(self.command, path, body, answer)
        if "status" in answer and answer["status"] != status:
            status, text = answer["status"], problem(answer["status"], "The test says so.")
        text = answer.get("body", text)
        STATE.note({"at": at, "method": self.command, "path": self.path, "headers": dict(self.headers.items()), "body": body,
                    "status": None if answer.get("close") else status})
        if answer.get("delay_ms"):
            time.sleep(answer["delay_ms"] / 1000)
        if answer.get("close"):
            self.close_connection = True
            self.connection.close()
            return
        try:
            self.reply(status, text, answer.get("headers"))
        except OSError:
            self.close_connection = True

    def do_OPTIONS(self):
        self.send_response_only(204)
        for name, value in (("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Methods", "GET, PUT, POST, OPTIONS"),
                            ("Access-Control-Allow-Headers", "Content-Type, Authorization, X-API-Key, If-None-Match")):
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_PUT = handle_request


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a client that went away, or refused the certificate: that is what is tested


def certificate(folder):
    if not shutil.which("openssl"):
        print("SKIP: openssl is not installed: no certificate can be made", file=sys.stderr)
        sys.exit(77)
    key, cert = os.path.join(folder, "key.pem"), os.path.join(folder, "ca.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=elsewhere.example",
                    "-addext", "subjectAltName=DNS:elsewhere.example", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    return cert, key


def main():
    server = Quiet(("127.0.0.1", 0), Handler)
    folder, ca = None, None
    if "--tls" in sys.argv[1:]:
        folder = tempfile.mkdtemp(prefix="cohort-trouble.", dir="/tmp")
        ca, key = certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(ca, key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    scheme = "https" if ca else "http"
    print(json.dumps({"url": f"{scheme}://127.0.0.1:{server.server_address[1]}", "pid": os.getpid(), "ca": ca}), flush=True)
    try:
        sys.stdin.read()
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
