-- The phases of bandits. Phase 1 is the reserved slice: traffic slots [0, uniform_ppm), equal shares for ever. Every
-- other phase is a stretch of time and owns all the other slots; which of those are open is kept with the first of
-- them, so that traffic goes up and down without a new phase and nobody moves.

create or replace function cohort.is_bandit(e cohort.experiment) returns boolean
    language sql immutable parallel safe as $$ select e.kind in ('bandit', 'contextual') $$;
comment on function cohort.is_bandit(cohort.experiment) is 'True for kinds whose shares follow the rewards';

create or replace function cohort.equal_shares(e cohort.experiment) returns jsonb
    language sql stable as $$
    select jsonb_object_agg(v.key, 1000000 / v.total + case when v.n <= 1000000 % v.total then 1 else 0 end)
      from (select x.key, row_number() over (order by x.position, x.id) as n, count(*) over ()::int as total
              from cohort.variant x where x.environment = e.environment and x.experiment = e.key
               and x.dropped_at is null and x.share_ppm > 0) v $$;
comment on function cohort.equal_shares(cohort.experiment) is
    'Equal shares of the variants that were not dropped, {"control": 500000, …}; what doesn''t divide goes to the first, a millionth each';

-- Variants own slots one after the other, in the order of their positions.
create or replace function cohort.share_out(phase_id int, e cohort.experiment, shares jsonb) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
begin
    insert into phase_variant (phase_id, variant_id, share_ppm, slots)
    select share_out.phase_id, v.id, v.share, int4multirange(int4range(v.upto - v.share, v.upto))
      from (select x.id, (shares ->> x.key)::numeric::int as share,
                   sum((shares ->> x.key)::numeric) over (order by x.position, x.id)::int as upto
              from variant x where x.environment = e.environment and x.experiment = e.key and shares ? x.key) v
     where v.share > 0;
end $$;
comment on function cohort.share_out(int, cohort.experiment, jsonb) is 'Gives the variants their slots of a new phase';
revoke execute on function cohort.share_out(int, cohort.experiment, jsonb) from public;

-- Begins after every phase before it; a moment ahead, so that each server knows it before it begins.
create or replace function cohort.open_time_phase(e cohort.experiment, shares jsonb, starts_at timestamptz, model_id int default null)
    returns int language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    opened int;
    last phase;
    reserved int4multirange;
begin
    select * into last from phase p where p.experiment_id = e.id and p.kind = 'time' order by p.number desc limit 1;
    select coalesce(range_agg(r), '{}') into reserved
      from phase p, unnest(p.traffic_slots) r where p.experiment_id = e.id and p.kind = 'traffic';
    insert into phase (environment, experiment, experiment_id, number, kind, traffic_slots, starts_at, model_id)
    select e.environment, e.key, e.id, coalesce(max(p.number), 0) + 1, 'time', all_slots() - reserved,
           greatest(open_time_phase.starts_at, last.starts_at + interval '1 microsecond'), open_time_phase.model_id
      from phase p where p.experiment_id = e.id
    returning id into opened;
    perform share_out(opened, e, shares);
    return opened;
end $$;
comment on function cohort.open_time_phase(cohort.experiment, jsonb, timestamptz, int) is
    'Opens a time phase of a bandit with shares by variant, and the model that decides; returns its id';
revoke execute on function cohort.open_time_phase(cohort.experiment, jsonb, timestamptz, int) from public;

create or replace function cohort.phase_lead() returns interval
    language sql immutable parallel safe as $$ select interval '5 seconds' $$;
comment on function cohort.phase_lead() is 'How long before it begins a time phase is written: servers learn of it in the meantime';

-- The uniform slice, and the first stretch of time, in which nothing is known yet.
create or replace function cohort.open_bandit(e cohort.experiment) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    b bandit;
    opened int;
    shares jsonb := equal_shares(e);
begin
    select * into b from bandit x where x.environment = e.environment and x.experiment = e.key;
    insert into phase (environment, experiment, experiment_id, number, traffic_slots)
    values (e.environment, e.key, e.id, 1, int4multirange(int4range(0, b.uniform_ppm))) returning id into opened;
    perform share_out(opened, e, shares);
    perform open_time_phase(e, shares, e.started_at);
    perform set_closed(e, all_slots() - int4multirange(int4range(0, e.traffic_ppm)));
    -- From now on the length of epochs stands, whatever becomes of the metric's window.
    perform set_config('cohort.within', 'on', true);
    update bandit x set stick_s = m.window_end_s from metric m
     where x.environment = e.environment and x.experiment = e.key and x.assign = 'unit' and x.stick_s is null
       and m.environment = x.environment and m.key = x.reward;
    perform set_config('cohort.within', '', true);
end $$;
comment on function cohort.open_bandit(cohort.experiment) is 'Opens the reserved slice and the first time phase of a bandit that starts';
revoke execute on function cohort.open_bandit(cohort.experiment) from public;

-- Servers with a plan of this version or a later one know the phase. After zz_raise_version, by its name.
create or replace function cohort.note_phase_version() returns trigger
    language plpgsql security definer set search_path = cohort, pg_temp as $$
begin
    insert into phase_known (phase_id, version) select new.id, c.version from config_version c;
    return null;
end $$;
comment on function cohort.note_phase_version() is 'Trigger, at COMMIT: from which version of the definitions a time phase is known';
drop trigger if exists zzz_note_version on cohort.phase;
create constraint trigger zzz_note_version after insert on cohort.phase
    deferrable initially deferred for each row when (new.kind = 'time') execute function cohort.note_phase_version();
create or replace trigger refuse_edit before update or delete on cohort.phase_known
    for each row execute function cohort.refuse_edit();
create or replace trigger refuse_edit before update or delete on cohort.model
    for each row execute function cohort.refuse_edit();
create or replace trigger refuse_truncate before truncate on cohort.phase_known
    for each statement execute function cohort.refuse_edit();
create or replace trigger refuse_truncate before truncate on cohort.bandit_update
    for each statement execute function cohort.refuse_edit();
create or replace trigger refuse_truncate before truncate on cohort.model
    for each statement execute function cohort.refuse_edit();
