-- Segments: named conditions and lists.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('segment_key_format', '23514', 422, 'A key has 1 to 100 of a-z 0-9 _ . -', 'Use 1 to 100 of the characters a-z 0-9 _ . - and begin with a letter or digit.', 'key', 'definition'),
('segment_key_unique', '23505', 409, 'The segment exists', 'Use another key, or update the segment that exists.', 'key', 'definition'),
('segment_shape', '23514', 422, 'A segment is a condition or a list', 'Give one of the two: a condition like {"country": "DE"}, or a list like ["a", "b"].', null, 'definition'),
('segment_shape_fixed', '55000', 409, 'A segment in use stays what it is', 'Make a new segment of the other kind, or take this one out of use first.', null, 'definition'),
('segment_entry', '23514', 422, 'A list has strings and numbers of at most 512 bytes', 'Write ["a", "b", 7]; each entry has at most 512 bytes.', 'list', 'definition'),
('segment_entries', '23514', 422, 'A list has at most 1,000,000 entries', 'Give larger groups an attribute, and use a condition on it.', 'list', 'definition'),
('segment_list_size', '23514', 422, 'Lists are at most 64 MiB each and 128 MiB together', 'Give larger groups an attribute, and use a condition on it.', 'list', 'definition'),
('segment_text_length', '23514', 422, 'Descriptions have at most 10,000 characters', 'Shorten it, and link to the rest.', 'description', 'definition'),
('segment_reference', '23503', 422, 'There is no such segment', 'Make it first: insert into cohort.segment (key, condition) values (…).', 'condition', 'definition'),
('segment_kind', '23514', 422, '$segment names a condition, $inGroup a list', 'Write {"$segment": "key"} for a segment with a condition, {"attribute": {"$inGroup": "key"}} for one with a list.', 'condition', 'definition'),
('segment_cycle', '23514', 422, 'Segments don''t contain each other', 'Take one of the references out.', 'condition', 'definition'),
('segment_depth', '23514', 422, 'At most 7 segments contain each other in a row', 'Write the inner conditions out.', 'condition', 'definition'),
('segment_in_use', '23503', 409, 'The segment is in use', 'Take it out of what uses it first, or keep it.', 'key', 'definition')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

-- Two transactions whose changes could make a circle together: the later one waits here for the first to end, and
-- then sees what it did; where its snapshot is too old to see it, it fails as unserialisable.
create or replace function cohort.take_turn(subject text, environment text) returns void
    language sql security definer set search_path = cohort, pg_temp
    as $$ insert into definition_turn as t (subject, environment) values ($1, $2)
          on conflict (environment, subject) do update set changes = t.changes + 1 $$;
comment on function cohort.take_turn(text, text) is 'Makes changes of one subject (prerequisite, segment) in one environment wait for each other';

create or replace function cohort.condition_segments(condition jsonb) returns table(key text, kind text)
    language sql immutable parallel safe
    as $$ select distinct o.value #>> '{}', case o.key when '$segment' then 'condition' else 'list' end
            from jsonb_path_query(condition, 'strict $.** ? (@.type() == "object")', silent => true) x, jsonb_each(x) o
           where o.key in ('$segment', '$inGroup', '$notInGroup') and jsonb_typeof(o.value) = 'string' $$;
comment on function cohort.condition_segments(jsonb) is 'The segments a condition names, and of which kind they must be: condition or list';

-- The named segments stay as long as this transaction: their rows are locked against deletion.
create or replace function cohort.check_segments(what text, environment text, condition jsonb) returns void
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    r record;
    stored text;
begin
    if condition::text !~ '"\$(segment|inGroup|notInGroup)"' then
        return;
    end if;
    for r in select * from cohort.condition_segments(condition) c order by c.key loop
        select case when s.list is null then 'condition' else 'list' end into stored from cohort.segment s
         where s.environment = check_segments.environment and s.key = r.key for key share;
        if not found then
            perform cohort.fail('segment_reference', format('The condition of %s names the segment %s, and there is none.', what, cohort.shown(r.key)));
        end if;
        if stored <> r.kind then
            perform cohort.fail('segment_kind', format('The condition of %s names %s as a %s; it is a %s.', what, cohort.shown(r.key), r.kind, stored));
        end if;
    end loop;
end $$;
comment on function cohort.check_segments(text, text, jsonb) is 'Refuses a condition that names segments which aren''t there, or are of the other kind';

create or replace function cohort.segment_refs_check() returns trigger
    language plpgsql as $$
begin
    perform cohort.check_segments(case tg_table_name
        when 'flag_rule' then format('a rule of flag %s', cohort.shown(to_jsonb(new) ->> 'flag'))
        else format('%s %s', tg_table_name, cohort.shown(to_jsonb(new) ->> 'key')) end, new.environment, new.condition);
    return new;
end $$;
comment on function cohort.segment_refs_check() is 'Trigger: the segments a condition names exist';
create or replace trigger segment_refs_check before insert or update of condition on cohort.experiment
    for each row execute function cohort.segment_refs_check();
create or replace trigger segment_refs_check before insert or update of condition on cohort.flag_rule
    for each row execute function cohort.segment_refs_check();

create or replace function cohort.segment_users(environment text, key text) returns table(what text)
    language sql stable as $$
    select format('experiment %s', cohort.shown(e.key)) from cohort.experiment e
     where e.environment = $1 and e.status <> 'archived' and strpos(e.condition::text, $2) > 0
       and exists (select from cohort.condition_segments(e.condition) c where c.key = $2)
    union all
    select format('a rule of flag %s', cohort.shown(r.flag)) from cohort.flag_rule r
     where r.environment = $1 and strpos(r.condition::text, $2) > 0
       and exists (select from cohort.condition_segments(r.condition) c where c.key = $2)
    union all
    select format('segment %s', cohort.shown(s.key)) from cohort.segment s
     where s.environment = $1 and s.key <> $2 and strpos(s.condition::text, $2) > 0
       and exists (select from cohort.condition_segments(s.condition) c where c.key = $2)
    union all
    select format('override %s', cohort.shown(o.key)) from cohort.override o where o.environment = $1 and o.segment = $2 $$;
comment on function cohort.segment_users(text, text) is 'What uses a segment: experiments that aren''t archived, rules of flags, other segments, overrides';

-- The chain through this segment, down to what it contains and up to what contains it: depth counts its steps.
create or replace function cohort.check_segment_chain(s cohort.segment) returns void
    language plpgsql as $$
declare
    level text[] := array(select c.key from cohort.condition_segments(s.condition) c where c.kind = 'condition');
    depth int := 0;
begin
    if cardinality(level) = 0 then
        return;
    end if;
    perform cohort.take_turn('segment', s.environment);
    while cardinality(level) > 0 loop
        depth := depth + 1;
        if s.key = any (level) then
            perform cohort.fail('segment_cycle', format('Segment %s would contain itself%s.', cohort.shown(s.key),
                case when depth > 1 then ' through others' else '' end));
        end if;
        exit when depth > 6;
        level := array(select distinct c.key from cohort.segment x, cohort.condition_segments(x.condition) c
                        where x.environment = s.environment and x.key = any (level) and c.kind = 'condition');
    end loop;
    level := array[s.key];
    while depth <= 6 loop
        level := array(select x.key from cohort.segment x
                        where x.environment = s.environment and strpos(x.condition::text, '"$segment"') > 0
                          and exists (select from cohort.condition_segments(x.condition) c
                                       where c.kind = 'condition' and c.key = any (level)));
        exit when cardinality(level) = 0;
        depth := depth + 1;
    end loop;
    if depth > 6 then
        perform cohort.fail('segment_depth', format('With segment %s, more than 7 segments would contain each other in a row.', cohort.shown(s.key)));
    end if;
end $$;
comment on function cohort.check_segment_chain(cohort.segment) is 'Refuses segments that contain themselves, and chains of more than 7: the servers'' limit';

create or replace function cohort.check_segment_list(s cohort.segment) returns cohort.segment
    language plpgsql as $$
declare
    name text := format('segment %s', cohort.shown(s.key));
    odd record;
    others bigint;
begin
    if jsonb_typeof(s.list) <> 'array' then
        perform cohort.fail('segment_entry', format('The list of %s must be an array, not %s.', name, cohort.json_noun(s.list)));
    end if;
    s.entries := least(jsonb_array_length(s.list), 1000001);
    if s.entries > 1000000 then
        perform cohort.fail('segment_entries', format('The list of %s has %s entries; at most 1000000 are allowed.', name, jsonb_array_length(s.list)));
    end if;
    s.list_bytes := octet_length(s.list::text);
    select coalesce(sum(x.list_bytes), 0) into others from cohort.segment x where (x.environment, x.key) <> (s.environment, s.key);
    if s.list_bytes > 67108864 or s.list_bytes + others > 134217728 then
        perform cohort.fail('segment_list_size', format('The list of %s has %s bytes%s.', name, s.list_bytes,
            case when s.list_bytes <= 67108864 then format(', all the others have %s', others) else '' end));
    end if;
    select count(*) filter (where jsonb_typeof(x.a) not in ('string', 'number') or octet_length(x.a #>> '{}') > 512) as wrong,
           count(*) filter (where case jsonb_typeof(x.a) when 'number' then abs(x.a::numeric) > 9007199254740992 end) as large into odd
      from (select jsonb_array_elements(s.list) as a) x;
    if odd.wrong > 0 then
        select v.a, v.n into odd from jsonb_array_elements(s.list) with ordinality v(a, n)
         where jsonb_typeof(v.a) not in ('string', 'number') or octet_length(v.a #>> '{}') > 512 order by v.n limit 1;
        perform cohort.fail('segment_entry', format('Entry %s of the list of %s %s.', odd.n - 1, name,
            case when jsonb_typeof(odd.a) in ('string', 'number') then format('has %s bytes', octet_length(odd.a #>> '{}'))
                 else 'is ' || cohort.json_noun(odd.a) end), cohort.path_of(format('list[%s]', odd.n - 1)));
    end if;
    if odd.large > 0 then
        perform cohort.fail('json_number', format('The list of %s holds a number beyond 2^53, which not every client can read.', name),
            cohort.path_of('list'));
    end if;
    return s;
end $$;
comment on function cohort.check_segment_list(cohort.segment) is 'Refuses lists that are too long, too large or hold other things than strings and numbers; counts the entries';

create or replace function cohort.segment_identity_check(o cohort.segment, n cohort.segment) returns void
    language plpgsql as $$
declare
    used text;
begin
    if o.key is null then
        perform cohort.check_environment(n.environment);
        if not cohort.key_ok(n.key) then
            perform cohort.fail('segment_key_format', format('%s can''t be a segment''s key.', cohort.shown(n.key)));
        end if;
        perform 1 from cohort.segment s where s.environment = n.environment and s.key = n.key;
        if found then
            perform cohort.fail('segment_key_unique', format('The segment %s exists already.', cohort.shown(n.key)));
        end if;
        return;
    end if;
    if (n.environment, n.key) is distinct from (o.environment, o.key) then
        perform cohort.fail('key_fixed', format('The key of segment %s can''t be changed.', cohort.shown(o.key)));
    end if;
    if (n.list is null) <> (o.list is null) then
        select u.what into used from cohort.segment_users(o.environment, o.key) u limit 1;
        if found then
            perform cohort.fail('segment_shape_fixed', format('Segment %s is used by %s: it stays a %s.', cohort.shown(o.key), used,
                case when o.list is null then 'condition' else 'list' end));
        end if;
    end if;
end $$;
comment on function cohort.segment_identity_check(cohort.segment, cohort.segment) is 'Rules of a segment''s key and kind, new (the old one null) or changed';

create or replace function cohort.segment_check() returns trigger
    language plpgsql as $$
declare
    name text := format('segment %s', cohort.shown(new.key));
begin
    new.description := coalesce(new.description, '');
    if num_nonnulls(new.condition, new.list) <> 1 then
        perform cohort.fail('segment_shape', format('The %s has %s.', name,
            case when new.condition is null then 'neither condition nor list' else 'both a condition and a list' end));
    end if;
    perform cohort.segment_identity_check(case tg_op when 'UPDATE' then old end, new);
    if length(new.description) > 10000 then
        perform cohort.fail('segment_text_length', format('The description of %s is too long.', name));
    end if;
    if new.list is null then
        new.entries := 0;
        new.list_bytes := 0;
        perform cohort.check_condition(name, new.condition);
        perform cohort.check_segment_chain(new);
        perform cohort.check_segments(name, new.environment, new.condition);
    elsif tg_op = 'INSERT' or new.list is distinct from old.list then
        new := cohort.check_segment_list(new);
    else
        new.entries := old.entries;
        new.list_bytes := old.list_bytes;
    end if;
    return new;
end $$;
comment on function cohort.segment_check() is 'Trigger: rules of segments';
create or replace trigger segment_check before insert or update on cohort.segment
    for each row execute function cohort.segment_check();

create or replace function cohort.segment_delete_check() returns trigger
    language plpgsql as $$
declare
    used text;
begin
    select u.what into used from cohort.segment_users(old.environment, old.key) u limit 1;
    if found then
        perform cohort.fail('segment_in_use', format('Segment %s is used by %s.', cohort.shown(old.key), used));
    end if;
    return old;
end $$;
comment on function cohort.segment_delete_check() is 'Trigger: a segment in use stays';
create or replace trigger segment_delete_check before delete on cohort.segment
    for each row execute function cohort.segment_delete_check();

