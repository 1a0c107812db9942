"""A client's whole life under valgrind: requests, decisions here, failures, a queue file, a close that leaves events."""
import os
import sys
import tempfile

from leash import Client
from trouble_server import TroubleServer
from vectors import experiment_flag, load, plan, variants

VALGRIND = ("valgrind", "--quiet", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite,possible",
            "--suppressions=" + os.path.join(os.path.dirname(os.path.abspath(__file__)), "valgrind.supp"))
QUICK = {"backoff_min_ms": 20, "backoff_max_ms": 100, "flush_ms": 10, "timeout_ms": 20000}


def life(server, file):
    case = load("assignment.json")["cases"][0]
    document = plan([experiment_flag("here")], [variants(1, "here", case["slots"][1] + 1, case)], unit_key=case["key"])
    server.script({"path": "/v1/plan-document", "status": 200, "body": {**document, "version": 1}},
                  {"path": "/v1/outcomes", "status": 500, "body": "<html>"}, {"path": "/v1/outcomes", "status": 413},
                  {"path": "/v1/outcomes", "reject": {"0": "too_old"}})
    with Client(server.url, wrapper=VALGRIND, queue_file=file, queue_max=20, local=True, poll_ms=100, **QUICK) as client:
        assert client("ready", ms=20000)["code"] == 0
        got = client.value("here", False, user="somebody", units={case["unit_type"]: case["raw"]}, attributes={"x": [1, {"y": "z"}]})
        assert got["value"] is True, got
        assert client.value("none", "d")["error"] == "FLAG_NOT_FOUND"
        for i in range(30):
            client("track", name=f"event-{i}", value=1.5, attributes={"a": "b"})
        client("expose")
        assert client("flush", ms=30000)["code"] == 0, client("stats")
        server.script({"path": "/v1/outcomes", "status": 503, "headers": {"Retry-After": "60"}, "times": None})
        client("track", name="left")
        left, status = client.end(500)
        assert (left, status) == (1, 0), (left, status)
    server.script({"path": "/ofrep", "status": 500}, {"path": "/ofrep", "status": 200, "body": "<html>"})
    with Client(server.url, wrapper=VALGRIND, queue_file=file, **QUICK) as client:
        for _ in range(4):
            client.value("text", "d", attributes={"a": "b"})
        assert client.value("text", "d")["value"] == "hello"
        assert client("flush", ms=30000)["code"] == 0
        assert client.end()[1] == 0


def main():
    with tempfile.TemporaryDirectory(prefix="cohort-client.", dir="/tmp") as folder, TroubleServer() as server:
        life(server, os.path.join(folder, "queue"))
    print("ok: valgrind has nothing to say")


if __name__ == "__main__":
    sys.exit(main())
