#!/usr/bin/env python3
"""CPU of an OFREP evaluation, record included, beside nginx `return 200` with a body of the same size, in one run.

    COHORT_BUILD=build tests/bench/ofrep.py [seconds] [rounds] [single|bulk]

single: one flag of a plan of 100 experiments; bulk: all 20 flags of another. Both servers serve the same wrk (1 thread, 16
connections, keep-alive) on loopback, in turns, so that a noisy machine is noisy for both. The CPU is user + system time
of the server's processes, from /proc; cohortd's is all its threads (workers, spool, shipper) until the last record of the
round is stored, without PostgreSQL, whose share is printed beside it. A round that loses a record fails. Needs wrk and
nginx; build without sanitizers.
"""
import os
import tempfile

import bench
from bench import argument, children, cpu
from cohort_server import Server, experiment

LUA = """
local n = 0
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["X-API-Key"] = "%s"
request = function()
    n = n + 1
    return wrk.format(nil, "/ofrep/v1/evaluate/flags%s", nil,
        '{"context":{"targetingKey":"customer-' .. (n %% %d) .. '","country":"DE","plan":"pro"}}')
end
"""
PEOPLE = 200000
KINDS = {"single": (100, "/x0", "OFREP, one flag of 100 / nginx"), "bulk": (20, "", "OFREP, bulk of 20 flags / nginx")}


def prepare(s, n):
    for i in range(n):
        a = s.put(f"/v1/experiments/x{i}", experiment(condition={"country": {"$in": ["DE", "AT"]}}))
        assert a.status == 200, a
        s.post(f"/v1/experiments/x{i}/start")
    s.until(lambda: s.evaluate(f"x{n - 1}", "w", country="DE")["reason"] == "SPLIT", f"the plan of {n} experiments")


def metric(s, name):
    lines = s.request("GET", "/metrics").body.decode().splitlines()
    return next((float(line.split()[1]) for line in lines if line.startswith(name + " ")), None)


def threads(pid):
    """Seconds by thread name."""
    used = {}
    for t in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{t}/comm") as f:
            name = f.read().strip()
        used[name] = used.get(name, 0) + cpu(f"{pid}/task/{t}")
    return used


def measure(s, seconds, script):
    """Microseconds a request of cohortd, of each of its threads as text, of PostgreSQL; requests a second."""
    pid = s.process.pid
    before, lost = sum(map(cpu, children(pid))), metric(s, "cohortd_decision_records_lost_total")
    start = threads(pid)
    n = bench.wrk(s.info["url"] + "/", seconds, script)
    # Seldom: the asking is counted, too.
    s.until(lambda: metric(s, "cohort_spool_records") == 0, "all records are stored", 300, every=0.5)
    assert metric(s, "cohortd_decision_records_lost_total") == lost, "the spool could not keep up"
    used = {name: (t - start.get(name, 0)) / n * 1e6 for name, t in threads(pid).items()}
    postgres = (sum(map(cpu, children(pid))) - before) / n * 1e6
    parts = ", ".join("%s %.2f" % (name, us) for name, us in sorted(used.items(), key=lambda x: -x[1]) if us >= 0.1)
    return sum(used.values()), parts, postgres, n / seconds


def main():
    seconds, rounds, kind = argument(1, 5), argument(2, 5), argument(3, "single", str)
    bench.need("wrk", "nginx")
    experiments, path, name = KINDS[kind]
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as tmp, Server("--workers", "1", "--max-wait-ms", "0") as s:
        prepare(s, experiments)
        answer = s.request("POST", "/ofrep/v1/evaluate/flags" + path, {"context": {"targetingKey": "w", "country": "DE"}}, key="client")
        assert answer.status == 200, answer
        script = os.path.join(tmp, "ask.lua")
        with open(script, "w") as f:
            f.write(LUA % (s.keys["client"], path, PEOPLE))
        with bench.Nginx(tmp, answer.body.decode()) as nginx:
            for _ in range(rounds):
                theirs.append(bench.per_request(nginx.pid, nginx.url, seconds)[0])
                us, parts, postgres, rate = measure(s, seconds, script)
                ours.append(us)
                print("nginx %.2f us, cohortd %.2f us (%s), ratio %.2f; PostgreSQL %.2f us; %d requests/s of %d bytes"
                      % (theirs[-1], us, parts, us / theirs[-1], postgres, rate, len(answer.body)), flush=True)
    bench.row(name, "us of CPU a request", ours, theirs)


if __name__ == "__main__":
    main()
