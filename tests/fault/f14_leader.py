#!/usr/bin/env python3
"""F14: the leader is killed, stopped for a while (idle, and inside a transaction), and the database restarts. Another
node leads soon; what a former leader would still write is refused; each breach has one decision; nothing is counted
twice. A long statement is no dead leader."""
import signal
import sys
import time

from fault import LONG, Load, Node, Postgres, check, drain, run, until

# Long enough that nobody takes over but where a test wants it: on a machine that stands still for seconds every leader is silent.
NEVER = 300
PATIENCE_SQL = "create or replace function cohort.leader_patience() returns interval language sql immutable as $$ select interval '%d s' $$"
EPOCH_IGNORED = [("cohort.assert_epoch(bigint)", "if s.epoch is distinct from $1 then", "if false then")]


WAITS_FOR_NOTHING = [("cohort.unseat_leader()", "is not distinct from 'ClientWrite'", "= 'ClientWrite'")]


def set_patience(pg, seconds):
    pg.psql(PATIENCE_SQL % seconds)


def leader(pg, nodes):
    """The node that leads; None while nobody does."""
    name = pg.psql("select node from cohort.leader_state", check=False)
    return next((n for n in nodes if n.name == name), None)


def epoch(pg):
    return int(pg.value("select epoch from cohort.leader_state"))


def leads_but(pg, nodes, busy):
    """A leader that isn't the node that takes the load: that one hands over by a stop, and comes back when another leads."""
    if leader(pg, nodes) is busy:
        busy.stop()
        until(lambda: leader(pg, nodes) is not busy, "another leads while this one is stopped")
        busy.start()
    return leader(pg, nodes)


def taken_over(pg, nodes, old, before, result, patience=60):
    """Waits for a new leader at work; returns it."""
    began = time.monotonic()
    until(lambda: pg.true(f"select epoch > {before} and as_of > clock_timestamp() - interval '5 s' from cohort.leader_state"),
          "another node leads and rolls up", patience)
    set_patience(pg, NEVER)
    result.recovered(time.monotonic() - began)
    result.cycles += 1
    new = leader(pg, nodes)
    assert new is not None and new is not old, f"{new and new.name} leads"
    return new


def breach(node, key, people=400):
    """Customers of the treatment leave, those of control stay. Through one node, whoever leads."""
    users = [f"{key}-{i}" for i in range(people)]
    gone = [u for u in users if node.evaluate(key, u)["variant"] == "treatment"]
    for u in gone[:150]:
        node.outcome("unsubscribe", u)


def woken(node, said, checks, what):
    """said: as long was its log when it was stopped."""
    gone = f"{node.name} no longer leads the monitor"
    node.process.send_signal(signal.SIGCONT)
    node.until(lambda: gone in node.log()[said:], "the woken leader notices")
    node.until(lambda: "this node follows" in node.log()[said:].split(gone)[-1], "and follows")
    checks.check(f"{what}: the woken leader says that it leads no more, and follows", True)


def killed(pg, nodes, busy, checks, result):
    old, before = leads_but(pg, nodes, busy), epoch(pg)
    old.stop(signal.SIGKILL)
    new = taken_over(pg, nodes, old, before, result)
    checks.check(f"killed: {new.name} leads after {old.name}", True)
    old.start()


def stopped(pg, nodes, busy, checks, result, patience):
    """The breach comes while the leader is stopped; it wakes when the decision is made."""
    old, before = leads_but(pg, nodes, busy), epoch(pg)
    old.process.send_signal(signal.SIGSTOP)
    said = len(old.log())
    try:
        began = time.monotonic()
        set_patience(pg, patience)
        breach(busy, "harm")
        breach(busy, "loud")
        taken_over(pg, nodes, old, before, result)
        result.recovered(time.monotonic() - began)
        until(lambda: pg.true("select (select count(*) from cohort.stop_event) = 1 and (select count(*) from cohort.alert_event) = 1"),
              "the new leader decides")
        while LONG and time.monotonic() - began < 60:
            busy.evaluate("loud", "x")
    finally:
        old.process.send_signal(signal.SIGCONT)
    woken(old, said, checks, "stopped")
    checks.check("the standby said why", "silent for" in "".join(n.log() for n in nodes))


def stopped_within(pg, nodes, busy, checks, result, patience):
    """Stopped between begin and commit, with leader_state's row locked. Nobody may take over until that is seen."""
    old, before = leads_but(pg, nodes, busy), epoch(pg)
    holder = pg.hold("begin; lock table cohort.guardrail_state in exclusive mode")
    waits = ("select count(*) = 1 from pg_stat_activity where application_name = 'cohortd monitor' and "
             "wait_event_type = 'Lock' and query like '%record_guardrail%'")
    people = iter(range(10**9))

    def waiting():
        user = f"t-{next(people)}"
        busy.evaluate("calm", user)
        busy.outcome("unsubscribe", user)
        return pg.true(waits)
    until(waiting, "the leader writes where its guardrails stand")
    old.process.send_signal(signal.SIGSTOP)
    said = len(old.log())
    try:
        holder.communicate(b"rollback;\n", timeout=60)
        until(lambda: pg.true("select count(*) = 1 from pg_stat_activity where application_name = 'cohortd monitor' and "
                              "state = 'idle in transaction'"), "its transaction stays open")
        set_patience(pg, patience)
        taken_over(pg, nodes, old, before, result)
    finally:
        old.process.send_signal(signal.SIGCONT)
    woken(old, said, checks, "stopped inside a transaction")


def works_long(pg, nodes, checks):
    """A roll-up that takes longer than the patience is not ended, neither while it waits nor right behind that. The last
    heartbeat is made old, rather than waited for: by a session that lets the leader go on only when the roll-up's table is locked."""
    before = epoch(pg)
    said = {n: len(n.log()) for n in nodes}
    ended = lambda: sum(n.log().count("the connection was ended") for n in nodes)
    unseated = ended()
    ager = pg.hold("begin; update cohort.leader_state set heartbeat = clock_timestamp() - interval '10 min'")
    holder = pg.hold("begin; lock table cohort.tracked_metric in exclusive mode")
    try:
        ager.communicate(b"commit;\n", timeout=60)
        until(lambda: pg.true("select count(*) = 1 from pg_stat_activity where application_name = 'cohortd monitor' and "
                              "wait_event_type = 'Lock' and query like '%cohort.rollup(%'"), "the roll-up waits")
        until(lambda: any("but is at work: nothing is done to it" in n.log()[said[n]:] for n in nodes), "a standby waits for the statement")
        checks.equal("a long statement is left alone", (pg.value("select outcome from cohort.unseat_leader()"), epoch(pg)), ("works", before))
    finally:
        holder.communicate(b"rollback;\n", timeout=60)
    until(lambda: pg.true("select heartbeat > clock_timestamp() - interval '2 s' from cohort.leader_state"), "it goes on")
    checks.equal("nor is the leader unseated right behind it", ended() - unseated, 0)


def restarted(pg, nodes, checks, result):
    before = epoch(pg)
    began = time.monotonic()
    pg.stop("immediate" if result.cycles % 2 else "fast")
    pg.start()
    until(lambda: pg.true(f"select epoch > {before} and as_of > clock_timestamp() - interval '5 s' from cohort.leader_state"), "somebody leads")
    result.recovered(time.monotonic() - began)
    result.cycles += 1
    checks.check(f"database restarted: {leader(pg, nodes).name} leads", True)


def fenced(pg, checks):
    """Every function that takes an epoch refuses one that is over, whatever else it is given."""
    script = """
create function pg_temp.try(f regprocedure) returns text language plpgsql as $$
declare
    args text := (select string_agg(case when n = 'epoch' then '0' else 'null' end || '::' || format_type(t, null), ', ' order by i)
                    from pg_proc p, unnest(p.proargtypes::oid[], p.proargnames[1:p.pronargs]) with ordinality a(t, n, i) where p.oid = f);
    c text;
begin
    execute format('select * from cohort.%I(%s)', (select proname from pg_proc where oid = f), args);
    return 'goes through';
exception when others then
    get stacked diagnostics c = constraint_name;
    return coalesce(nullif(c, ''), sqlerrm);
end $$;
select p.oid::regprocedure::text, pg_temp.try(p.oid) from pg_proc p
 where p.pronamespace = 'cohort'::regnamespace and 'epoch' = any (p.proargnames[1:p.pronargs]) order by 1;
"""
    rows = [r.split("|") for r in pg.psql(script).splitlines()]
    open_to = [r for r in rows if r[1] != "leader_epoch"]
    checks.check(f"all {len(rows)} functions of a leader refuse a former epoch", len(rows) > 10 and not open_to, open_to)


def held(pg):
    """A session of ours that leads and is silent; whoever led before has left."""
    set_patience(pg, 0)
    until(lambda: pg.true("select not exists (select from pg_locks where locktype = 'advisory')"), "nobody leads")
    holder = pg.hold("set application_name = 'cohortd monitor'; select cohort.lead('held')")
    pg.psql("update cohort.leader_state set heartbeat = now() - interval '1 h'")
    return holder


def denied(pg, checks):
    """A node whose role may not end the leader's connection says so and waits."""
    pg.psql("create role stranger login; grant usage on schema cohort to stranger; grant select on cohort.leader_state to stranger")
    holder = held(pg)
    ask = "set role stranger; select outcome = 'denied' from cohort.unseat_leader()"
    checks.check("a role that may not even see the leader's connection is told so", pg.true(ask))
    pg.psql("grant pg_read_all_stats to stranger")
    until(lambda: pg.true(ask), "the idle connection is not ended")
    checks.check("so is one that may see it and not end it", pg.true(ask) and holder.poll() is None)
    holder.communicate(b"select 1;\n", timeout=60)


def computes_long(pg, checks):
    """A statement that waits for nothing, but computes."""
    holder = held(pg)
    holder.stdin.write(b"do $$ begin loop end loop; end $$;\n")
    holder.stdin.flush()
    computes = "application_name = 'cohortd monitor' and state = 'active' and wait_event is null"
    until(lambda: pg.true(f"select count(*) = 1 from pg_stat_activity where {computes}"), "it computes")
    outcomes = {pg.value("select outcome from cohort.unseat_leader()") for _ in range(5)}
    checks.equal("a leader that has computed for long is at work", outcomes, {"works"})
    pg.psql(f"select pg_terminate_backend(pid, 10000) from pg_stat_activity where {computes}")
    holder.communicate(timeout=60)


def same_counts(pg, checks):
    until(lambda: pg.true("select count(*) = 0 from cohort.ingest_batch where applied_at is null"), "all is rolled up")
    different = pg.value("""begin isolation level repeatable read;
        with stored as (select * from cohort.metric_stat), again as (
            select r.* from (select distinct experiment_id from cohort.tracked_metric) t, cohort.recount(t.experiment_id) r)
        select count(*) from ((select * from stored except select * from again) union all
                              (select * from again except select * from stored)) d; commit""")
    checks.equal("the counts are those of a recount: no roll-up was applied twice", different, "0")


def all_of_it(checks, result, patience=3):
    with Postgres() as pg, Node(pg, "node-a") as a, Node(pg, "node-b") as b, Node(pg, "node-c") as c:
        nodes = [a, b, c]
        set_patience(pg, NEVER)
        until(lambda: leader(pg, nodes), "somebody leads")
        for key, action in (("harm", "stop"), ("loud", "alert"), ("calm", "stop")):
            c.begin(key, guardrails=[{"metric": "unsubscribe", "action": action}])
        fenced(pg, checks)
        with Load([c], clients=2, batch=20, give_up=False) as load:
            killed(pg, nodes, c, checks, result)
            stopped(pg, nodes, c, checks, result, patience)
            stopped_within(pg, nodes, c, checks, result, patience)
            works_long(pg, nodes, checks)
            for _ in range(10 if LONG else 1):
                restarted(pg, nodes, checks, result)
                killed(pg, nodes, c, checks, result)
        drain(nodes)
        same_counts(pg, checks)
        checks.equal("one stop, one alert", pg.value("select (select count(*) from cohort.stop_event), (select count(*) from cohort.alert_event)"), "1|1")
        checks.check("who led is written down", pg.true("select count(*) = max(epoch) and bool_and(node <> '') from cohort.leader_change"))
        check(pg, load, result, checks)
        for n in nodes:
            n.stop()
        denied(pg, checks)
        computes_long(pg, checks)


def epoch_ignored(checks, result, sql):
    with Postgres() as pg, Node(pg):
        pg.mutate(sql)
        fenced(pg, checks)


def computing_unseated(checks, result, sql):
    with Postgres() as pg, Node(pg) as node:
        node.stop()
        pg.mutate(sql)
        computes_long(pg, checks)


def no_takeover(checks, result, program):
    """As stopped(), with a short patience, and no longer bound than four times that."""
    with Postgres() as pg, Node(pg, "node-a", program=program) as a, Node(pg, "node-b", program=program) as b:
        until(lambda: leader(pg, [a, b]), "somebody leads")
        set_patience(pg, 1)
        old, before = leader(pg, [a, b]), epoch(pg)
        old.process.send_signal(signal.SIGSTOP)
        try:
            taken_over(pg, [a, b], old, before, result, patience=4)
        finally:
            old.process.send_signal(signal.SIGCONT)


if __name__ == "__main__":
    sys.exit(run("F14 leader", all_of_it, ("the epoch is ignored", EPOCH_IGNORED, epoch_ignored),
                 ("who computes is unseated", WAITS_FOR_NOTHING, computing_unseated),
                 ("nobody takes over", "no_takeover", no_takeover)))
