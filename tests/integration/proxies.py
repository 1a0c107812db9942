"""nginx and HAProxy for tests: the system's, or those that .ci/packages.sh unpacked into the build directory.

    with Nginx("upstream c { server @UPSTREAM@; } server { listen @LISTEN@; location / { proxy_pass http://c; } }",
               UPSTREAM=server.address) as p:
        ... p.address, p.log("access.log") ...

Words between @ are replaced in the configuration: @LISTEN@ is the address and port the proxy takes on loopback, @DIR@ a
directory of its own that goes with it, others are given by name.
"""
import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from cohort_server import free_port

BUILD = os.environ.get("COHORT_BUILD", os.getcwd())
PATIENCE = 60


def program(name):
    """Its path and the environment to run it in; None when there is none."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if path:
        return path, dict(os.environ)
    tools = os.path.join(BUILD, "tools")
    path = shutil.which(name, path=f"{tools}/usr/sbin:{tools}/usr/bin")
    if not path:
        return None
    libraries = glob.glob(os.path.join(tools, "usr/lib/*-linux-gnu*"))
    return path, dict(os.environ, LD_LIBRARY_PATH=":".join(libraries))


def need(*names):
    """Ends the test as skipped when one of these programs is missing."""
    for name in names:
        if not program(name):
            print(f"skipped: {name} is not here; ./run-tests unpacks it into build-tests/tools with apt-get download")
            sys.exit(77)


class Proxy:
    """One running proxy. start() tries another port when somebody was faster."""

    def __init__(self, config, **words):
        self.config, self.words = config, words
        self.dir = tempfile.mkdtemp(prefix="cohort-proxy.", dir="/tmp")
        self.process = None

    def __enter__(self):
        for _ in range(5):
            if self._start():
                return self
        self.__exit__()
        raise AssertionError(f"the proxy did not start:\n{self.said}")

    def __exit__(self, *exc):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)
        shutil.rmtree(self.dir, ignore_errors=True)

    def _start(self):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        text = self.whole(self.config)
        for word, value in dict(self.words, LISTEN=self.address, DIR=self.dir).items():
            text = text.replace(f"@{word}@", str(value))
        path = os.path.join(self.dir, "proxy.conf")
        with open(path, "w") as f:
            f.write(text)
        binary, environment = program(self.name)
        with open(os.path.join(self.dir, "output"), "wb") as out:
            self.process = subprocess.Popen([binary, *self.arguments(path)], env=environment, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=subprocess.STDOUT)
        end, pause = time.monotonic() + PATIENCE, threading.Event()
        while self.process.poll() is None and time.monotonic() < end:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return True
            pause.wait(0.02)
        self.said = self.log("output")
        return False

    def finish(self):
        """Lets it end what it is at and write its logs; it takes no new connection."""
        self.process.send_signal(self.graceful)
        assert self.process.wait(PATIENCE) == 0, self.log("output")

    def log(self, name):
        with open(os.path.join(self.dir, name), errors="replace") as f:
            return f.read()


class Nginx(Proxy):
    """config: what stands inside http { }."""
    name = "nginx"
    graceful = signal.SIGQUIT

    def clients(self):
        """How many connections it has not done with, and not logged. One that both sides have ended is in no list of the kernel's."""
        fds, known, n = f"/proc/{self.process.pid}/fd", {}, 0
        for family, inode in (("tcp", 9), ("unix", 6)):
            with open("/proc/net/" + family) as f:
                known.update((fields[inode], fields) for fields in map(str.split, f) if len(fields) > inode)
        for fd in os.listdir(fds):
            try:
                to = os.readlink(f"{fds}/{fd}")
            except FileNotFoundError:
                continue
            its = known.get(to[8:-1])
            n += to.startswith("socket:[") and (its is None or (its[1].endswith(f":{self.port:04X}") and its[3] != "0A"))
        return n

    def finish(self):
        """As one process it ends at once when it is told to: not before it has seen that its clients are gone."""
        end, pause = time.monotonic() + PATIENCE, threading.Event()
        while self.clients() > 0 and time.monotonic() < end:
            pause.wait(0.02)
        super().finish()

    def arguments(self, path):
        return ["-p", self.dir, "-e", os.path.join(self.dir, "error.log"), "-c", path]

    def whole(self, config):
        temporary = "".join(f"{kind}_temp_path @DIR@/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return ("daemon off; master_process off; worker_processes 1; pid @DIR@/pid;\n"
                "events { worker_connections 4096; }\nhttp {\naccess_log off;\n" + temporary + config + "\n}\n")


class Haproxy(Proxy):
    """config: the whole of haproxy.cfg."""
    name = "haproxy"
    graceful = signal.SIGUSR1

    def arguments(self, path):
        return ["-db", "-f", path]

    def whole(self, config):
        return config
