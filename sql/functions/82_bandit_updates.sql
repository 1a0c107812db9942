-- How bandits learn: every every_s the leader reads the matured rewards of each, computes the shares (store/bandit.c),
-- and writes them as a new phase. An experiment that somebody edits is tried again with the next pass: an open
-- transaction of theirs delays its update, and nothing else.

-- Totals and not differences are kept: what is new since the last update follows, whatever happened to it meanwhile.
create or replace function cohort.bandit_facts(e cohort.experiment, b cohort.bandit, last cohort.bandit_update, phase_id int) returns jsonb
    language plpgsql stable as $$
declare
    m cohort.metric;
    arms jsonb;
begin
    select * into m from cohort.metric x where x.environment = b.environment and x.key = b.reward;
    select jsonb_agg(jsonb_build_object('variant', v.key, 'share_ppm', coalesce(pv.share_ppm, 0), 'n', coalesce(r.n, 0),
                                        'sum', coalesce(r.sum, 0), 'sum_sq', coalesce(r.sum_sq, 0)) order by v.position, v.id) into arms
      from cohort.variant v
      left join cohort.phase_variant pv on pv.phase_id = bandit_facts.phase_id and pv.variant_id = v.id
      left join (select x.variant_id, sum(x.n)::bigint as n, sum(x.sum) as sum, sum(x.sum_sq) as sum_sq
                   from cohort.bandit_rewards(e, b, m) x group by x.variant_id) r on r.variant_id = v.id
     where v.environment = e.environment and v.experiment = e.key and v.dropped_at is null and v.share_ppm > 0;
    return jsonb_build_object('metric', m.key, 'metric_version', m.version, 'kind', m.kind, 'direction', m.direction_good,
               'assign', b.assign, 'floor_ppm', b.floor_ppm, 'warm_up', b.warm_up, 'half_life_s', b.half_life_s,
               'seconds', extract(epoch from clock_timestamp() - last.at)::float8, 'arms', arms,
               -- Another version of the metric counts something else: nothing of the old one goes in.
               'last', case when (last.evidence ->> 'metric_version')::int = m.version then last.evidence -> 'arms' end);
end $$;
comment on function cohort.bandit_facts(cohort.experiment, cohort.bandit, cohort.bandit_update, int) is
    'What an update of a bandit is computed from: its settings, and per variant the share now and the matured rewards; last: the arms of the update before';

create or replace function cohort.bandit_due(kind text)
    returns table(experiment_id int, environment text, experiment text, phase_id int, facts jsonb)
    language sql stable as $$
    select e.id, e.environment, e.key, p.id, cohort.bandit_facts(e, b, u, p.id)
      from cohort.experiment e
      join cohort.bandit b on b.environment = e.environment and b.experiment = e.key
      left join lateral (select x.* from cohort.bandit_update x where x.experiment_id = e.id order by x.id desc limit 1) u on true
     cross join lateral cohort.last_phase(e.id) p
     where e.kind = $1 and e.status = 'running' and p.kind = 'time' and not coalesce((to_jsonb(b) ->> 'held')::boolean, false)
       and coalesce(u.at, e.started_at) + make_interval(secs => b.every_s) <= clock_timestamp()
       and cohort.effective_status(e) = 'running'
     order by e.id $$;
comment on function cohort.bandit_due(text) is
    'The running experiments of a kind, bandit or contextual, of all environments, whose update is due, with what it is computed from';

-- 0: nothing was written, since somebody edits the experiment, or it has changed since it was read.
create or replace function cohort.bandit_apply(epoch bigint, experiment_id int, phase_id int, shares jsonb, sentence text, evidence jsonb)
    returns int language plpgsql security definer set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    e experiment;
    last phase;
    opened int;
begin
    perform assert_epoch($1);
    select * into e from experiment_unlocked($2);
    if not found or effective_status(e) <> 'running' or not is_bandit(e) then
        return 0;
    end if;
    last := last_phase(e.id);
    if last.id <> $3 then
        return 0;
    end if;
    perform set_config('cohort.environment', e.environment, true);
    perform set_config('cohort.actor', 'bandit', true);
    if shares is not null then
        opened := open_time_phase(e, shares, clock_timestamp() + phase_lead(), last.model_id);
    else
        delete from bandit_update u using (select max(x.id) as id from bandit_update x where x.experiment_id = e.id) l
         where u.id = l.id and u.phase_id is null;
    end if;
    insert into bandit_update (experiment_id, phase_id, epoch, sentence, evidence) values (e.id, opened, $1, sentence, evidence);
    return coalesce((select p.number from phase p where p.id = opened), last.number);
end $$;
comment on function cohort.bandit_apply(bigint, int, int, jsonb, text, jsonb) is
    'Writes an update of a bandit; shares: opens a phase with them, null: nothing moves. phase_id: the phase it was computed for. Returns the number of the phase in force from then on; 0: try again';
revoke execute on function cohort.bandit_apply(bigint, int, int, jsonb, text, jsonb) from public;

-- Rows with a phase stand.
create or replace trigger refuse_edit before update on cohort.bandit_update
    for each row execute function cohort.refuse_edit();
create or replace trigger refuse_delete before delete on cohort.bandit_update
    for each row when (old.phase_id is not null) execute function cohort.refuse_edit();
