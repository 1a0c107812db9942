"""What the fuzzers start from: small inputs of each target, made from the data of other tests."""

import json
import os
import random
import re
import struct

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
UUID = "0190b5e4-0000-7000-8000-00000000000%d"


def documents():
    """The plan documents of tests/unit/model_document.h: string literals of C, one after the other."""
    with open(os.path.join(TESTS, "unit", "model_document.h"), encoding="utf-8") as f:
        source = f.read()
    for text in re.findall(r"_document\[\] =\s*((?:\"(?:[^\"\\]|\\.)*\"\s*)+);", source):
        yield "".join(json.loads('"%s"' % part) for part in re.findall(r"\"((?:[^\"\\]|\\.)*)\"", text))


def conditions():
    for name in ("conditions.json", "conditions_more.json"):
        with open(os.path.join(TESTS, "vectors", name), encoding="utf-8") as f:
            for case in json.load(f)["cases"]:
                yield json.dumps([case[1], case[2]] + case[4:5], separators=(",", ":"))


def requests():
    head = "Host: h\r\n"
    post = "POST /p HTTP/1.1\r\n" + head
    bodies = [
        "GET /a?b=c HTTP/1.1\r\n" + head + "X: a\r\nX: b\r\n\r\n",
        "HEAD /n HTTP/1.1\r\n" + head + "\r\n",
        "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
        "\r\nOPTIONS /%20 HTTP/1.1\r\nHost: [::1]:8440\r\nConnection: close\r\n\r\n",
        post + "Content-Length: 5\r\n\r\nhello",
        post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        post + "Transfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\nT: x\r\n\r\n",
        post + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        post + "Transfer-Encoding: gzip, chunked\r\n\r\n",
        post + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
        post + "Expect: tea\r\n\r\n",
        "POST /s HTTP/1.1\r\n" + head + "Content-Length: 11\r\n\r\nhello world",
        "POST /later HTTP/1.1\r\n" + head + "Content-Length: 2\r\n\r\nhi",
        "GET /ticks HTTP/1.1\r\n" + head + "\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET http://h/ HTTP/1.1\r\n" + head + "\r\n",
        "GET /a\nHost: h\n\n",
        "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n",
    ]
    whole = [b.encode() for b in bodies] + ["".join(bodies[i] for i in (0, 4, 6, 12, 0)).encode()]
    for b in whole:
        yield b"\0" + b
        yield b"\3\0\7\0\x15\0\x20" + b


def event(n, **more):
    out = {"id": UUID % n, "name": "refund", "units": {"user": "raw-id-of-somebody"}, "ts": "2026-11-02T10:20:30Z"}
    out.update(more)
    return {k: v for k, v in out.items() if v is not None}


def batches():
    exposure = event(3, name=None, experiment="base", variant="control", phase=1)
    yield from (json.dumps(b, separators=(",", ":")) for b in (
        {"events": [event(1)]},
        [event(1, value=2.5), event(2, attributes={"plan": "pro", "amount": 5, "other": [1]})],
        [event(1, value=-1e-7, decision=UUID % 9, name="complaint")],
        {"key": "ck_client_bed", "events": [event(1, units={"user": "a", "device": "d"})]},
        [event(1, name="unknown"), event(2, ts="2016-11-02T10:20:30Z"), 7, {"id": "x"}],
        {"events": [exposure, event(3, name=None, experiment="nothing")]},
        [event(4, name=None, experiment="spin", variant="control", phase=1, attributes={"a": 1}, token="AQ")],
        [event(5, event_token="AQ")],
    ))
    yield '{"events":[{"id":"%s","name":"re\\u0066und","units":{"user":"c"},"ts":"2026-11-02t12:20:30+02:00"}]}' % (UUID % 1)
    yield '[{"id":"%s",},{"a":[}]' % (UUID % 1)


def contexts():
    yield from (json.dumps({"context": c}, separators=(",", ":")) for c in (
        {"targetingKey": "c-1"},
        {"targetingKey": "c-2", "country": "DE", "amount": 5, "vip": True, "staff": True},
        {"targetingKey": "c-3", "device": "d-1", "amount": 11.5, "country": ["FR", {"a": None}]},
        {"targetingKey": "c-4", "cohortTokens": ["AQ", "x"]},
        {"targetingKey": ""}, {"targetingKey": 7}, [],
    ))


def texts():
    for t in ('[1,-0.5,1e3,"a\\u00e9\\ud83d\\ude00",{"a":{"b":[null,true]}}]', '"x"', "0", '{"a":1,"a":2}'):
        yield b"\0" + t.encode()
    for t in ("2026-11-02T10:20:30.123456Z", "2026-11-02t12:20:30+02:00", "1970-01-01T00:00:00Z"):
        yield b"\1" + t.encode()
    yield b"\2" + (UUID % 1).encode()
    for t in ("limit=100&after=a%20b", "%c3%a9=1&&x=&=y", "enroll=false"):
        yield b"\3" + t.encode()
    for t in ('{"a":[12345678901234567890,1e999,-1E400,"9e999\\""]}', "1e309"):
        yield b"\4" + t.encode()


def snapshots():
    body = b"csnp" + struct.pack("<Iqqqq", 1, 2, 1, 3, 0) + bytes(16) + b'{"format":2}'
    stops = b"csst" + struct.pack("<Iq", 1, 1) + bytes(101 + 101 + 512 + 16 + 8 + 16)
    for file in range(5):
        for content in (b"", body, stops, bytes(32), bytes(64)):
            yield bytes([0x80 - 0x80 % 5 + file + (5 if 0x80 % 5 else 0)]) + content
            yield bytes([file]) + content


def spools():
    for how in range(12):
        yield bytes([how])
        for offset, patch in ((0, b"\0"), (16, b"\xff" * 20), (100, bytes(40)), (4100, b"\x0d\x01"), (8200, b"\5\5"),
                              (9000, bytes(200))):
            yield bytes([how]) + struct.pack(">HB", offset, len(patch)) + patch
            yield bytes([how]) + struct.pack(">HB", offset, 0) + b"\0"


def sequences():
    chance = random.Random(8)
    for n in range(150):
        yield bytes([n % 8]) + chance.randbytes(20 + n)


def records():
    for kind in range(1, 5):
        for version in range(1, 4):
            for size in range(8, 260):
                yield struct.pack("<IBBH", size, kind, version, 0) + bytes(size - 8)
    for new in [1 << bit for bit in range(16)] + [0, 0x7fff, 0xffff]:
        for filling in (0, 1, 5, 0x80, 0xff):
            one = struct.pack("<H", new) + bytes([filling]) * (10 + 6 * (new & 1) + 16 * (new >> 1 & 1) + bin(new >> 2).count("1"))
            for n in (1, 2, 20):
                for more in (0, 1):
                    body = one * n + bytes(more)
                    yield struct.pack("<IBBH", 8 + len(body), 5, 1, 0) + body


def keys():
    for where in range(4):
        for key in ("ck_admin_bed", "ck_client_bed", "ck_client_staging", "ck_admin_be", "", " ck_admin_bed", "\u00e9"):
            yield bytes([where]) + key.encode()
    yield b"\1 bearer  ck_events_bed"
    yield b"\2ck_admin_bed\r\nX-API-Key: x"


def tokens():
    for mode in range(4):
        yield bytes([mode]) + bytes(range(40))
        yield bytes([mode]) + b"AQAAAAEAAAABAAAAAQ" * 4


def seeds(target):
    """The inputs of a target, as bytes."""
    text = {"decision": contexts, "condition": conditions, "plan": documents}
    made = {"http": requests, "key": keys, "text": texts, "snapshot": snapshots, "spool": spools, "api": sequences,
            "record": records, "token": tokens}
    if target in text:
        return [t.encode() for t in text[target]()]
    if target in ("events", "outcomes"):
        return [bytes([how]) + b.encode() for b in batches() for how in range(4)]
    return list(made[target]())
