#!/usr/bin/env python3
"""CPU per request of the request layer alone (http_hello) beside nginx `return 200` with the same body, in one run.

    COHORT_BUILD=build tests/bench/http_hello.py [seconds] [rounds]

Both serve the same wrk, in turns. Needs wrk and nginx, a build without sanitizers and `make tests/bench/http_hello`.
"""
import subprocess
import tempfile

import bench
from bench import argument, per_request
from cohort_server import BUILD


def main():
    seconds, rounds = argument(1, 3), argument(2, 5)
    bench.need("wrk", "nginx")
    port = bench.free_port()
    hello = subprocess.Popen([f"{BUILD}/tests/bench/http_hello", f"127.0.0.1:{port}"])
    ours, theirs = [], []
    try:
        bench.until_it_answers(port)
        body = '{"key":"checkout_cta","value":"Buy now","reason":"SPLIT"}'
        with tempfile.TemporaryDirectory() as tmp, bench.Nginx(tmp, body) as nginx:
            for _ in range(rounds):
                theirs.append(per_request(nginx.pid, nginx.url, seconds)[0])
                ours.append(per_request(hello.pid, f"http://127.0.0.1:{port}/", seconds)[0])
    finally:
        hello.terminate()
        hello.wait()
    bench.row("request layer alone / nginx", "us of CPU a request", ours, theirs)


if __name__ == "__main__":
    main()
