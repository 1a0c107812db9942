#!/usr/bin/env python3
"""OFREP's push: the offer in bulk answers, its token, and streams of server-sent events that tell of every change, and only of changes."""
import base64
import hmac
import http.client
import json
import os
import re
import signal
import socket
import struct
import sys
import threading
import time

from cohort_server import Checks, Server, experiment

BULK = "/ofrep/v1/evaluate/flags"
BODY = {"context": {"targetingKey": "c-1"}}
URI = re.compile(r"/ofrep/v1/stream\?token=([\w-]{34})&since=(\d+-\d+-[0-9a-f]{16})$")
LIFE_S = 1800
PATIENCE = 20


class Stream:
    """A client of server-sent events, over a connection of its own."""

    def __init__(self, s, path, **headers):
        self.path = path
        self.connection = http.client.HTTPConnection(s.address, timeout=PATIENCE)
        self.connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        self.answer = self.connection.getresponse()
        self.status = self.answer.status
        self.headers = {k.lower(): v for k, v in self.answer.getheaders()}
        self.id = None

    def block(self):
        """The next one as a dict, comments left out; None at the stream's end."""
        fields = {}
        end = time.monotonic() + PATIENCE
        while True:
            assert time.monotonic() < end, "waited in vain for an event"
            line = self.answer.readline().decode()
            if not line:
                return None
            line = line.rstrip("\n")
            if line.startswith(":"):
                continue
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                self.id = fields.get("id", self.id)
                return fields

    def message(self):
        """The next event's data."""
        while (b := self.block()) is not None:
            if "data" in b:
                return json.loads(b["data"])
        return None

    def close(self):
        self.answer.close()
        self.connection.close()


def offered(s, key="client", **kw):
    a = s.post(BULK, BODY, key, **kw)
    assert a.status == 200, a
    return a.json["eventStreams"][0]["endpoint"]["requestUri"]


def flag(s, value, key="color"):
    a = s.put(f"/v1/flags/{key}", {"type": "string", "default": value})
    assert a.status in (200, 201), a


def value(s, key="color", role="client"):
    a = s.post(f"{BULK}/{key}", BODY, role)
    return a.json.get("value") if a.status == 200 else None


def listening(s, path=None, **headers):
    """An open stream, greeted; without headers by a worker that knows what the URL does: each has its plans a moment earlier or later."""
    def greeted():
        x = Stream(s, path or offered(s), **headers)
        assert x.status == 200, x.status
        x.greeting = x.block()
        since = URI.match(x.path)
        if headers or not since or version_of(since[2]) <= version_of(x.id):
            return x
        x.close()
        return None

    return s.until(greeted, "a stream")


def minutes_left(uri):
    """Until the token in a stream's URL ends."""
    return (struct.unpack(">I", base64.urlsafe_b64decode(URI.match(uri)[1] + "==")[5:9])[0] - time.time()) / 60


def steady(s):
    """From now on we are somebody whose token is not about to be followed by the next one, with another URL and ETag."""
    for i in range(100):
        BODY["context"]["targetingKey"] = f"c-{i}"
        if 35 < minutes_left(offered(s)) < 59:
            return
    raise AssertionError("every token ends soon")


def version_of(mark):
    return [int(n) for n in mark.split("-")[:2]]


def metric(s, name):
    text = s.request("GET", "/metrics").body.decode()
    return int(re.search(rf"^{name} (\d+)$", text, re.M).group(1))


def offer(s, c):
    a = s.post(BULK, BODY, "client")
    streams = a.json["eventStreams"]
    c.check("a bulk answer offers one stream, below the origin that the client knows",
            len(streams) == 1 and streams[0]["type"] == "sse" and streams[0]["inactivityDelaySec"] == 120
            and set(streams[0]) == {"type", "endpoint", "inactivityDelaySec"} and set(streams[0]["endpoint"]) == {"requestUri"}
            and URI.match(streams[0]["endpoint"]["requestUri"]), a)
    b = s.post(BULK, BODY, "client")
    c.check("the same to the same client, under the same ETag", b.json["eventStreams"] == streams and
            b.headers["etag"] == a.headers["etag"], b)
    left = minutes_left(streams[0]["endpoint"]["requestUri"]) * 60
    c.check("its token is good for 30 to 60 minutes", LIFE_S - 5 < left <= 2 * LIFE_S, left)
    expiries = {struct.unpack(">I", base64.urlsafe_b64decode(URI.match(
        s.post(BULK, {"context": {"targetingKey": f"c-{i}"}}, "client").json["eventStreams"][0]["endpoint"]["requestUri"])[1] + "==")[5:9])
        for i in range(20)}
    c.check("and that of other clients ends at other moments", len(expiries) > 15, expiries)
    digest, expires = a.headers["etag"].strip('"').split(".")
    for what, then, status in (("the life before: its token is still good", LIFE_S, 304), ("an older one: a new token", 2 * LIFE_S, 200),
                               ("a later one", -LIFE_S, 200)):
        tag = f'"{digest}.{int(expires, 16) - then:x}"'
        n = s.post(BULK, BODY, "client", headers={"If-None-Match": tag})
        c.check(f"an ETag of {what}: {status}", n.status == status and n.headers["etag"] == (tag if status == 304 else a.headers["etag"]),
                (n, n.headers))


def opening(s, c):
    path = offered(s)
    x = listening(s, path, Origin="https://shop.example")
    h = x.headers
    c.check("a stream is text/event-stream, not to be cached or held back, open to pages, and chunked",
            h["content-type"] == "text/event-stream" and h["cache-control"] == "no-store" and h["x-accel-buffering"] == "no"
            and h["access-control-allow-origin"] == "*" and h["transfer-encoding"] == "chunked", h)
    c.check("it begins with an id and a pause below 30 s for coming back, and no event",
            set(x.greeting) == {"retry", "id"} and 1000 <= int(x.greeting["retry"]) < 30000
            and x.greeting["id"] == URI.match(path)[2], x.greeting)
    y = listening(s, path)
    s.until(lambda: metric(s, "cohortd_streams") == 2, "open streams are counted")
    z = [Stream(s, path) for _ in range(4)]
    pauses = {x.greeting["retry"], y.greeting["retry"], *(a.block()["retry"] for a in z)}
    c.check("each client has its own pause", len(pauses) > 1, pauses)
    w = Stream(s, path)
    c.check("more than max_streams are refused: 503, when to come back, in OFREP's form", {a.status for a in z} == {200}
            and w.status == 503 and w.headers["retry-after"] == "1" and json.loads(w.answer.read())["errorCode"] == "GENERAL", w.status)
    c.equal("and counted", metric(s, "cohortd_streams_refused_total"), 1)
    for stream in (x, y, *z, w):
        stream.close()
    s.until(lambda: metric(s, "cohortd_streams") == 0, "the closed ones are gone")
    head = s.request("HEAD", path)
    c.check("HEAD opens none", head.status == 200 and metric(s, "cohortd_streams") == 0, head)


def changes(s, c):
    a = s.post(BULK, BODY, "client")
    x = listening(s)
    begin = time.monotonic()
    flag(s, "blue")
    m = x.message()
    took = time.monotonic() - begin
    c.check(f"an edit is told ({took:.2f} s): to ask again, with the etag that is the event's id", m["type"] == "refetchEvaluation" and m["etag"] == x.id
            and m["etag"] != x.greeting["id"] and abs(m["lastModified"] - time.time()) < 30, m)
    b = s.post(f"{BULK}?flagConfigEtag={m['etag']}&flagConfigLastModified={m['lastModified']}", BODY, "client",
               headers={"If-None-Match": a.headers["etag"]})
    c.check("who asks has the new values, at once", b.status == 200 and "cohort-plan-behind" not in b.headers
            and [f["value"] for f in b.json["flags"] if f["key"] == "color"] == ["blue"], b)
    c.check("and the URL of a stream from there on", URI.match(b.json["eventStreams"][0]["endpoint"]["requestUri"])[2] == m["etag"], b)
    s.psql("insert into cohort.stop_event (experiment_id, iteration, guardrail_id, treatment_id, epoch, sentence, evidence)"
           " select id, iteration, 1, 1, 1, 'A test.', '{}' from cohort.experiment where key = 'cta'")
    begin = time.monotonic()
    m = x.message()
    took = time.monotonic() - begin
    c.check(f"a guardrail's stop is told ({took:.2f} s)", version_of(m["etag"])[1] == 1, m)
    # Another worker may come to it a moment later.
    s.until(lambda: s.evaluate("cta", "c-1")["metadata"]["reason"] == "GUARD_STOP", "it holds when they ask")
    return x


def only_changes(s, c, x):
    """What changes no decision of this environment is not told: the next message is that of the edit behind it."""
    a = s.put("/v1/environments/staging", {})
    assert a.status in (200, 201), a
    s.keys["staging"] = s.value("set cohort.environment = 'staging'; select cohort.create_api_key('client', 'st')")
    s.keys["staging admin"] = s.value("set cohort.environment = 'staging'; select cohort.create_api_key('admin', 'st')")
    s.until(lambda: s.post(BULK, BODY, "staging").status == 200 and s.get("/v1/flags", "staging admin").status == 200, "the keys of staging")
    other = listening(s, offered(s, "staging"))
    told = metric(s, "cohortd_stream_messages_total")
    a = s.put("/v1/experiments/there", experiment(), key="staging admin")
    assert a.status in (200, 201), a
    m = other.message()
    c.check("an edit of staging is told to its streams", m["etag"] == other.id, m)
    flag(s, "green")
    m = x.message()
    s.until(lambda: value(s) == "green", "the edit of production")
    c.equal("and not to production's, whose next message is of their own edit", m["etag"], x.id)
    for path, doc in (("experiments/there", experiment(description="words alone")), ("flags/lamp", {"type": "string"})):
        a = s.put("/v1/" + path, doc, key="staging admin")
        assert a.status in (200, 201), a
    m = other.message()
    c.check("nor the other way round, nor words that decide nothing", m["etag"] == other.id and metric(s, "cohortd_stream_messages_total") == told + 3,
            (m, metric(s, "cohortd_stream_messages_total"), told))
    other.close()


def merged(s, c, x):
    """Edits in quick succession: fewer messages, and the last one is of the last edit."""
    told = metric(s, "cohortd_stream_messages_total")
    s.psql("begin;" + "".join(f"update cohort.flag set default_value = '\"v{i}\"' where key = 'color';" for i in range(9)) + "commit;")
    m = x.message()
    c.check("one transaction is one message", metric(s, "cohortd_stream_messages_total") == told + 1, m)
    for i in range(20):
        flag(s, f"n{i}")
    s.until(lambda: value(s) == "n19", "the last edit")
    now = offered(s)
    while x.id != URI.match(now)[2]:
        x.message()
    n = metric(s, "cohortd_stream_messages_total") - told - 1
    c.check(f"20 edits are at most 20 messages ({n}), and the last is of the last edit", 1 <= n <= 20, n)


def many(s, c):
    """A hundred clients and two edits, the second while the first is being told: all hear of the last, none more than twice."""
    reload(s, "max_streams = 200\n")
    path = offered(s)
    open_ones = []
    for _ in range(100):
        open_ones.append(s.until(lambda: (lambda x: x if x.status == 200 else x.close())(Stream(s, path)), "room for a stream"))
    for x in open_ones:
        x.block()
    told = metric(s, "cohortd_stream_messages_total")
    flag(s, "first")
    s.until(lambda: metric(s, "cohortd_stream_messages_total") > told, "the first is told of it")
    flag(s, "second")
    s.until(lambda: value(s) == "second", "the second edit")
    last = URI.match(offered(s))[2]
    heard = []
    for x in open_ones:
        n = 0
        while x.id != last:
            x.message()
            n += 1
        heard.append(n)
    c.check("each of 100 clients hears of the last edit, and of each edit once at most", 1 <= min(heard) and max(heard) <= 2, heard)
    for x in open_ones:
        x.close()


def resumed(s, c):
    path = offered(s)
    x = listening(s, path)
    x.close()
    y = listening(s, path.split("&")[0], Last_Event_ID=x.id)
    c.equal("who comes back with the last id and missed nothing is told nothing", set(y.greeting), {"retry", "id"})
    flag(s, "missed")
    y.message()
    old = x.id
    for what, stream in (("by Last-Event-ID", listening(s, path.split("&")[0], Last_Event_ID=old)),
                         ("by the URL", listening(s, path)), ("by nothing", listening(s, path.split("&")[0]))):
        m = stream.message()
        c.equal(f"who shows {what} that it missed a change is told at once", m and m["etag"], y.id)
        stream.close()
    z = listening(s, path, Last_Event_ID=y.id)
    c.equal("Last-Event-ID wins over the URL", set(z.greeting), {"retry", "id"})
    z.close()
    z = listening(s, path.split("&")[0], Last_Event_ID="nonsense")
    c.equal("an id nobody gave is no id", z.message()["etag"], y.id)
    z.close()
    y.close()


def behind(s, c):
    """A refetch that reaches a server before the change does."""
    mark = URI.match(offered(s))[2]
    version, stop, _ = mark.split("-")
    now = time.monotonic()
    a = s.post(f"{BULK}?flagConfigEtag={int(version) + 1000}-{stop}-{'0' * 16}", BODY, "client")
    c.check("what never comes is waited for a second, and the answer says so", a.status == 200 and a.headers["cohort-plan-behind"] == "true"
            and time.monotonic() - now > 0.9 and len(a.headers["etag"]) > 32, (a, a.headers))
    for odd in (mark, "junk", f"{int(version) - 1}-{stop}-{'0' * 16}", '"abc"', f"{version}-{stop}-xyz"):
        a = s.post(f"{BULK}?flagConfigEtag={odd}", BODY, "client")
        c.check(f"{odd[:12]}…: not waited for", a.status == 200 and "cohort-plan-behind" not in a.headers, (a, a.headers))
    decided = metric(s, "cohortd_decisions_total")
    host, port = s.address.split(":")
    gone = socket.create_connection((host, int(port)), PATIENCE)
    gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
    body = json.dumps(BODY)
    gone.sendall(("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"
                  f"POST {BULK}?flagConfigEtag={int(version) + 1000}-{stop}-{'0' * 16} HTTP/1.1\r\nHost: h\r\n"
                  f"Authorization: Bearer {s.keys['client']}\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())
    gone.recv(1000)  # the other one came with it, so it is looked at, too
    gone.close()
    s.until(lambda: metric(s, "cohortd_decisions_total") > decided, "the end of a wait whose client is gone")
    a, news = s.until(lambda: meanwhile(s), "an answer that waited for what came within its second")
    c.check("what comes meanwhile is what is answered", a.status == 200
            and a.headers.get("cohort-plan-age", "").isdigit() and [f["value"] for f in a.json["flags"] if f["key"] == "color"] == [news], a)


def meanwhile(s):
    """An answer that was asked for with the mark of an edit that came behind the question, and the edit; None when it took longer
    than an answer waits."""
    version, stop, _ = URI.match(offered(s))[2].split("-")
    got, news = [], f"arrived behind {version}"

    def ask():
        got.append(s.post(f"{BULK}?flagConfigEtag={int(version) + 1}-{stop}-{'0' * 16}", BODY, "client"))

    t = threading.Thread(target=ask)
    t.start()
    flag(s, news)
    t.join()
    return None if "cohort-plan-behind" in got[0].headers else (got[0], news)


def token_of(s, environment, key_id, expires, version=1):
    own = hmac.digest(bytes.fromhex(s.value(f"select encode(hash_key, 'hex') from cohort.secret where environment = '{environment}'")),
                      b"cohortd stream token 1", "sha256")
    signed = struct.pack(">BII", version, key_id, expires)
    return base64.urlsafe_b64encode(signed + hmac.digest(own, signed, "sha256")[:16]).decode().rstrip("=")


def tokens(s, c):
    s.keys["doomed"] = s.value("select cohort.create_api_key('client', 'doomed')")
    s.until(lambda: s.post(BULK, BODY, "doomed").status == 200, "the key")
    path = offered(s, "doomed")
    token = URI.match(path)[1]
    key_id, expires = struct.unpack(">II", base64.urlsafe_b64decode(token + "==")[1:9])
    c.equal("a token is what its documentation says", token_of(s, "production", key_id, expires), token)
    changed = bytearray(base64.urlsafe_b64decode(token + "=="))
    changed[6] ^= 1
    soon = int(time.time()) + 60
    for what, text in (("none", ""), ("junk", "junk"), ("an API key", s.keys["client"]), ("an admin's API key", s.keys["admin"]),
                       ("a changed one", base64.urlsafe_b64encode(bytes(changed)).decode().rstrip("=")),
                       ("one whose time is over", token_of(s, "production", key_id, int(time.time()) - 1)),
                       ("one of a key of another environment", token_of(s, "staging", key_id, soon)),
                       ("of another version", token_of(s, "production", key_id, soon, 2)),
                       ("of a key that never was", token_of(s, "production", 999999, soon)),
                       ("an event token", s.evaluate("cta", "t-1")["metadata"].get("eventToken", "x"))):
        a = s.request("GET", "/ofrep/v1/stream?token=" + text)
        c.check(f"a stream with {what}: 401 in OFREP's form", a.status == 401 and a.json["errorCode"] == "GENERAL"
                and a.json["errorDetails"] and "www-authenticate" in a.headers, a)
    a = s.request("GET", "/ofrep/v1/stream", key="client")
    c.equal("an API key in a header does not open one either", a.status, 401)
    a = s.request("GET", "/ofrep/v1/stream?token=" + token_of(s, "production", key_id, int(time.time()) - 1))
    c.check("the words say what to do about an expired one", "ask for all flags again" in a.json["errorDetails"], a)
    c.equal("a token is no API key: decisions", s.post(BULK, BODY, token).status, 401)
    c.equal("nor definitions", s.get("/v1/flags", token).status, 401)
    x = listening(s, path)
    y = listening(s)
    s.request("DELETE", f"/v1/keys/{key_id}", key="admin")
    c.check("a revoked key's streams end", x.message() is None)

    def opens():
        z = Stream(s, path)
        z.close()
        return z.status
    s.until(lambda: opens() == 401, "its token opens no more")
    flag(s, "still here")
    c.check("those of others go on", y.message()["etag"] == y.id)
    x.close()
    y.close()


def reload(s, text):
    with open(s.file, "w") as f:
        f.write(text)
    s.process.send_signal(signal.SIGHUP)


def switched_off(s, c):
    reload(s, "max_streams = 0\n")
    s.until(lambda: "eventStreams" not in s.post(BULK, BODY, "client").json, "max_streams = 0")
    a = s.post(BULK, BODY, "client")
    c.equal("without streams the ETag stays one", s.post(BULK, BODY, "client", headers={"If-None-Match": a.headers["etag"]}).status, 304)
    reload(s, "max_streams = 200\n")
    s.until(lambda: "eventStreams" in s.post(BULK, BODY, "client").json, "max_streams = 200")


def stopped(s, c):
    """A stop ends streams politely; who comes back after it missed nothing."""
    path = offered(s)
    x = listening(s, path)
    s.process.send_signal(signal.SIGTERM)
    last = x.block()
    c.check("a stop says when to come back", last is not None and set(last) == {"retry"} and 1000 <= int(last["retry"]) < 30000, last)
    c.check("and ends the stream whole", x.block() is None)
    x.close()
    status = s.process.wait(PATIENCE)
    c.check("it is not held up by streams", status == 0 and "they are cut off" not in s.log(), status)
    s.options = ("--config", s.file, "--public-url", "https://shop.example/cohort/")
    s.start()
    y = listening(s, path, Last_Event_ID=x.id)
    c.equal("the same definitions after a restart are no news", set(y.greeting), {"retry", "id"})
    offer = s.post(BULK, BODY, "client").json["eventStreams"][0]
    c.check("with public_url the whole URL is given", set(offer) == {"type", "url", "inactivityDelaySec"}
            and offer["url"].startswith("https://shop.example/cohort/ofrep/v1/stream?token="), offer)
    y.close()


def main():
    c = Checks()
    s = Server()
    s.file = os.path.join(s.data, "cohortd.conf")
    s.options = ("--config", s.file)
    with open(s.file, "w") as f:
        f.write("max_streams = 6\n")
    with s:
        flag(s, "red")
        s.put("/v1/experiments/cta", experiment())
        s.post("/v1/experiments/cta/start")
        s.until(lambda: value(s) == "red" and s.evaluate("cta", "w")["reason"] == "SPLIT", "the definitions")
        steady(s)
        offer(s, c)
        opening(s, c)
        x = changes(s, c)
        only_changes(s, c, x)
        merged(s, c, x)
        x.close()
        for part in (many, resumed, behind, tokens, switched_off, stopped):
            s.until(lambda: metric(s, "cohortd_streams") == 0, "no stream is left")
            part(s, c)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
