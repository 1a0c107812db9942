#!/usr/bin/env python3
"""CPU per OFREP single evaluation, record included, beside nginx `return 200` with a body of the same size, in one run.

    COHORT_BUILD=build tests/bench/ofrep.py [seconds] [rounds]

Both serve the same wrk (1 thread, 16 connections, keep-alive) on loopback, in turns, so that a noisy machine is noisy for
both. The CPU is user + system time of the server's processes, from /proc; cohortd's is all its threads (workers, spool,
shipper) without PostgreSQL, whose share is printed beside it. Needs wrk and nginx; build without sanitizers.
"""
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
from cohort_server import Server, experiment  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
LUA = """
local n = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-API-Key"] = "%s"
request = function()
    n = n + 1
    return wrk.format(nil, "/ofrep/v1/evaluate/flags/x0", nil,
        '{"context":{"targetingKey":"customer-' .. (n %% %d) .. '","country":"DE","plan":"pro"}}')
end
"""


def cpu(pid):
    """Seconds of a process and its threads."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def children(pid):
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False).stdout
    direct = [int(p) for p in out.split()]
    return direct + [g for p in direct for g in children(p)]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wrk(url, seconds, script=None):
    cmd = ["wrk", "-t1", "-c16", f"-d{seconds}s"] + (["-s", script] if script else []) + [url]
    r = subprocess.run(cmd, capture_output=True, text=True, check=False)
    out = r.stdout
    assert r.returncode == 0, r.stdout + r.stderr
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    assert not bad, out
    return int(re.search(r"(\d+) requests in", out).group(1))


def nginx(tmp, body):
    port = free_port()
    conf = os.path.join(tmp, "nginx.conf")
    with open(conf, "w") as f:
        f.write(f"""daemon off; master_process off; pid {tmp}/nginx.pid; error_log {tmp}/error.log;
events {{ worker_connections 256; }}
http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {tmp}/b; proxy_temp_path {tmp}/p;
fastcgi_temp_path {tmp}/f; uwsgi_temp_path {tmp}/u; scgi_temp_path {tmp}/s; default_type application/json;
server {{ listen 127.0.0.1:{port}; location / {{ return 200 '{body}'; }} }} }}""")
    return subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-c", conf]), port


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    people = 200000
    with tempfile.TemporaryDirectory() as tmp, Server("--workers", "1") as s:
        for i in range(100):
            a = s.put(f"/v1/experiments/x{i}", experiment(condition={"country": {"$in": ["DE", "AT"]}}))
            assert a.status == 200, a
            s.post(f"/v1/experiments/x{i}/start")
        s.until(lambda: s.request("POST", "/ofrep/v1/evaluate/flags/x99", {"context": {"targetingKey": "w", "country": "DE"}},
                                  key="client").json.get("reason") == "SPLIT", "the plan of 100 experiments")
        body = s.request("POST", "/ofrep/v1/evaluate/flags/x0", {"context": {"targetingKey": "w", "country": "DE"}},
                         key="client").body.decode()
        script = os.path.join(tmp, "single.lua")
        with open(script, "w") as f:
            f.write(LUA % (s.keys["client"], people))
        peer, port = nginx(tmp, body)
        try:
            s.until(lambda: _answers(port), "nginx")
            rows = []
            for _ in range(rounds):
                a0 = cpu(peer.pid)
                n0 = wrk(f"http://127.0.0.1:{port}/", seconds)
                a1 = cpu(peer.pid)
                postgres = children(s.process.pid)
                b0, p0 = cpu(s.process.pid), sum(cpu(p) for p in postgres)
                n1 = wrk(s.info["url"] + "/", seconds, script)
                b1, p1 = cpu(s.process.pid), sum(cpu(p) for p in postgres)
                rows.append(((a1 - a0) / n0 * 1e6, (b1 - b0) / n1 * 1e6, (p1 - p0) / n1 * 1e6, n1 / seconds))
                print("nginx %.2f us, cohortd %.2f us, ratio %.2f; PostgreSQL %.2f us; %d decisions/s" % (
                    rows[-1][0], rows[-1][1], rows[-1][1] / rows[-1][0], rows[-1][2], rows[-1][3]), flush=True)
            ratios = sorted(r[1] / r[0] for r in rows)
            print("CPU per OFREP single evaluation (100 experiments, record included) / nginx return 200 of %d bytes: "
                  "median %.2f, range %.2f to %.2f" % (len(body), statistics.median(ratios), ratios[0], ratios[-1]))
        finally:
            peer.terminate()
            peer.wait()


def _answers(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
