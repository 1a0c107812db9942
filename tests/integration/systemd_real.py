#!/usr/bin/env python3
"""The unit under systemd itself, as process 1 of namespaces of their own (systemd_boot.sh): it starts within the unit's bounds, serves
and stores with its embedded database, reloads, is started again after a kill and by the watchdog, takes its sockets over, and ends."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from cohort_server import BUILD, PATIENCE, Checks

HERE = os.path.dirname(os.path.abspath(__file__))
CTL = ["/usr/local/bin/cohortctl", "--data", "/var/lib/cohortd"]
c = Checks()


def skip(why):
    print(f"SKIP: {why}")
    sys.exit(77)


def cgroup():
    """A cgroup of ours below the mounted hierarchy of version 2."""
    with open("/proc/mounts") as f:
        top = next((line.split()[1] for line in f if line.split()[2] == "cgroup2"), None)
    if top is None:
        skip("no cgroup2 is mounted here")
    path = f"{top}/cohort-test-{os.getpid()}"
    try:
        os.mkdir(path)
    except OSError as e:
        skip(f"no cgroup can be made here: {e}")
    return path


class Machine:
    """systemd as process 1 over a copy of this system in memory."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="cohort-systemd.", dir="/tmp")
        self.group = cgroup()
        self.log = open(self.dir + ".log", "w+")
        env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        enter = f'echo $$ >"{self.group}/cgroup.procs" && exec "$@"'
        self.process = subprocess.Popen(
            ["sh", "-c", enter, "sh", "unshare", "--fork", "--pid", "--mount", "--net", "--uts", "--ipc", "--cgroup", "--kill-child",
             "--propagation", "private", "sh", os.path.join(HERE, "systemd_boot.sh"), self.dir, BUILD],
            stdout=self.log, stderr=self.log, env=env)

    def until(self, condition, what, patience=2 * PATIENCE):
        end = time.monotonic() + patience
        while not condition():
            assert time.monotonic() < end, f"waited {patience} s in vain: {what}\n{self.said()}"
            assert self.process.poll() is None, f"systemd ended:\n{self.said()}"
            try:
                self.process.wait(0.1)
            except subprocess.TimeoutExpired:
                pass

    def said(self):
        with open(self.log.name) as f:
            text = f.read()[-3000:]
        return text + self.run("cat", "/run/cohortd.log").stdout[-3000:] if self.first() else text

    def first(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as f:
            return f.read().strip()

    def booted(self):
        pid = self.first()
        return pid and os.path.exists(f"/proc/{pid}/root/run/systemd/private")

    def run(self, *command):
        return subprocess.run(["nsenter", "--target", self.first(), "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--root", "--wd=/",
                               *command], capture_output=True, text=True)

    def systemctl(self, *words):
        r = self.run("systemctl", *words)
        assert r.returncode == 0, f"systemctl {words}: {r.stderr}\n{self.run('systemctl', 'status', words[-1]).stdout}\n{self.said()}"
        return r.stdout

    def watchdog(self, seconds):
        """For how long a sign of life may stay away, from the next start on. Short only where it is to be noticed: a busy
        machine halts for seconds, too."""
        r = self.run("sh", "-c", "d=/run/systemd/system/cohortd.service.d; mkdir -p $d && "
                     f"printf '[Service]\\nWatchdogSec={seconds}\\n' >$d/watchdog.conf && systemctl daemon-reload")
        assert r.returncode == 0, r.stderr

    def restarts(self):
        return int(self.show("NRestarts")[0] or 0)

    def show(self, *names, unit="cohortd"):
        out = self.run("systemctl", "show", unit, *[f"--property={n}" for n in names]).stdout
        d = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
        return [d.get(n) for n in names]

    def status_of(self, pid):
        out = self.run("cat", f"/proc/{pid}/status").stdout
        return dict(line.split(":\t", 1) for line in out.splitlines() if ":\t" in line)

    def cleared(self):
        """The cgroups that systemd made below ours go first."""
        try:
            for path, _, _ in os.walk(self.group, topdown=False):
                os.rmdir(path)
        except OSError:
            return False
        return True

    def end(self):
        self.process.kill()
        self.process.wait()
        end = time.monotonic() + PATIENCE
        while not self.cleared() and time.monotonic() < end:
            time.sleep(0.05)  # the kernel takes the last processes away; nobody tells
        self.log.close()
        os.unlink(self.log.name)
        shutil.rmtree(self.dir, ignore_errors=True)


def possible():
    if os.geteuid() != 0:
        skip("namespaces and a process 1 of one's own need root")
    for program in ("unshare", "nsenter", "ip", "systemctl", "systemd-sysusers"):
        if not shutil.which(program):
            skip(f"{program} is not installed")
    with tempfile.TemporaryDirectory(prefix="cohort-systemd.", dir="/tmp") as d:
        r = subprocess.run(["unshare", "--fork", "--pid", "--mount", "--net", "--cgroup", "sh", "-c",
                            f"mount -t tmpfs x {d} && mkdir {d}/a {d}/b {d}/c && mount -t overlay -o lowerdir=/,upperdir={d}/a,workdir={d}/b x {d}/c"],
                           capture_output=True, text=True)
    if r.returncode != 0:
        skip(f"this machine gives no namespaces with an overlay: {r.stderr.strip()}")


def evaluates(m, flag="greeting"):
    """A decision over HTTP, as an answer's document."""
    r = m.run(*CTL, "evaluate", flag, "somebody")
    return json.loads(r.stdout) if r.returncode == 0 else {"failed": r.stderr}


def starts(m):
    m.until(lambda: m.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"), "systemd runs")
    m.watchdog(60)
    m.systemctl("start", "cohortd")
    state, pid = m.show("SubState", "MainPID")
    c.equal("started means that it runs", state, "running")
    c.check("and serves", m.run(*CTL, "status").returncode == 0, m.said())
    status = m.status_of(pid)
    c.equal("the kernel holds it to its filter, without capabilities or new ones",
            (status["Seccomp"], status["NoNewPrivs"], int(status["CapEff"], 16), int(status["CapBnd"], 16)), ("2", "1", 0, 0))
    c.equal("as its own user", m.run("stat", "-c", "%U", "/var/lib/cohortd").stdout.strip(), "cohortd")
    user = m.run("id", "-u", "cohortd").stdout.strip()
    c.equal("and its process", status["Uid"].split()[0], user)
    mounts = m.run("cat", f"/proc/{pid}/mountinfo").stdout
    c.check("the system is read-only to it", any(line.split()[4] == "/" and line.split()[5].startswith("ro") for line in mounts.splitlines()), mounts)


def works(m):
    r = m.run(*CTL, "psql", "-X", "-q", "-c", "insert into cohort.flag (key, type, default_value) values ('greeting', 'string', '\"hello\"')")
    c.check("SQL as in the README", r.returncode == 0, r.stderr)
    m.until(lambda: evaluates(m).get("value") == "hello", "the flag is served")
    m.until(lambda: m.run(*CTL, "psql", "-XAtc", "select count(*) > 0 from cohort.decision").stdout.strip() == "t", "its record is stored")
    c.check("decides, and the record is in its database", True)


def reloads(m):
    before = m.show("MainPID")
    r = m.run("sh", "-c", "echo 'rate_per_key = 7' >>/usr/local/etc/cohortd/cohortd.conf")
    assert r.returncode == 0, r.stderr
    m.systemctl("reload", "cohortd")
    m.until(lambda: "rate_per_key" in m.run("cat", "/run/cohortd.log").stdout, "the reload is in the log")
    c.equal("a reload keeps the process", m.show("MainPID"), before)


def comes_back(m):
    pid, = m.show("MainPID")
    m.watchdog(2)
    m.systemctl("kill", "--kill-whom=main", "--signal=KILL", "cohortd")
    m.until(lambda: m.restarts() >= 1 and m.show("SubState") == ["running"], "started again after a kill")
    m.until(lambda: evaluates(m).get("value") == "hello", "it serves again, on the database that was killed with it")
    c.check("killed: started again, and serves what it had", m.show("MainPID") != [pid])
    before = m.restarts()
    m.systemctl("kill", "--kill-whom=main", "--signal=STOP", "cohortd")
    m.until(lambda: m.restarts() > before, "the watchdog ends what does not answer")
    m.watchdog(60)
    m.until(lambda: evaluates(m).get("value") == "hello", "it serves again")
    c.check("hanging: the watchdog starts it again", True)


def sockets(m):
    m.systemctl("stop", "cohortd")
    c.equal("it ends in order", m.show("Result", "ActiveState"), ["success", "inactive"])
    left = m.run("sh", "-c", "cat /proc/[0-9]*/comm").stdout.split()
    c.check("and its database with it", "postgres" not in left and "cohortd" not in left, left)
    m.systemctl("start", "cohortd.socket")
    keys = json.loads(m.run("cat", "/var/lib/cohortd/keys.json").stdout)
    code = ("import json,urllib.request as u\n"
            f"r = u.Request('http://127.0.0.1:8440/ofrep/v1/evaluate/flags/greeting', json.dumps({{'context': {{'targetingKey': 'a'}}}}).encode(), "
            f"{{'Authorization': 'Bearer {keys['client']}', 'Content-Type': 'application/json'}})\n"
            f"print(u.urlopen(r, timeout={PATIENCE}).read().decode())")
    r = m.run(sys.executable, "-c", code)
    c.check("a connection to its socket starts it, and is answered", '"value":"hello"' in r.stdout.replace(" ", ""), (r.stdout, r.stderr[-500:], m.said()))
    c.equal("it runs on the socket it was given", m.show("SubState", unit="cohortd.socket"), ["running"])


def main():
    possible()
    m = Machine()
    try:
        m.until(m.booted, "systemd is process 1")
        for part in (starts, works, reloads, comes_back, sockets):
            part(m)
    except AssertionError:
        print(m.said())
        raise
    finally:
        m.end()
    c.done()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
