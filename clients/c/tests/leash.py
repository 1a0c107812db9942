"""The C client on a leash (client_tool.c), and the server that misbehaves; for the tests beside it."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.normpath(os.path.join(HERE, "..", "..", ".."))
sys.path[:0] = [os.path.join(TOP, "clients", "tests"), os.path.join(TOP, "tests", "integration")]
BUILD = os.environ.get("COHORT_BUILD", os.getcwd())
PATIENCE_MS = 60000  # until what should come at once is given up: a machine may stand still for seconds
KINDS = ("", "away", "key", "address", "tls", "full", "refused", "clock", "file", "plan")


class Client:
    """client("open", url=…)["code"]; what it was told of trouble is gathered in .heard."""

    def __init__(self, url=None, key="ck_events_test", wrapper=(), **options):
        self.heard = []
        self.process = subprocess.Popen([*wrapper, os.path.join(BUILD, "clients", "c", "tests", "client_tool")],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if url:
            answer = self("open", url=url, key=key, **options)
            assert answer["code"] == 0, answer

    def __call__(self, what, **arguments):
        self.process.stdin.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the client ended at {what}"
        answer = json.loads(line)
        self.heard += answer.pop("heard")
        return answer

    def value(self, flag, absent, user="c-1", **context):
        type_ = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object"}[type(absent)]
        self("context", user=user, **context)
        return self("value", type=type_, flag=flag, absent=json.dumps(absent) if type_ == "object" else absent)

    def kinds(self):
        return [KINDS[h["kind"]] for h in self.heard]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self, ms=PATIENCE_MS):
        left = self("close", ms=ms)["left"]
        return left, self.finish()

    def finish(self):
        self.process.stdin.close()
        return self.process.wait(60)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            if exc[0] is None:
                status = self.finish()
                assert status == 0, f"the client ended with {status}"
            else:
                self.kill()
