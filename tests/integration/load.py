"""tests/bench/load from Python: load on a server, and what came of it.

    load(server, decision(server), connections=64, rate=1000, seconds=2)   →   {"good": 2000, "p99": 180, …}
"""
import json
import os
import subprocess
import tempfile

from cohort_server import BUILD, PATIENCE


def whole_request(server, path, body, key="client"):
    text = json.dumps(body).encode()
    return (f"POST {path} HTTP/1.1\r\nHost: {server.address}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {server.keys[key]}\r\nContent-Length: {len(text)}\r\n\r\n").encode() + text


def decision(server, flag="cta"):
    return whole_request(server, "/ofrep/v1/evaluate/flags/" + flag, {"context": {"targetingKey": "u", "country": "DE"}})


def load(server, request, connections=64, idle=0, rate=0, seconds=2.0, queue=64, obey=False):
    with tempfile.NamedTemporaryFile() as f:
        f.write(request)
        f.flush()
        command = [os.path.join(BUILD, "tests/bench/load"), server.address, f.name, "-c", connections, "-i", idle, "-r", rate,
                   "-t", seconds, "-q", queue] + (["-o"] if obey else [])
        r = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=PATIENCE + seconds,
                           check=False)
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)
