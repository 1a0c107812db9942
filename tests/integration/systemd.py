#!/usr/bin/env python3
"""cohortd as a service of systemd, with a fake manager: what it is told and when, the sign of life and what it proves, sockets
passed and kept over a restart. The unit: how exposed it is, and that the embedded PostgreSQL runs within its bounds. `systemd.py unit` tries only the unit, all of it."""
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

from cohort_server import BUILD, PATIENCE, Checks, Server

c = Checks()
libc = ctypes.CDLL(None, use_errno=True)
PASS = ["sh", "-c", 'export LISTEN_PID=$$; exec "$@"', "sh"]  # LISTEN_PID is the server's, which takes this shell's place


class Manager:
    """A socket for NOTIFY_SOCKET, and all that was said to it."""

    def __init__(self, name):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name[1:] if name[0] == "@" else name)
        self.name, self.heard = name, []

    def next(self, seconds=PATIENCE):
        """The next message as a dict, or None."""
        self.socket.settimeout(seconds)
        try:
            text = self.socket.recv(4096).decode()
        except TimeoutError:
            return None
        self.heard.append(text)
        return dict(line.split("=", 1) for line in text.split("\n"))

    def until(self, key):
        """The next message that has this key."""
        while True:
            m = self.next()
            assert m is not None, f"no {key}; heard {self.heard}"
            if key in m:
                return m


def listening(family, address):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.bind(address)
    s.listen(100)
    return s


def passing(*sockets):
    """What Popen needs so that they are descriptors 3, 4, ... Memory is never both writable and executable, as in the unit."""
    def arrange():
        libc.prctl(65, 1, 0, 0, 0)  # PR_SET_MDWE
        high = [os.dup2(s.fileno(), 50 + i) for i, s in enumerate(sockets)]
        for i, fd in enumerate(high):
            os.dup2(fd, 3 + i, inheritable=True)
            os.close(fd)
    return {"preexec_fn": arrange, "close_fds": False}


def ask(family, address, path="/healthz"):
    s = socket.socket(family)
    s.settimeout(PATIENCE)
    s.connect(address)
    s.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    return s


def answer(s):
    got = b""
    while piece := s.recv(65536):
        got += piece
    s.close()
    return got[:15].decode()


def per_worker(pid, ports):
    """How many of these client ports each event loop of the process watches."""
    inodes = {}
    for line in open("/proc/net/tcp"):
        f = line.split()
        if f[0] != "sl" and int(f[2].split(":")[1], 16) in ports:
            inodes[f[9]] = True
    mine, loops = set(), []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            to = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            continue
        if to.startswith("socket:[") and to[8:-1] in inodes:
            mine.add(int(fd))
        if to == "anon_inode:[eventpoll]":
            loops.append(fd)
    counts = []
    for fd in loops:
        text = open(f"/proc/{pid}/fdinfo/{fd}").read()
        counts.append(len({int(n) for n in re.findall(r"tfd:\s*(\d+)", text)} & mine))
    return sorted(n for n in counts if n)


def hold_worker(pid):
    """Stops one worker's thread, and only it; returns how to let it go."""
    tid = next(int(t) for t in os.listdir(f"/proc/{pid}/task") if open(f"/proc/{pid}/task/{t}/comm").read().strip() == "worker")
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(0x4206, tid, None, None) != 0 or libc.ptrace(0x4207, tid, None, None) != 0:  # SEIZE, INTERRUPT
        return None
    os.waitpid(tid, 0x40000000)  # __WALL
    return lambda: libc.ptrace(17, tid, None, None)  # DETACH


def messages(s, m):
    ready = m.until("READY")
    c.check("READY comes when it serves", "serving http" in s.log() and os.path.exists(s.data + "/server.json"))
    c.check("and says what it serves", ready["STATUS"].startswith("serving http://127.0.0.1:"), ready)
    postmaster = open(s.data + "/pg/postmaster.pid").readline().strip()
    environment = open(f"/proc/{postmaster}/environ").read()
    c.check("the embedded database can't speak for cohortd", not re.search("NOTIFY_SOCKET|WATCHDOG_|LISTEN_", environment), environment)

    s.process.send_signal(signal.SIGHUP)
    reloading = m.until("RELOADING")
    c.check("a reload has a time", abs(time.monotonic() - int(reloading["MONOTONIC_USEC"]) / 1e6) < PATIENCE, reloading)
    c.equal("and an end", m.until("READY")["STATUS"], ready["STATUS"])
    with open(s.environment["COHORTD_CONFIG"], "w") as f:
        f.write("workers = many\n")
    s.process.send_signal(signal.SIGHUP)
    m.until("RELOADING")
    c.check("one that is refused says so", "workers" in m.until("READY")["STATUS"])


def signs_of_life(s, m):
    for _ in range(3):
        m.until("WATCHDOG")
    let_go = hold_worker(s.process.pid)
    if not let_go:
        print("skipped: a thread can't be held with ptrace here")
        return
    quiet = False
    while not quiet:  # what was sent before it was held may still come
        began = time.monotonic()
        got = m.next(1.2)  # more than WATCHDOG_USEC
        quiet = got is None
        assert time.monotonic() - began < PATIENCE
        assert len(m.heard) < 100, "a stuck worker goes unseen"
    c.check("no sign of life while one of the workers is stuck", quiet)
    let_go()
    c.check("a worker that goes on is one again", m.until("WATCHDOG"))


def passed(s, inet, path):
    address = inet.getsockname()
    c.equal("the inet socket serves", answer(ask(socket.AF_INET, address)), "HTTP/1.1 200 OK")
    c.equal("the unix socket serves", answer(ask(socket.AF_UNIX, path)), "HTTP/1.1 200 OK")
    c.equal("server.json says where", (s.info["url"], s.info["socket"]), (f"http://127.0.0.1:{address[1]}", path))
    many = [ask(socket.AF_INET, address, "/livez") for _ in range(40)]
    for one in many:
        one.close()
    many = []

    def shared():
        """Who is awake first takes what there is: on a busy machine that may be one of them for a while."""
        many.extend(socket.create_connection(address) for _ in range(100))
        ports = {one.getsockname()[1] for one in many}
        s.until(lambda: sum(per_worker(s.process.pid, ports)) == len(many), "all are taken")
        return len(per_worker(s.process.pid, ports)) == 2 or len(many) >= 900
    s.until(shared, "connections for both")
    counts = per_worker(s.process.pid, {one.getsockname()[1] for one in many})
    c.check(f"both workers get connections of a socket they share: {counts}", len(counts) == 2)
    for one in many:
        one.close()


def kept(s, inet, path):
    """What comes while nobody serves waits, and is answered by the next."""
    waiting = [ask(socket.AF_INET, inet.getsockname()), ask(socket.AF_UNIX, path)]
    s.start()
    c.equal("connections waited for the next cohortd", [answer(w) for w in waiting], ["HTTP/1.1 200 OK"] * 2)


def service():
    s = Server("--workers", "2")
    path, m = s.data + "/passed.sock", Manager(s.data + "/notify")
    inet, unix = listening(socket.AF_INET, ("127.0.0.1", 0)), listening(socket.AF_UNIX, path)
    config = s.data + "/cohortd.conf"
    open(config, "w").close()
    if os.geteuid() == 0:
        os.chmod(s.data, 0o755)
    # A socket that is none of a listener's, named.
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    r = subprocess.run([*PASS, s.program, "--data", s.data + "/none"], capture_output=True, text=True, check=False, timeout=PATIENCE,
                       env=dict(os.environ, LISTEN_FDS="2", LISTEN_FDNAMES="web:wrong"), **passing(inet, udp))
    c.check("a socket that is no listening one is refused by its name", r.returncode == 1 and "descriptor 4 (wrong)" in r.stderr, r)
    s.environment = {"NOTIFY_SOCKET": m.name, "WATCHDOG_USEC": "800000", "LISTEN_FDS": "2", "COHORTD_CONFIG": config}
    s.before, s.popen = PASS, passing(inet, unix)
    with s:
        messages(s, m)
        passed(s, inet, path)
        signs_of_life(s, m)
        s.process.send_signal(signal.SIGTERM)
        c.check("a stop is said", "stopping" in m.until("STOPPING")["STATUS"])
        s.process.wait(PATIENCE)
        c.check("its socket stays where it is", os.path.exists(path))
        m = Manager("@cohort-test-%d" % os.getpid())
        s.environment.update(NOTIFY_SOCKET=m.name, WATCHDOG_PID="1")
        open(config, "w").close()
        kept(s, inet, path)
        c.check("an abstract socket is told too", m.until("READY"))
        c.equal("a watchdog for somebody else is not fed", s.stop(), 0)
        while m.next(0.05):
            pass
        c.check("nor ever was", not any("WATCHDOG" in h for h in m.heard), m.heard)
        # sockets that were passed to somebody else
        s.before = ["env", "LISTEN_PID=1"]
        s.start()
        c.check("sockets of another process are not taken", s.info["url"] != f"http://127.0.0.1:{inet.getsockname()[1]}")


# The unit.

def allowed_calls():
    """What SystemCallFilter= of the unit lets through."""
    sets, name = {}, None
    out = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        word = line.strip()
        if line.startswith("@"):
            name = word
            sets[name] = set()
        elif word and not word.startswith("#") and name:
            sets[name].add(word)

    def expand(group):
        return set().union(*({w} if w[0] != "@" else expand(w) for w in sets[group]))
    return expand("@system-service") - expand("@privileged") - expand("@resources")


def runs_within():
    """From the making of its database to its end, cohortd asks the kernel for nothing that the unit refuses."""
    if os.environ.get("FAULTS") != "long" and "unit" not in sys.argv[1:]:
        print("skipped: counting every system call takes half a minute (FAULTS=long)")
        return
    if not shutil.which("strace"):
        print("skipped: strace is not installed")
        return
    s = Server("--workers", "2", anew=True)
    trace = s.data + "/calls"
    s.forks = True
    s.before = ["strace", "-f", "-c", "-qq", "-U", "name", "-o", trace]
    s.environment = {"ASAN_OPTIONS": "detect_leaks=0"}  # which does not work under ptrace
    with s:
        s.put("/v1/experiments/cta", {"variants": [{"key": "a", "share_ppm": 500000, "value": 1, "control": True},
                                                   {"key": "b", "share_ppm": 500000, "value": 2}]})
        os.kill(s.info["pid"], signal.SIGTERM)
        status = s.process.wait(PATIENCE)
        s.process = None
        calls = set(re.findall(r"^\w+$", open(trace).read(), re.M)) - {"syscall", "total"}
    c.equal("cohortd and its database run under strace", status, 0)
    c.check(f"{len(calls)} system calls were seen", len(calls) > 50)
    # As root cohortd becomes another user for its database; the unit's user is that already.
    as_root = {"setuid", "setgid", "setgroups", "chown", "fchown", "setresuid", "setresgid"} if os.geteuid() == 0 else set()
    c.equal("the unit allows all of them", sorted(calls - allowed_calls() - as_root), [])


def unit():
    path = os.path.join(BUILD, "packaging", "cohortd.service")
    if not shutil.which("systemd-analyze"):
        print("skipped: systemd-analyze is not installed")
        return
    r = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", path], capture_output=True, text=True, check=False)
    level = re.search(r"Overall exposure level for cohortd.service: ([\d.]+)", r.stdout)
    print(level.group(0) if level else r.stdout + r.stderr)
    c.check("the unit's exposure is 1.5 or less", level and float(level.group(1)) <= 1.5)
    runs_within()


if "unit" not in sys.argv[1:]:
    service()
unit()
c.done()
