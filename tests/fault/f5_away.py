#!/usr/bin/env python3
"""F5, compressed: PostgreSQL is away for long under load. Every decision and event is answered, memory doesn't grow with
the backlog, and all of it is stored when the database is back."""
import sys

from fault import LONG, Load, Node, Postgres, check, drain, run


def quantile(times, q):
    return sorted(times)[int(len(times) * q)] * 1000 if times else 0


def fault(checks, result, events=None):
    events = events or (2_000_000 if LONG else 12_000)
    with Postgres() as pg, Node(pg) as node:
        node.begin("cta", guardrails=[])
        with Load([node], decide="cta", give_up=False) as load:
            load.wait_for(4000)
            healthy = list(load.decision_times)
            pg.stop("fast")
            load.wait_for(events // 4, 3600)
            memory, mark = node.memory_kb(), len(load.decision_times)
            load.wait_for(events - events // 4, 3600)
            grown = node.memory_kb() - memory
            away = load.decision_times[mark:]
            pg.start()
        result.cycles = 1
        seconds = drain([node], 1200)
        result.recovered(seconds)
        load.check_answered(checks)
        result.notes.append(f"memory grew by {grown} KB over the last three quarters of {events} events; decisions p99 "
                            f"{quantile(healthy, 0.99):.1f} ms before, {quantile(away, 0.99):.1f} ms while away")
        check(pg, load, result, checks, decisions="all")


if __name__ == "__main__":
    sys.exit(run("F5 PostgreSQL away", fault))
