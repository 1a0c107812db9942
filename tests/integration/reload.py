#!/usr/bin/env python3
"""Options from the file, the environment and the command line, and what SIGHUP does with them while cohortd runs."""
import fcntl
import http.client
import os
import pty
import signal
import subprocess
import termios

from cohort_server import PATIENCE, Checks, Server

c = Checks()


def origin(s):
    """What the answer says to a page of https://a.example."""
    a = s.request("OPTIONS", "/ofrep/v1/evaluate/flags/x",
                  headers={"Origin": "https://a.example", "Access-Control-Request-Method": "POST"})
    return a.headers.get("access-control-allow-origin")


def lines(s, words):
    return s.log().count(words)


def reload(s, file, text, says):
    """Writes the file, sends SIGHUP and waits for the sentence."""
    before = lines(s, says)
    with open(file, "w") as f:
        f.write(text)
    s.process.send_signal(signal.SIGHUP)
    s.until(lambda: lines(s, says) == before + 1, says)


def main():
    s = Server()
    file = os.path.join(s.data, "cohortd.conf")
    with open(file, "w") as f:
        f.write("workers = 2\ncors_origins = https://b.example\nidle_seconds = 60\nlog_level = warn\n")
    s.environment = {"COHORTD_CONFIG": file, "COHORTD_LOG_LEVEL": "info", "COHORTD_LOG_LEVLE": "debug",
                     "COHORTD_PORT": "tcp://10.0.0.1:8440"}
    with s:
        c.check("the environment wins over the file", "serving http://" in s.log())
        c.check("a variable near an option's is hinted at",
                "the environment has COHORTD_LOG_LEVLE, which is no option and is not looked at; did you mean "
                "COHORTD_LOG_LEVEL?" in s.log())
        c.check("another is no error", "has COHORTD_PORT, which is no option" in s.log())
        c.equal("the file's origins", origin(s), None)
        kept = http.client.HTTPConnection(s.address, timeout=PATIENCE)
        kept.connect()

        reload(s, file, "workers = 3\ncors_origins = https://a.example\nidle_seconds = 60\n",
               "reload: changed: cors_origins")
        s.until(lambda: origin(s) == "https://a.example", "the new origins")
        c.check("what waits for a restart is named",
                "these have changed too, and only a restart can take them: workers" in s.log())
        kept.request("GET", "/healthz")
        c.equal("a connection from before goes on", kept.getresponse().read() != b"", True)

        reload(s, file, "cors_origins = *\nidle_seconds = soon\n",
               f'nothing was changed: {file} line 2: idle_seconds: "soon" is not a whole number from 1 to 86400')
        c.equal("nothing of a bad file is taken", origin(s), "https://a.example")
        os.unlink(file)
        s.process.send_signal(signal.SIGHUP)
        s.until(lambda: "nothing was changed: COHORTD_CONFIG: " + file + ": No such file" in s.log())
        reload(s, file, "workers = 2\ncors_origins = https://a.example\nidle_seconds = 60\nlog_level = debug\n",
               "reload: no option has changed")

        # A connection that waits is held to the new limit: 60 s would be longer than this test's patience.
        reload(s, file, "workers = 2\ncors_origins = https://a.example\nidle_seconds = 1\n",
               "reload: changed: idle_seconds")
        kept.sock.settimeout(20)
        c.equal("an idle connection ends at the new time", kept.sock.recv(1), b"")
        c.equal("it ends with 0", s.stop(), 0)
        terminal(s)


def from_a_terminal():
    """In the child: its input is its terminal; and a nohup that the tests were started with is not its own."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def terminal(s):
    """Started from a terminal that is closed: SIGHUP is a stop then."""
    def ended(*before):
        master, slave = pty.openpty()
        log = open(os.path.join(s.data, "terminal.log"), "wb+")
        p = subprocess.Popen([*before, s.program, "--data", s.data, "--listen", "127.0.0.1:0"], stdin=slave,
                             stderr=log, stdout=log, start_new_session=True, preexec_fn=from_a_terminal)
        os.close(slave)

        def said(words):
            log.seek(0)
            return words in log.read().decode()
        s.process = p
        s.until(lambda: said("serving "), "it serves")
        os.close(master)
        return p, said
    p, said = ended()
    c.equal("a terminal that goes takes cohortd with it", p.wait(PATIENCE), 0)
    p, said = ended("nohup")
    s.until(lambda: said("no option has changed"), "nohup: the signal is a reload")
    c.equal("nohup keeps it", p.poll(), None)
    p.send_signal(signal.SIGTERM)
    c.equal("and SIGTERM ends it", p.wait(PATIENCE), 0)
    s.process = None


main()
c.done()
