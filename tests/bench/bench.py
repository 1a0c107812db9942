"""What the benchmarks share: rows of the table, nginx as the neighbour, wrk as the client, CPU from /proc.

A benchmark prints a row for each thing it measures, on a line of its own with these seven fields; other lines are for who
runs it by hand. It ends with 77 and a sentence on the last line when it can't run here.

    name|unit|ours|neighbour|ratio|lowest ratio|highest ratio        medians of the rounds, and the range of the ratio
    name|skipped: why                                                where one row of several can't be had here
"""
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
TICK = os.sysconf("SC_CLK_TCK")


def row(name, unit, ours, theirs):
    """One row of rounds: ours[i] was measured beside theirs[i]."""
    ratios = [a / b for a, b in zip(ours, theirs)]
    fields = [statistics.median(ours), statistics.median(theirs), statistics.median(ratios), min(ratios), max(ratios)]
    print("|".join([name, unit] + ["%.4g" % x for x in fields]), flush=True)


def skip_row(name, why):
    print(f"{name}|skipped: {why}", flush=True)


def skip(why):
    print(why, flush=True)
    sys.exit(77)


def need(*programs):
    for p in programs:
        if not find(p):
            skip(f"{p} is not installed")


def find(program):
    """Where it is; servers are outside of an ordinary user's path."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin:/usr/local/sbin")


def argument(n, default, kind=int):
    return kind(sys.argv[n]) if len(sys.argv) > n else default


def cpu(pid):
    """Seconds of user and system time of a process and its threads."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(next(line.split()[1] for line in f if line.startswith("VmRSS")))


def children(pid):
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False).stdout
    direct = [int(p) for p in out.split()]
    return direct + [g for p in direct for g in children(p)]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until_it_answers(port):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on port {port}")


class Nginx:
    """nginx that answers every request with `return 200` and this body; one process."""

    def __init__(self, folder, body, connections=256):
        self.folder, self.body, self.connections = folder, body, connections

    def __enter__(self):
        d, self.port = self.folder, free_port()
        # one parameter of a configuration holds at most 4 KB
        pieces = [self.body[i:i + 1900] for i in range(0, len(self.body), 1900)]
        sets = "".join("set $p%d '%s'; " % (i, p.replace("\\", "\\\\").replace("'", "\\'")) for i, p in enumerate(pieces))
        body = "".join(f"$p{i}" for i in range(len(pieces)))
        if len(pieces) == 1 and "$" not in self.body:
            sets, body = "", pieces[0].replace("\\", "\\\\").replace("'", "\\'")
        conf = os.path.join(d, "nginx.conf")
        with open(conf, "w") as f:
            f.write(f"""daemon off; master_process off; pid {d}/nginx.pid; error_log {d}/error.log;
worker_rlimit_nofile {2 * self.connections + 64};
events {{ worker_connections {self.connections}; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s; default_type application/json;
client_body_temp_path {d}/b; proxy_temp_path {d}/p; fastcgi_temp_path {d}/f; uwsgi_temp_path {d}/u; scgi_temp_path {d}/s;
server {{ listen 127.0.0.1:{self.port}; location / {{ {sets}return 200 '{body}'; }} }} }}""")
        self.process = subprocess.Popen([find("nginx"), "-e", f"{d}/error.log", "-c", conf])
        self.pid, self.url = self.process.pid, f"http://127.0.0.1:{self.port}/"
        until_it_answers(self.port)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def wrk(url, seconds, script=None):
    """Requests answered, all with 2xx, by 16 connections that stay."""
    cmd = ["wrk", "-t1", "-c16", f"-d{seconds}s"] + (["-s", script] if script else []) + [url]
    r = subprocess.run(cmd, capture_output=True, text=True, check=False)
    assert r.returncode == 0 and "Non-2xx" not in r.stdout and "Socket errors" not in r.stdout, r.stdout + r.stderr
    return int(re.search(r"(\d+) requests in", r.stdout).group(1))


def per_request(pid, url, seconds, script=None):
    """(microseconds of a process's CPU a request, requests a second)"""
    before = cpu(pid)
    n = wrk(url, seconds, script)
    return (cpu(pid) - before) / n * 1e6, n / seconds
