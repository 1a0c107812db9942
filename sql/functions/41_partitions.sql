-- Outcomes and decisions are kept in a partition per UTC day.

-- The table is made apart and then attached: attaching lets others go on reading and writing the parent.
create or replace function cohort.make_partition(parent text, day date) returns boolean
    language plpgsql security definer set search_path = cohort, pg_temp as $$
declare
    part text := parent || '_' || to_char(day, 'YYYYMMDD');
begin
    if parent not in ('outcome', 'decision') then
        raise exception 'Only outcome and decision have partitions, not %', cohort.shown(parent);
    end if;
    if to_regclass('cohort.' || quote_ident(part)) is not null
       or exists (select from cohort.partition_dropped p where p.parent = $1 and p.day = $2) then
        return false;
    end if;
    -- One maker at a time, taken before any row is locked; whoever waited finds the table made. The catalogue is read
    -- itself: to_regclass() remembers that there was none.
    perform pg_advisory_xact_lock(hashtextextended('cohort.make_partition', 0));
    if exists (select from pg_class c where c.relnamespace = 'cohort'::regnamespace and c.relname = part) then
        return false;
    end if;
    execute format('create table cohort.%I (like cohort.%I including all)', part, parent);
    execute format('comment on table cohort.%I is %L', part,
                   format('Rows of cohort.%s of %s (UTC)', parent, to_char(day, 'YYYY-MM-DD')));
    execute format('alter table cohort.%I attach partition cohort.%I for values from (%L) to (%L)', parent, part,
                   to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00');
    return true;
end $$;
comment on function cohort.make_partition(text, date) is
    'Makes the partition of outcome or decision for one UTC day; false when it is there already, or the day is kept no longer';

create or replace function cohort.ensure_partitions(from_date date, to_date date) returns int
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    made int := 0;
    day date := from_date;
begin
    while day <= to_date loop
        made := made + cohort.make_partition('outcome', day)::int + cohort.make_partition('decision', day)::int;
        day := day + 1;
    end loop;
    return made;
end $$;
comment on function cohort.ensure_partitions(date, date) is
    'Makes the partitions of outcome and decision for these UTC days, both ends included; returns how many were missing';
