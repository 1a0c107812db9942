#!/usr/bin/env python3
"""Runs the fuzz targets and prints what came of it.

    fuzz.py [--keep] [--jobs N] [--seed N] PROGRAM WORK SECONDS [TARGET[=SECONDS]…]

PROGRAM is tests/fuzz/fuzz of a build with --enable-fuzzing; WORK is a directory for corpora that grow from run to run,
and for what was found. --seed: the same inputs in every run, as far as the clock and the speed allow. --keep puts the smallest inputs that reach everything into tests/fuzz/corpus. Ends with 1 when
something was found."""

import argparse
import concurrent.futures
import os
import re
import shutil
import struct
import subprocess
import sys

from seeds import seeds

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "corpus")
PACK_BYTES = 150000


def read_pack(path):
    with open(path, "rb") as f:
        data = f.read()
    at = 0
    while at < len(data):
        (n,) = struct.unpack_from(">I", data, at)
        yield data[at + 4:at + 4 + n]
        at += 4 + n


def write_pack(path, inputs):
    """Small ones first, as many as there is room for."""
    size = 0
    with open(path, "wb") as f:
        for i in sorted(set(inputs), key=lambda i: (len(i), i)):
            size += len(i) + 4
            if size > PACK_BYTES:
                break
            f.write(struct.pack(">I", len(i)) + i)


def pack_of(target):
    return os.path.join(CORPUS, target + ".pack")


def put(directory, inputs):
    os.makedirs(directory, exist_ok=True)
    for n, i in enumerate(inputs):
        with open(os.path.join(directory, "saved-%05d" % n), "wb") as f:
            f.write(i)


def saved(target):
    inputs = list(read_pack(pack_of(target))) if os.path.exists(pack_of(target)) else []
    for name in os.listdir(CORPUS):
        if name.startswith(target + "-"):
            with open(os.path.join(CORPUS, name), "rb") as f:
                inputs.append(f.read())
    return inputs + seeds(target)


def run(program, work, target, seconds, seed):
    corpus, found = os.path.join(work, target), os.path.join(work, "found")
    os.makedirs(found, exist_ok=True)
    put(corpus, saved(target))
    command = [program, "-max_total_time=%d" % seconds, "-seed=%d" % seed, "-print_final_stats=1", "-timeout=30", "-rss_limit_mb=3000",
               "-max_len=16384", "-dict=" + os.path.join(HERE, "words.dict"),
               "-artifact_prefix=%s/%s-" % (found, target), corpus]
    with open(os.path.join(work, target + ".log"), "wb") as log:
        code = subprocess.run(command, env={**os.environ, "FUZZ_TARGET": target}, stdout=log, stderr=log,
                              check=False).returncode
    with open(os.path.join(work, target + ".log"), "rb") as log:
        text = log.read().decode("utf-8", "replace")
    stat = dict(re.findall(r"^stat::(\w+):\s+(\d+)", text, re.M))
    reached = re.findall(r" cov: (\d+) ", text)
    return {"target": target, "seconds": seconds, "code": code, "text": text,
            "runs": int(stat.get("number_of_executed_units", 0)), "cov": int(reached[-1]) if reached else 0,
            "corpus": len(os.listdir(corpus)),
            "found": [os.path.join(found, f) for f in sorted(os.listdir(found)) if f.startswith(target + "-")]}


def keep(program, work, target):
    """The smallest set that reaches every edge that the corpus reaches."""
    small = os.path.join(work, target + ".small")
    shutil.rmtree(small, ignore_errors=True)
    os.makedirs(small)
    subprocess.run([program, "-set_cover_merge=1", "-use_counters=0", "-timeout=30", "-max_len=16384", small,
                    os.path.join(work, target)],
                   env={**os.environ, "FUZZ_TARGET": target}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   check=True)
    inputs = []
    for name in os.listdir(small):
        with open(os.path.join(small, name), "rb") as f:
            inputs.append(f.read())
    write_pack(pack_of(target), inputs)
    print("%s: %d inputs, %d bytes" % (target, len(inputs), os.path.getsize(pack_of(target))))


def show(results):
    print("%-10s %8s %12s %9s %8s %8s %9s" % ("target", "seconds", "executions", "exec/s", "edges", "corpus", "findings"))
    for r in results:
        print("%-10s %8d %12d %9d %8d %8d %9d" % (r["target"], r["seconds"], r["runs"], r["runs"] / max(1, r["seconds"]),
                                                r["cov"], r["corpus"], len(r["found"])))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("program")
    parser.add_argument("work")
    parser.add_argument("seconds", type=int)
    parser.add_argument("targets", nargs="*")
    args = parser.parse_args()
    args.program = os.path.abspath(args.program)
    usage = subprocess.run([args.program], env={**os.environ, "FUZZ_TARGET": ""}, capture_output=True, text=True, check=False)
    known = usage.stderr.split(":", 1)[1].split()
    wanted = [t.partition("=") for t in args.targets] or [(t, "", "") for t in known]
    for name, _, _ in wanted:
        if name not in known:
            sys.exit("There is no target %s; there are %s." % (name, ", ".join(known)))
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(lambda t: run(args.program, args.work, t[0], int(t[2] or args.seconds), args.seed),
                                wanted))
    show(results)
    bad = [r for r in results if r["code"] != 0 or r["runs"] == 0]
    for r in bad:
        print("\n----- %s: %s\n%s" % (r["target"], ", ".join(r["found"]), r["text"][-6000:]))
    if args.keep:
        for r in results:
            keep(args.program, args.work, r["target"])
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
