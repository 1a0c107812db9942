#!/usr/bin/env python3
"""What must never be in a log, at any level: API keys, tokens, the database's password, webhooks' secrets, the keys that
units are hashed with, and raw ids of people. Every route is driven with marked ones in every place where something can
stand, in good, bad and malformed requests, with the database there, refusing, hanging and gone, at log_level debug with
every request logged; then the logs of the server and of its database are searched for the marks, in every form in which
they might be written.

With FAULTS=long also against servers that are wrong on purpose: the search must find them out."""
import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.parse

from cohort_server import BUILD, Checks, Server, experiment, now

HERE = os.path.dirname(os.path.abspath(__file__))
ODD = "+/=&%é\"'\\<"  # around a mark: what some encodings change


def new_mark(what):
    """A word found nowhere else; letters and digits, which no encoding of text changes."""
    return f"Mk{what[:4].capitalize()}{os.urandom(9).hex()}Z"


def forms(word):
    """Texts of which one is there when the word is written: as it is or cut, in hexadecimal, in base64 at each alignment."""
    raw = word.encode()
    found = {word[:14], word[-14:], raw.hex()[:28], raw.hex()[-28:]}
    for skip in range(3):
        text = base64.b64encode(b"\0" * skip + raw).decode()
        inner = text[4 if skip else 0:].rstrip("=")[:-1]
        found |= {inner[:18], inner[-18:]}
    return found | {f.upper() for f in found if re.fullmatch("[0-9a-f]+", f)} | {f.replace("+", "-").replace("/", "_") for f in found}


class Marks:
    """Secrets by name."""

    def __init__(self):
        self.words = {}

    def new(self, name):
        self.words[name] = new_mark(name)
        return self.words[name]

    def add(self, name, word):
        assert len(word) >= 16, (name, word)
        self.words[name] = word

    def found_in(self, text):
        """Names of the marks that are in the text, with the line."""
        hits = {}
        for name, word in self.words.items():
            for form in forms(word):
                at = text.find(form)
                if at >= 0:
                    hits[name] = text[text.rfind("\n", 0, at) + 1:text.find("\n", at)][:300]
        return hits


def search_finds(c):
    """The search itself: each form of a mark, in the middle of a line of a log, is found."""
    m = Marks()
    word = m.new("unit")
    whole = ("ä" + word + ODD)
    texts = [whole, json.dumps(whole), urllib.parse.quote(whole), repr(whole.encode()), whole.encode().hex(), whole.encode().hex().upper(),
             word[:16] + "…", "…" + word[-16:]]
    for head in ("", "x", "xy", "xyz", "k="):
        texts += [base64.b64encode((head + word + ODD).encode()).decode(), base64.urlsafe_b64encode((head + word).encode()).decode()]
    c.equal("every form of a mark is found", [t for t in texts if not m.found_in(f"a line\n2026 info x: {t} y\nanother")], [])
    c.equal("and nothing where nothing is", m.found_in("a line\n" + new_mark("unit")), {})


def bodies(m):
    """Bodies with marks in every field, good ones and others."""
    unit, attribute, token, key = m["unit"], m["attribute"], m["token"], m["body_key"]
    context = {"targetingKey": unit, "account": unit + ODD, "email": attribute, "plan": attribute, "cohortTokens": {"cta": token}}
    event = {"id": "0199a3c4-0000-7000-8000-000000000001", "name": "buy", "units": {"user": unit, "account": unit}, "ts": now(),
             "attributes": {"plan": attribute, "user": unit}, "event_token": token, "value": 1}
    good = [
        {"context": context}, {"flag": "cta", "context": context}, {"events": [event]}, {"key": key, "events": [event]},
        {"events": [{**event, "experiment": "cta", "variant": "control", "phase": 1, "token": token}]},
        {"experiment": "cta", "unit": unit, "variant": "treatment", "note": unit}, {"list": [unit, unit + "2"]},
        {"url": "http://127.0.0.1:9/" + m["webhook_path"], "secret": m["webhook_secret"]},
        {"name": unit, "role": "client"}, {"reason": unit}, {"description": unit, "variants": [{"key": unit}]},
    ]
    bad = [
        {"context": unit}, {"context": {"targetingKey": {"x": unit}}}, {"context": {"targetingKey": unit * 40}}, {unit: unit},
        {"events": unit}, {"events": [unit, {**event, "ts": unit}, {**event, "id": unit}, {**event, "name": unit}, {**event, "value": unit},
                                      {**event, "units": {unit: unit}}, {**event, "units": unit}, {**event, "decision": unit}]},
        {"experiment": unit, "unit": unit, "variant": unit}, {"secret": m["webhook_secret"], "url": m["webhook_path"]},
        {"condition": {unit: {"$near": unit}}}, {"list": [unit, 5]}, [unit], unit,
    ]
    raw = [f'{{"context":{{"targetingKey":"{unit}'.encode(), f'{{"key":"{key}","events":[{{"units":{{"user":"{unit}"}},'.encode(),
           b'{"context":{"targetingKey":"\xff' + unit.encode() + b'"}}', b'{"a":' * 40 + f'"{unit}"'.encode(),
           f'{{"{unit}":1,"{unit}":2}}'.encode(), f'"{unit}\\u0000"'.encode(), f"{unit}".encode() * 4000]
    return [json.dumps(x).encode() for x in good + bad] + raw


def headers(m, key):
    send = {"User-Agent": m["unit"], "Cookie": "id=" + m["cookie"], "Referer": "http://x/?id=" + m["unit"], "Origin": "http://" + m["unit"],
            "If-None-Match": f'"{m["unit"]}"', "If-Match": f'"{m["unit"]}"', "X-Forwarded-For": m["unit"], "X-User": m["unit"],
            "X-Request-Id": m["unit"] + " not a token"}
    if key:
        send["Authorization"] = "Bearer " + key
    return send


def every_route(s, m, step=1):
    """Each route with each body, in turn with a good key, a wrong one and none; and with marks in path and query. step: of the
    bodies only so many."""
    keys, texts, n = [s.keys["admin"], s.keys["client"], m["wrong_key"], None], bodies(m), 0
    for number, route in enumerate(s.request("GET", "/").json["paths"]):
        method, pattern = route.split(" ")
        names = [m["unit"], urllib.parse.quote(m["unit"] + ODD, safe=""), "cta"]
        query = f"?after={m['unit']}&key={m['query_key']}&limit={m['unit']}&enroll={m['unit']}"
        for i, body in list(enumerate(texts if method != "GET" else [None] * 4))[number % step::step]:
            path = pattern.replace("{key...}", names[i % 3]).replace("{key}", names[i % 3])
            s.request(method, path + (query if i % 4 == 3 else ""), body, headers=headers(m, keys[n % 4]))
            n += 1
    for path in ("/" + m["unit"], f"/v1/flags/{m['unit']}/{m['unit']}", f"/v1/{m['unit']}?key={m['query_key']}", "/%" + m["unit"]):
        for method in ("GET", "POST", "OPTIONS", "BREW"):
            s.request(method, path, headers=headers(m, keys[0]))
    return n


def malformed(s, m):
    """What never becomes a request: each on a connection of its own, read to its end."""
    host, port = s.address.split(":")
    u = m["unit"]
    for text in (f"GET /{u} HTTP/9.9\r\n\r\n", f"{u} / HTTP/1.1\r\nHost: h\r\n\r\n", f"GET /{u}\0 HTTP/1.1\r\nHost: h\r\n\r\n",
                 f"GET / HTTP/1.1\r\nHost: {u} x\r\n\r\n", f"GET / HTTP/1.1\r\nHost: h\r\n{u} : y\r\n\r\n",
                 f"GET / HTTP/1.1\r\nHost: h\r\nX: {u}\r\n folded\r\n\r\n", f"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {u}\r\n\r\n",
                 f"POST /v1/outcomes HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{u}\r\n",
                 f"POST / HTTP/1.1\r\nHost: h\r\nExpect: {u}\r\nContent-Length: 5\r\n\r\n", f"GET /{u * 200} HTTP/1.1\r\nHost: h\r\n\r\n",
                 f"GET / HTTP/1.1\r\nHost: h\r\nX: {u * 600}\r\n\r\n",
                 f"POST /v1/outcomes HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {m['wrong_key']}\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"):
        with socket.create_connection((host, int(port)), 30) as x:
            x.sendall(text.encode())
            x.shutdown(socket.SHUT_WR)
            while x.recv(65536):
                pass


def definitions(s, m):
    """Things that hold secrets and ids, as their owners make them."""
    for path, doc in (("/v1/metrics/spend", {"event": "buy", "kind": "mean", "condition": {"plan": m["attribute"]}}),
                      ("/v1/experiments/cta", experiment(segments=["plan"])),
                      ("/v1/segments/vips", {"list": [m["unit"], m["unit"] + ODD]}),
                      ("/v1/overrides/boss", {"experiment": "cta", "unit": m["unit"], "variant": "treatment"}),
                      ("/v1/webhooks/ops", {"url": "http://127.0.0.1:9/" + m["webhook_path"], "secret": m["webhook_secret"]})):
        a = s.put(path, doc)
        assert a.status == 200, (path, a)
    s.post("/v1/experiments/cta/start")
    s.post("/v1/webhooks/ops/test")
    s.until(lambda: s.post("/ofrep/v1/evaluate/flags/cta", {"context": {"targetingKey": m["unit"]}}, "client").status == 200, "the flag")


def learn_secrets(s, marks):
    """Secrets that the server made itself."""
    for role, key in s.keys.items():
        if isinstance(key, str) and key.startswith("ck_"):
            marks.add("key of " + role, key[len("ck_" + role + "_"):])
    document = s.get("/v1/plan-document").json
    for name in ("unit_key", "token_key"):
        marks.add(name, document[name])
    made = s.post("/v1/keys", {"name": "shop", "role": "events"}).json
    marks.add("a key made by REST", made["key"][len("ck_events_"):])
    marks.add("a rotated key", s.post(f"/v1/keys/{made['id']}/rotate").json["key"][len("ck_events_"):])
    answer = s.evaluate("cta", marks.words["unit"])
    for name in ("eventToken", "token"):
        if name in answer["metadata"]:
            marks.add(name, answer["metadata"][name][-40:])
    bulk = s.post("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": marks.words["unit"]}}, "client").json
    url = urllib.parse.urlsplit(bulk["eventStreams"][0]["endpoint"]["requestUri"])
    marks.add("stream token", re.search(r"token=([^&]{20,})", url.query).group(1)[-40:])
    a = s.request("GET", f"{url.path}?token=x{marks.words['stream token']}")  # forged
    assert a.status == 401, a


def refusing_database(s):
    """Rows that PostgreSQL refuses, with their content in its words."""
    s.psql("alter table cohort.outcome add constraint no_more check (value is null or value < 0) not valid;"
           "alter table cohort.override add constraint no_more check (variant = 'nobody') not valid;"
           "alter table cohort.webhook add constraint no_more check (secret = '') not valid;")


def trouble(s, m):
    refusing_database(s)
    every_route(s, m, 3)
    s.outcome("buy", m["unit"], value=5, attributes={"plan": m["attribute"]})
    s.until(lambda: s.value("select count(*) > 0 from cohort.dead_letter where reason <> 'unknown_event'") == "t", "the refused record")
    control = os.path.join(s.data, "pg", "global", "pg_control")
    with open(os.path.join(s.data, "pg", "postmaster.pid")) as f:
        os.rename(control, control + ".away")  # it does not come back before that was seen
        os.kill(int(f.readline()), signal.SIGQUIT)  # its sessions die in the middle of what they do
    s.until(lambda: s.put("/v1/segments/vips", {"list": [m["unit"]]}).status == 503, "the database is gone")
    os.rename(control + ".away", control)
    every_route(s, m, 3)
    s.until(lambda: s.put("/v1/segments/other", {"list": [m["unit"]]}).status != 503, "the database is back")


def logs(s):
    text = s.log()
    path = os.path.join(s.data, "postgres.log")
    if os.path.exists(path):
        with open(path, errors="replace") as f:
            text += "\n" + f.read()
    return text


def drive(s, c, marks, through_trouble=True):
    m = marks.words
    definitions(s, m)
    learn_secrets(s, marks)
    n = every_route(s, m)
    malformed(s, m)
    if through_trouble:
        trouble(s, m)
    lines = s.log().count("\n")
    if c:
        c.check(f"the requests were logged ({n} requests a round, {lines} lines)", lines > n, lines)
        c.check("and so was trouble", '"status":503' in s.log() and '"level":"debug"' in s.log(), "")
        odd = [line for line in s.log().splitlines() if not line.startswith("{") or not isinstance(json.loads(line), dict)]
        c.equal("every line is one JSON object", odd, [])


def new_marks():
    marks = Marks()
    for name in ("unit", "attribute", "cookie", "token", "webhook_secret", "webhook_path"):
        marks.new(name)
    for name in ("wrong_key", "query_key", "body_key"):
        marks.words[name] = ("ck_client_" if name == "body_key" else "ck_admin_") + new_mark(name)
    return marks


OPTIONS = ("--log-level", "debug", "--log-requests", "all", "--log-format", "json", "--rate-failed-auth", "0")


def passwords(s, c):
    """A database of one's own: its password is nowhere, whatever is wrong with the connection string or the database."""
    marks = Marks()
    password = marks.new("password")
    directory = s.info["database"]
    host = re.search(r"host='?([^' ]+)", directory).group(1)
    strings = [directory + f" password={password}", f"postgresql://postgres:{password}@{urllib.parse.quote(host, safe='')}/nowhere",
               f"postgresql://u:{password}@127.0.0.1:1/x", f"postgresql://u:{password}@[::1/x", f"postgresql://u:{password}%zz@h/x",
               f"postgresql:/u:{password}@h/x", f"password={password} host", f"host=127.0.0.1 port={password}",
               f"postgresql://u:x@{password}@127.0.0.1:1/x", f"{password}", f"postgresql://u:{password}@h/x?ssl={password}", f"postgresql://u@127.0.0.1:1/x?password={password}"]
    said = ""
    for i, text in enumerate(strings):
        for by in ("option", "environment"):
            with tempfile.TemporaryDirectory(prefix="cohort-leak.", dir="/tmp") as data:
                env = dict(os.environ, **({"COHORTD_DATABASE": text} if by == "environment" else {}))
                args = [s.program, "--data", data, "--listen", "127.0.0.1:0", "--log-level", "debug", "--database-wait", "0"]
                r = subprocess.Popen(args + (["--database", text] if by == "option" else []), env=env, stderr=subprocess.PIPE,
                                     stdout=subprocess.DEVNULL)
                while i == 0 and b"serving http" not in (line := r.stderr.readline()) and line:
                    said += line.decode()
                if i == 0:
                    r.terminate()
                said += r.stderr.read().decode()
                good = r.wait() in ((0,) if i == 0 else (1, 2))
                c.check(f"connection string {i} by {by} ends as it should", good, said[-300:])
    c.equal("the database's password is in no line", marks.found_in(said), {})


def mutants(c):
    """Servers that log a path, or the content of a row that the database refuses: found out."""
    for name in ("log_path", "log_row"):
        made = subprocess.run([os.path.join(HERE, "../fault/mutant.sh"), name], capture_output=True, timeout=300, check=False, cwd=BUILD)
        assert made.returncode == 0, made.stderr.decode()
        os.environ["COHORTD"] = made.stdout.decode().strip()
        marks = new_marks()
        with Server(*OPTIONS) as s:
            drive(s, None, marks, name == "log_row")
            hits = marks.found_in(logs(s))
        c.check(f"a mutant is caught: {name} ({hits})", bool(hits))


def main():
    c = Checks()
    search_finds(c)
    marks = new_marks()
    with Server(*OPTIONS) as s:
        drive(s, c, marks)
        passwords(s, c)
        hits = marks.found_in(logs(s))
    c.equal(f"no secret and no raw id in the logs ({len(marks.words)} marks)", hits, {})
    if os.environ.get("FAULTS") == "long":
        mutants(c)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
