-- One server runs the monitor: a session lock says which, and an epoch keeps a former leader from writing.

-- The number is ours only by custom: "cohort", then 2 (the migrator uses 1).
create or replace function cohort.leader_lock() returns bigint
    language sql immutable parallel safe as $$ select 7165064744911531778 $$;
comment on function cohort.leader_lock() is 'The advisory lock that the leader''s session holds';

create or replace function cohort.leader_patience() returns interval
    language sql immutable parallel safe as $$ select interval '10 seconds' $$;
comment on function cohort.leader_patience() is
    'How long a leader may be silent before another server ends its connection and leads';

create or replace function cohort.lead(node text) returns bigint
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    before cohort.leader_state;
begin
    if not pg_try_advisory_lock(cohort.leader_lock()) then
        return 0;
    end if;
    select * into before from cohort.leader_state for update;
    update cohort.leader_state s set epoch = before.epoch + 1, node = $1, heartbeat = clock_timestamp();
    insert into cohort.leader_change (epoch, node, previous_node, silent_s)
    values (before.epoch + 1, $1, before.node, extract(epoch from clock_timestamp() - before.heartbeat));
    return before.epoch + 1;
end $$;
comment on function cohort.lead(text) is
    'Tries to become the leader: the new epoch, or 0 while another session leads. Leadership ends with the session';

-- A leader whose process has stopped keeps its connection, and with it the lock and perhaps a transaction. It is known
-- by two signs together: no heartbeat, by this database's clock, and a connection that waits for its client (a leader at
-- work pauses for a second at most). A statement that runs long is work: nobody ends that.
create or replace function cohort.unseat_leader(out outcome text, out node text, out epoch bigint, out silent_s int)
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    h record;
begin
    select s.node, s.epoch, coalesce(extract(epoch from clock_timestamp() - s.heartbeat), 1e6)::int
      into node, epoch, silent_s from cohort.leader_state s;
    outcome := 'leads';
    if make_interval(secs => silent_s) <= cohort.leader_patience() then
        return;
    end if;
    select a.pid, a.application_name, a.state,
           -- Not any wait for the client: state and wait are read one after the other, and a statement that ends
           -- just then would look as if it had waited all the time.
           -- A statement on the processor has no wait at all.
           a.state like 'idle%' or a.wait_event is not distinct from 'ClientWrite' as waits,
           clock_timestamp() - a.state_change > cohort.leader_patience() / 2 as long
      into h
      from pg_locks l join pg_stat_activity a on a.pid = l.pid
     where l.locktype = 'advisory' and l.granted and l.objsubid = 1
       and l.database = (select d.oid from pg_database d where d.datname = current_database())
       and l.classid = (cohort.leader_lock() >> 32)::oid and l.objid = (cohort.leader_lock() & 4294967295)::oid;
    if not found then
        outcome := 'gone';
    elsif h.state is null then
        outcome := 'denied'; -- another role's session, of which we may not even see whether it works
    elsif h.application_name <> 'cohortd monitor' then
        outcome := 'foreign';
    elsif not h.waits or not h.long then
        outcome := 'works';
    else
        begin
            outcome := case when pg_terminate_backend(h.pid, 3000) then 'ended' else 'stuck' end;
        exception when insufficient_privilege then
            outcome := 'denied';
        end;
    end if;
end $$;
comment on function cohort.unseat_leader() is
    'Looks at the leader for a server that would lead: leads, works (silent, but a statement runs), ended (it was silent and idle: its connection is ended now), stuck (ended, but still there), gone (nobody holds the lock), denied (this role may not end it), foreign (the lock is held by a session that is no server)';

create or replace function cohort.assert_epoch(epoch bigint) returns void
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    s cohort.leader_state;
begin
    select * into s from cohort.leader_state for update;
    if s.epoch is distinct from $1 then
        perform cohort.fail('leader_epoch',
            format('Epoch %s is over: epoch %s leads (%s).', $1, s.epoch, cohort.shown(s.node)));
    end if;
end $$;
comment on function cohort.assert_epoch(bigint) is
    'Locks leader_state until commit and fails unless this epoch still leads: first in each transaction of the leader';

create or replace function cohort.heartbeat(epoch bigint) returns void
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
begin
    perform cohort.assert_epoch($1);
    update cohort.leader_state s set heartbeat = clock_timestamp();
end $$;
comment on function cohort.heartbeat(bigint) is 'Says that the leader of this epoch is alive';

do $$
declare
    r text;
begin
    foreach r in array array['cohort_server', 'cohort_product', 'cohort_analyst'] loop
        perform cohort.grant_to(r, 'select on cohort.leader_change');
    end loop;
    perform cohort.grant_to('cohort_server', 'insert on cohort.leader_change');
    if to_regrole('cohort_server') is not null then
        revoke update, delete, truncate on cohort.leader_change from cohort_server;
    end if;
end $$;
