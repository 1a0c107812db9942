-- May a step of a ramp open? Only when each guardrail has had its chance to speak: its upper bound lies below what the
-- experiment tolerates, or harm of twice the events would have been found by now with a probability of 80 % (power, kept
-- by the monitor in guardrail_state). Called by the leader after its verdicts.

-- Why each guardrail of an experiment holds the ramp, in words; no rows when none does.
create or replace function cohort.ramp_reasons(experiment_id int) returns setof text
    language sql stable
    as $$ select case
            when s.guardrail_id is null then format('%s with %s: nothing has been counted yet', a.metric, a.treatment)
            else format('%s with %s: the %s may be %s (tolerated: %s)%s',
                a.metric, a.treatment, case a.kind when 'binary' then 'risk ratio' else 'ratio to control' end,
                case when a.direction = 'up' then coalesce('up to ' || round(s.upper::numeric, 2), 'anything')
                     else coalesce('down to ' || round(s.lower::numeric, 2), 'anything') end,
                case when a.direction = 'up' then 'below ' || trim_scale(e.ramp_tolerance) else 'above ' || round(1 / e.ramp_tolerance, 3) end,
                case a.kind when 'binary' then format(', and a doubling would have been found with %s %% so far (80 %% needed)',
                    round(100 * coalesce((s.detail ->> 'power')::numeric, 0))) else '' end) end
        from cohort.experiment e
        join cohort.guardrail_arm a on a.experiment_id = e.id
        join cohort.variant t on t.id = a.treatment_id and t.dropped_at is null
        left join cohort.guardrail_state s on s.guardrail_id = a.guardrail_id and s.treatment_id = a.treatment_id and s.iteration = e.iteration
             and s.metric_version = a.metric_version
       where e.id = $1
         and not coalesce(case a.direction when 'up' then s.upper < e.ramp_tolerance else s.lower > 1 / e.ramp_tolerance end, false)
         and coalesce((s.detail ->> 'power')::numeric, 0) < 0.8
       order by a.guardrail_id, a.treatment_id $$;
comment on function cohort.ramp_reasons(int) is 'Why the guardrails of an experiment hold its ramp, in words; no rows when none does';

-- What an alert since the last step says, or a verdict that holds the ramp; null when there was none.
create or replace function cohort.ramp_alert(experiment_id int, held boolean default true) returns text
    language sql stable
    as $$ select v.sentence
            from cohort.experiment e
            join (select al.experiment_id, al.iteration, al.at, al.sentence, 'alert' as action from cohort.alert_event al
                  union all
                  select h.experiment_id, h.iteration, h.at, h.sentence, h.action from cohort.verdict_event h
                   where h.action in ('hold', 'roll_back') or (h.action = 'alert' and h.guardrail_id is null)) v
              on v.experiment_id = e.id and v.iteration = e.iteration
           where e.id = $1 and (held or v.action = 'alert')
             and (v.action in ('hold', 'roll_back') or v.at >= coalesce((select max(s.done_at) from cohort.ramp_step s
                                     where s.environment = e.environment and s.experiment = e.key and s.state = 'done'), e.started_at))
           order by v.at desc limit 1 $$;
comment on function cohort.ramp_alert(int, boolean) is
    'The sentence of the newest alert since the last step of the ramp, or of a verdict with action hold or roll_back (which hold it for the rest of the run); null when there is none';
drop function if exists cohort.ramp_alert(int);

-- Verdicts with action roll_back that were not carried out yet: somebody edits the experiment, or it was found just now.
-- The last step of its ramp is closed and the ramp is over; where people opened the last phase by hand, that one.
create or replace function cohort.roll_backs(epoch bigint) returns table (environment text, experiment text, step int, done text, note text)
    language plpgsql as $$
#variable_conflict use_column
declare
    v record;
    e cohort.experiment;
    ppm int;
begin
    perform cohort.assert_epoch(epoch);
    for v in select x.id, x.experiment_id, x.at, x.sentence, (select max(s.number) from cohort.ramp_step s join cohort.experiment i
                        on i.id = x.experiment_id and s.environment = i.environment and s.experiment = i.key and s.state = 'done') as last
               from cohort.verdict_event x
               join cohort.experiment i on i.id = x.experiment_id and i.iteration = x.iteration and i.status in ('running', 'paused')
              where x.action = 'roll_back' and not exists (select from cohort.roll_back_event r where r.verdict_id = x.id)
              order by x.id loop
        select * into e from cohort.experiment_unlocked(v.experiment_id);
        continue when not found or cohort.effective_status(e) = 'stopped';
        perform set_config('cohort.environment', e.environment, true);
        ppm := cohort.roll_back_ppm(e.id);
        if exists (select from cohort.roll_back_event r join cohort.verdict_event o on o.id = r.verdict_id
                    where o.experiment_id = v.experiment_id and r.at > v.at) then
            insert into cohort.roll_back_event (verdict_id, done) values (v.id, 'done with another verdict''s') on conflict do nothing;
            continue;
        end if;
        if cohort.ramp_roll_back(epoch, e.id, v.sentence) then
            note := 'the last step of the ramp';
        elsif ppm is not null then
            perform cohort.run_command_as('guardrail', e, jsonb_build_object('do', 'ramp', 'traffic_ppm', ppm, 'shares', null), v.sentence);
            note := format('traffic down to %s ppm', ppm);
        else
            note := 'nothing was open to be closed any more';
        end if;
        insert into cohort.roll_back_event (verdict_id, done) values (v.id, note) on conflict do nothing;
        environment := e.environment;
        experiment := e.key;
        step := coalesce(v.last, 0);
        done := 'rolled back';
        note := v.sentence;
        return next;
    end loop;
end $$;
comment on function cohort.roll_backs(bigint) is
    'Part of ramp_pass(): carries out the verdicts with action roll_back; an experiment that somebody edits is tried again with the next pass';

create or replace function cohort.ramp_pass(epoch bigint)
    returns table (environment text, experiment text, step int, done text, note text)
    language plpgsql as $$
#variable_conflict use_column
declare
    x record;
    home text := coalesce(current_setting('cohort.environment', true), '');
begin
    perform cohort.assert_epoch(epoch);
    return query select * from cohort.roll_backs(epoch);
    -- An alert takes the last step back, whether or not another one is due.
    for x in select e.id, e.environment as env, e.key, cohort.ramp_alert(e.id, false) as alert,
                    (select max(s.number) from cohort.ramp_step s
                      where s.environment = e.environment and s.experiment = e.key and s.state = 'done') as last
               from cohort.experiment e
              where e.status = 'running' and e.ramp_on_alert = 'roll_back'
                and exists (select from cohort.verdict_event al where al.experiment_id = e.id and al.iteration = e.iteration and al.action = 'alert'
                            union all select from cohort.alert_event al where al.experiment_id = e.id and al.iteration = e.iteration)
                and exists (select from cohort.ramp_step s where s.environment = e.environment and s.experiment = e.key and s.state = 'done') loop
        perform set_config('cohort.environment', x.env, true);
        if x.alert is not null and cohort.ramp_roll_back(epoch, x.id, x.alert) then
            return query select x.env, x.key, x.last, 'rolled back'::text, x.alert;
        end if;
    end loop;
    for x in select d.*, coalesce('a verdict holds it: ' || cohort.ramp_alert(d.experiment_id),
                                  (select string_agg(r, '; ') from cohort.ramp_reasons(d.experiment_id) r)) as reason
               from cohort.ramp_due() d loop
        perform set_config('cohort.environment', x.environment, true);
        if x.reason is null then
            if cohort.ramp_advance(epoch, x.experiment_id, x.step, 'every guardrail allows it') then
                return query select x.environment, x.experiment, x.step, 'opened'::text, format('traffic %s ppm', x.traffic_ppm);
            end if;
        elsif cohort.ramp_hold(epoch, x.experiment_id, x.step, x.reason) and x.state = 'waiting' then
            return query select x.environment, x.experiment, x.step, 'held'::text, x.reason;
        end if;
    end loop;
    perform set_config('cohort.environment', home, true);
end $$;
comment on function cohort.ramp_pass(bigint) is
    'Opens, holds or rolls back the steps of ramps that are due; returns what was done, for the log. The leader calls it after its verdicts';
