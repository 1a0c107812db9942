-- Dead letters: what was refused, sent again once its cause is mended, or dropped. Nothing is deleted, so that the
-- books (cohort.ingest_audit) stay exact: a letter says what became of it.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
    ('dead_letters_which', '22023', 422, 'Say which dead letters',
     'Give ids, or a reason, or say everything: {"ids": [17, 18]}, {"reason": "unknown_event"} or {"all": true}.', null, 'event'),
    ('dead_letters_field', '22023', 422, 'A list of dead letters has known fields',
     'Give one of ids (numbers), reason (a word) and all (true).', null, 'event')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

create or replace function cohort.dead_letter_seen(l cohort.dead_letter) returns boolean
    language sql stable
    as $$ select l.environment is null or l.environment = cohort.current_environment() $$;
comment on function cohort.dead_letter_seen(cohort.dead_letter) is
    'Whether a dead letter is of the current environment, or of none that is known: others are not listed, replayed or dropped from here';

-- What the bodies say. A letter of the web has {"name", "units": {"user": its hash} …}, one of ingest() the row.
create or replace function cohort.is_uuid(word text) returns boolean
    language sql immutable parallel safe
    as $$ select coalesce(word ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$', false) $$;
comment on function cohort.is_uuid(text) is 'Whether a word is a UUID';

create or replace function cohort.time_of(word text) returns timestamptz
    language plpgsql stable set timezone = 'UTC' as $$
declare
    at timestamptz := word::timestamptz;
begin
    return case when isfinite(at) then at end;
exception when data_exception then
    return null;
end $$;
comment on function cohort.time_of(text) is 'A time from text; null when it is none';

-- Outcomes of a letter: a row per unit.
create or replace function cohort.dead_letter_outcomes(l cohort.dead_letter) returns table (unit_id uuid, event_id uuid,
        ts timestamptz, name text, value bigint, attributes jsonb, decision_id uuid, trusted boolean)
    language sql stable set search_path = cohort, pg_temp as $$
    select x.unit::uuid, coalesce(l.event_id, (case when cohort.is_uuid(l.body ->> 'id') then l.body ->> 'id' end)::uuid),
           cohort.time_of(l.body ->> 'ts'), l.body ->> 'name',
           case when jsonb_typeof(l.body -> 'value') <> 'number' then null
                when l.body ? 'unit_id' then (l.body ->> 'value')::bigint
                else round((l.body ->> 'value')::numeric * 1000000)::bigint end,
           nullif(l.body -> 'attributes', 'null'),
           (case when cohort.is_uuid(coalesce(l.body ->> 'decision_id', l.body ->> 'decision'))
                 then coalesce(l.body ->> 'decision_id', l.body ->> 'decision') end)::uuid,
           coalesce(l.body -> 'trusted' = 'true', false)
      from (select l.body ->> 'unit_id' as unit where l.body ? 'unit_id'
            union
            select u.value from jsonb_each_text(case jsonb_typeof(l.body -> 'units') when 'object' then l.body -> 'units' else '{}' end) u) x
     where cohort.is_uuid(x.unit)
$$;
comment on function cohort.dead_letter_outcomes(cohort.dead_letter) is 'The rows of outcome that a dead letter would be, one per unit';

-- The exposure of a letter; its variant must be the one that the contract draws, so that a replay forges nothing.
drop function if exists cohort.dead_letter_exposures(cohort.dead_letter);
create or replace function cohort.dead_letter_exposures(l cohort.dead_letter) returns table (unit_id uuid, experiment_id int,
        variant_id int, phase_id int, propensity int, inclusion int, ts timestamptz, event_id uuid, decision_id uuid,
        trusted boolean, segments jsonb, drawn text)
    language sql stable set search_path = cohort, pg_temp as $$
    select u.unit, e.id, v.id, p.id, a.propensity, a.inclusion, cohort.time_of(l.body ->> 'ts'),
           coalesce(l.event_id, (case when cohort.is_uuid(l.body ->> 'id') then l.body ->> 'id' end)::uuid),
           (case when cohort.is_uuid(l.body ->> 'decision') then l.body ->> 'decision' end)::uuid,
           coalesce(l.body -> 'trusted' = 'true', false), nullif(l.body -> 'segments', 'null'), a.variant
      from cohort.experiment e
     cross join lateral (select (l.body -> 'units' ->> e.unit_type)::uuid as unit
                          where cohort.is_uuid(l.body -> 'units' ->> e.unit_type)) u
     cross join lateral cohort.expected_assignment(e.key, u.unit, coalesce(cohort.time_of(l.body ->> 'ts'), now()),
             (case when cohort.is_uuid(l.body ->> 'decision') then l.body ->> 'decision' end)::uuid) a
      join cohort.variant v on v.environment = e.environment and v.experiment = e.key and v.key = a.variant
      join cohort.phase p on p.experiment_id = e.id and p.number = a.phase
     where e.environment = cohort.current_environment() and e.key = l.body ->> 'experiment'
       and e.status <> 'draft'
$$;
comment on function cohort.dead_letter_exposures(cohort.dead_letter) is
    'The exposure that a dead letter would be: by the variant that the contract draws (drawn)';

create or replace function cohort.dead_letter_hindrance(l cohort.dead_letter) returns text
    language plpgsql stable set search_path = cohort, pg_temp as $$
declare
    at timestamptz := cohort.time_of(l.body ->> 'ts');
    x record;
begin
    if l.resolved_at is not null then
        return format('It was %s on %s by %s.', l.resolution, to_char(l.resolved_at at time zone 'UTC', 'YYYY-MM-DD'), l.resolved_by);
    elsif l.kind not in ('outcome', 'exposure') then
        return format('A letter of kind %s can''t be sent again, only outcomes and exposures can.', l.kind);
    elsif l.reason = 'conflict' then
        return 'Another event with its id, unit and time is stored, and the first one stays: drop it.';
    elsif coalesce(l.body, '{}') = '{}' then
        return 'Its content was not kept, only a hash and its length: send it again from where it came, and drop it here.';
    elsif l.kind = 'outcome' and l.reason = 'bad_field' and l.detail ~ '^"(value" must be a number|attributes)' then
        return 'The field it was refused for was not kept, and without it something else would count: send it again, mended, and drop it here.';
    elsif not cohort.is_uuid(coalesce(l.event_id::text, l.body ->> 'id')) then
        return 'It has no id that is a UUID.';
    elsif at is null then
        return 'It has no time that could be read.';
    end if;
    if l.kind = 'outcome' then
        if not exists (select from cohort.metric m where m.environment = cohort.current_environment()
                          and m.event = l.body ->> 'name') then
            return format('No metric uses the event %s: declare one, then replay.', cohort.shown(l.body ->> 'name'));
        elsif abs(case when jsonb_typeof(l.body -> 'value') = 'number' then (l.body ->> 'value')::numeric else 0 end) > 9e12
              and not l.body ? 'unit_id' then
            return 'Its value is too large to be stored.';
        elsif not exists (select from cohort.dead_letter_outcomes(l)) then
            return 'Its units were not kept: they could not be read.';
        elsif exists (select from cohort.partition_dropped p where p.parent = 'outcome' and p.day = (at at time zone 'UTC')::date) then
            return format('Events of %s are kept no longer.', to_char(at at time zone 'UTC', 'YYYY-MM-DD'));
        end if;
        return null;
    end if;
    select * into x from cohort.dead_letter_exposures(l);
    if not found then
        return format('Experiment %s draws no variant for its unit: it is not there, is a draft, or the unit is outside its traffic.',
                      cohort.shown(l.body ->> 'experiment'));
    elsif x.drawn is distinct from l.body ->> 'variant' then
        return format('Its unit is drawn into %s, not %s.', cohort.shown(x.drawn), cohort.shown(l.body ->> 'variant'));
    end if;
    return null;
end $$;
comment on function cohort.dead_letter_hindrance(cohort.dead_letter) is
    'Why a dead letter can''t be replayed as things are, as a sentence; null: it can be';

create or replace function cohort.dead_letters(reason text default null, lim int default 100, after bigint default null)
    returns table (id bigint, received_at timestamptz, kind text, reason text, detail text, event_id uuid, node text,
                   body jsonb, body_length int, hindrance text)
    language sql stable set search_path = cohort, pg_temp as $$
    select l.id, l.received_at, l.kind, l.reason, l.detail, l.event_id, s.node, l.body, l.body_length,
           cohort.dead_letter_hindrance(l)
      from (select d.* from cohort.dead_letter d
             where d.resolved_at is null and cohort.dead_letter_seen(d) and ($1 is null or d.reason = $1) and ($3 is null or d.id < $3)
             order by d.id desc limit $2) l
      left join cohort.spool s on s.spool_id = l.spool_id
     order by l.id desc
$$;
comment on function cohort.dead_letters(text, int, bigint) is
    'Dead letters of the current environment that wait, the newest first, of one reason where given; after: the last id of the page before. hindrance: why it can''t be replayed as things are; null: it can be';

-- Which letters are meant; locked, so that two people don't resolve the same ones.
create or replace function cohort.dead_letters_meant(ids bigint[], reason text, everything boolean, lim int)
    returns setof cohort.dead_letter language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
begin
    if (ids is not null)::int + ($2 is not null)::int + coalesce(everything, false)::int <> 1 then
        perform cohort.fail('dead_letters_which', 'Which dead letters: these ids, those of a reason, or all of them?');
    end if;
    return query select d.* from cohort.dead_letter d
                  where (d.resolved_at is null or ids is not null) and cohort.dead_letter_seen(d) and (ids is null or d.id = any (ids))
                    and ($2 is null or d.reason = $2)
                  order by d.id limit lim for update;
end $$;
comment on function cohort.dead_letters_meant(bigint[], text, boolean, int) is
    'Part of replay_dead_letters() and drop_dead_letters(): the letters that are meant, locked';

create or replace function cohort.resolve_dead_letters(ids bigint[], how text, batch bigint) returns void
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    with done as (
        update cohort.dead_letter d
           set resolved_at = clock_timestamp(), resolution = how, replay_batch_id = batch,
               resolved_by = coalesce(nullif(current_setting('cohort.actor', true), ''), session_user),
               body = case how when 'dropped' then null else d.body end
         where d.id = any (ids) and d.resolved_at is null
        returning d.spool_id)
    update cohort.spool s
       set replayed = s.replayed + case how when 'replayed' then x.n else 0 end,
           dropped = s.dropped + case how when 'dropped' then x.n else 0 end
      from (select spool_id, count(*) as n from done group by spool_id order by spool_id) x
     where s.spool_id = x.spool_id;
end $$;
comment on function cohort.resolve_dead_letters(bigint[], text, bigint) is
    'Part of replay_dead_letters() and drop_dead_letters(): writes down what became of letters, in them and in their queue''s books';

create or replace function cohort.replay_dead_letters(ids bigint[] default null, reason text default null,
        everything boolean default false, lim int default 10000)
    returns table (id bigint, result text, why text)
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    replay constant uuid := '00000000-0000-0000-0000-000000000000';
    l cohort.dead_letter;
    good bigint[] := '{}';
    g bigint;
begin
    perform cohort.ingest_prepare(true);
    for l in select * from cohort.dead_letters_meant($1, $2, $3, lim) loop
        id := l.id;
        why := cohort.dead_letter_hindrance(l);
        result := case when why is null then 'replayed' else 'refused' end;
        return next;
        continue when why is not null;
        good := good || l.id;
        if l.kind = 'outcome' then
            insert into pg_temp.stage_outcome select * from cohort.dead_letter_outcomes(l);
        else
            insert into pg_temp.stage_exposure
            select unit_id, experiment_id, variant_id, phase_id, propensity, inclusion, ts, event_id, decision_id,
                   trusted, 1, segments from cohort.dead_letter_exposures(l);
        end if;
    end loop;
    for id in select x from unnest($1) x where not exists (select from cohort.dead_letter d where d.id = x and cohort.dead_letter_seen(d)) loop
        result := 'refused';
        why := format('There is no dead letter %s.', id);
        return next;
    end loop;
    if cardinality(good) > 0 then
        perform cohort.spool_watermark(replay, 'replay');
        select s.watermark + 1 into g from cohort.spool s where s.spool_id = replay for update;
        perform cohort.resolve_dead_letters(good, 'replayed',
                                            (select i.batch_id from cohort.ingest(replay, 'replay', g, g) i));
        delete from pg_temp.stage_outcome;
        delete from pg_temp.stage_exposure;
    end if;
end $$;
comment on function cohort.replay_dead_letters(bigint[], text, boolean, int) is
    'Sends dead letters again, by their ids, of one reason, or everything (at most lim, the oldest first), each as if it arrived now in this environment: result replayed, or refused and why. What is stored already counts as a duplicate';

create or replace function cohort.drop_dead_letters(ids bigint[] default null, reason text default null,
        everything boolean default false, lim int default 10000) returns bigint
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    meant bigint[] := array(select m.id from cohort.dead_letters_meant($1, $2, $3, lim) m where m.resolved_at is null);
begin
    perform cohort.resolve_dead_letters(meant, 'dropped', null);
    return cardinality(meant);
end $$;
comment on function cohort.drop_dead_letters(bigint[], text, boolean, int) is
    'Gives dead letters up, by their ids, of one reason, or everything (at most lim, the oldest first): their content goes, the row stays as the record. Returns how many';

-- For REST.
create or replace function cohort.list_dead_letters(lim int default 100, after text default null) returns jsonb
    language sql stable set search_path = cohort, pg_temp
    as $$ select jsonb_build_object('items', coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'received_at', cohort.rfc3339(x.received_at),
                     'kind', x.kind, 'reason', x.reason, 'detail', x.detail, 'event', x.event_id, 'node', x.node, 'body', x.body,
                     'body_length', x.body_length, 'hindrance', x.hindrance) order by x.id desc), '[]'),
                 'next', case when count(*) = $1 then min(x.id)::text end)
            from cohort.dead_letters(null, cohort.check_limit($1), (case when $2 ~ '^[0-9]{1,18}$' then $2 end)::bigint) x $$;
comment on function cohort.list_dead_letters(int, text) is
    'Dead letters that wait, the newest first; next: what to pass as after for older ones';

create or replace function cohort.dead_letters_asked(doc jsonb, out ids bigint[], out reason text, out everything boolean)
    language plpgsql stable set search_path = cohort, pg_temp as $$
declare
    field text;
begin
    for field in select k from jsonb_object_keys(doc) k loop
        if field not in ('ids', 'reason', 'all')
           or field = 'ids' and not coalesce(jsonb_typeof(doc -> 'ids') = 'array' and not exists (
                select from jsonb_array_elements(case jsonb_typeof(doc -> 'ids') when 'array' then doc -> 'ids' else '[]' end) i
                 where jsonb_typeof(i) <> 'number' or i::text !~ '^[0-9]{1,18}$'), false)
           or field = 'reason' and jsonb_typeof(doc -> 'reason') <> 'string'
           or field = 'all' and jsonb_typeof(doc -> 'all') <> 'boolean' then
            perform cohort.fail('dead_letters_field', format('%s can''t be %s here.', cohort.shown(field),
                left((doc -> field)::text, 60)), field);
        end if;
    end loop;
    ids := (select array_agg(i::text::bigint) from jsonb_array_elements(doc -> 'ids') i);
    if doc ? 'ids' and ids is null then
        ids := '{}';
    end if;
    reason := doc ->> 'reason';
    everything := coalesce((doc ->> 'all')::boolean, false);
end $$;
comment on function cohort.dead_letters_asked(jsonb) is 'For REST: the dead letters that {"ids": [...]}, {"reason": "..."} or {"all": true} mean';

create or replace function cohort.replay_dead_letter(doc jsonb) returns jsonb
    language sql set search_path = cohort, pg_temp
    as $$ select jsonb_build_object('replayed', count(*) filter (where r.result = 'replayed'),
                     'refused', coalesce(jsonb_agg(jsonb_build_object('id', r.id, 'why', r.why) order by r.id)
                                         filter (where r.result = 'refused'), '[]'))
            from cohort.dead_letters_asked(doc) a, cohort.replay_dead_letters(a.ids, a.reason, a.everything) r $$;
comment on function cohort.replay_dead_letter(jsonb) is 'For REST: replay_dead_letters() as a document';

create or replace function cohort.drop_dead_letter(doc jsonb) returns jsonb
    language sql set search_path = cohort, pg_temp
    as $$ select jsonb_build_object('dropped', cohort.drop_dead_letters(a.ids, a.reason, a.everything))
            from cohort.dead_letters_asked(doc) a $$;
comment on function cohort.drop_dead_letter(jsonb) is 'For REST: drop_dead_letters() as a document';
