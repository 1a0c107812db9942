#!/usr/bin/env python3
"""F4: PostgreSQL dies under load: between the rows of a COPY, while a COMMIT waits whose outcome nobody learns, killed
whole, stopped, and restarted. Everything acknowledged is stored once, and a healthy node has nothing to forget."""
import os
import signal
import sys
import time

from fault import LONG, Load, Node, Postgres, check, drain, run, until

SHIPPER = "application_name = 'cohortd shipper'"
# Catches the shipper inside a COPY as fast as the server can look.
CATCH_COPY = """
do $$
declare
    p int;
    began timestamptz := clock_timestamp();
begin
    loop
        perform pg_stat_clear_snapshot();
        select a.pid into p from pg_stat_activity a
         where %s and a.state = 'active' and a.query ilike 'copy%%';
        exit when found;
        if clock_timestamp() > began + interval '60 s' then raise exception 'no COPY was seen'; end if;
    end loop;
    perform %s;
end $$;
"""
# A COMMIT that waits for a standby that isn't there: it has happened, and its answer never comes.
HANG_COMMITS = "alter system set synchronous_standby_names = 'nobody'; select pg_reload_conf();"
LET_COMMITS = "alter system reset synchronous_standby_names; select pg_reload_conf();"


def mid_copy(pg, load):
    pg.psql(CATCH_COPY % (SHIPPER, "pg_terminate_backend(p)"))


def mid_ingest(pg, load):
    """Killed by SIGKILL while it stores what it has copied: all backends go, the server recovers from its log."""
    holder = pg.hold("begin; lock table cohort.outcome in share mode")
    where = f"from pg_stat_activity where {SHIPPER} and wait_event_type = 'Lock'"
    os.kill(int(until(lambda: pg.psql("select pid " + where), "the shipper waits inside its transaction")), signal.SIGKILL)
    holder.communicate(timeout=60)


def mid_commit(pg, load):
    pg.psql(HANG_COMMITS)
    where = f"from pg_stat_activity where {SHIPPER} and wait_event = 'SyncRep'"
    pid = until(lambda: pg.psql("select pid " + where), "a COMMIT of the shipper waits")
    pg.psql(f"select pg_terminate_backend({pid})")  # at its end it may wait for the standby once more
    pg.stop("immediate")
    with open(pg.data + "/postgresql.auto.conf") as f:
        lines = [line for line in f if "synchronous_standby_names" not in line]
    with open(pg.data + "/postgresql.auto.conf", "w") as f:
        f.writelines(lines)
    pg.start()


def killed(pg, load):
    pg.kill()
    load.wait_for(500)
    pg.start()


def stopped(pg, load):
    pg.stop("fast")
    load.wait_for(2000)
    pg.start()


def restarted(pg, load):
    pg.stop("immediate")
    pg.start()


def fault(checks, result):
    faults = (mid_copy, mid_commit, mid_ingest, killed, stopped, restarted)
    with Postgres() as pg, Node(pg) as node:
        node.begin("cta", guardrails=[])
        with Load([node], decide="cta", give_up=False) as load:
            for one in faults * (10 if LONG else 1):
                load.wait_for(500)
                one(pg, load)
                began = time.monotonic()
                stored = "select count(*) from cohort.ingest_batch"
                before = int(until(lambda: pg.psql(stored, check=False), "the database answers"))
                until(lambda: pg.true(f"select ({stored}) > {before}"), f"{one.__name__}: the shipper goes on")
                result.recovered(time.monotonic() - began)
                result.cycles += 1
        seconds = drain([node])
        result.notes.append(f"all stored {seconds:.1f} s after the last event")
        until(lambda: pg.true("select not exists (select from cohort.dead_letter where reason <> 'unknown_event')"),
              "no dead letter but those of refused events")
        check(pg, load, result, checks, decisions="all")
        load.check_answered(checks)


if __name__ == "__main__":
    sys.exit(run("F4 PostgreSQL dies", fault))
