-- One server runs the monitor: a session lock says which, and an epoch keeps a former leader from writing.

create or replace function cohort.lead(node text) returns bigint
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    new_epoch bigint;
begin
    -- The number is ours only by custom: "cohort", then 2 (the migrator uses 1).
    if not pg_try_advisory_lock(7165064744911531778) then
        return 0;
    end if;
    update cohort.leader_state s set epoch = s.epoch + 1, node = $1, heartbeat = now() returning s.epoch into new_epoch;
    return new_epoch;
end $$;
comment on function cohort.lead(text) is
    'Tries to become the leader: the new epoch, or 0 while another session leads. Leadership ends with the session';

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
