-- Roles × tables × privileges, generated from the catalogue: what each may, and that nobody may more. A new table
-- that nobody thought of fails here.
\set QUIET on
\pset tuples_only on
\pset format unaligned
set client_min_messages = warning;

create temp table allowed (name text, product text, analyst text);
-- Of product teams: S select, I insert, U update, D delete, some columns or all. Analysts: S or nothing.
insert into allowed values
('experiment', 'SIUD', 'S'), ('variant', 'SIUD', 'S'), ('guardrail', 'SIUD', 'S'), ('flag', 'SIUD', 'S'), ('flag_rule', 'SIUD', 'S'),
('layer', 'SIUD', 'S'), ('segment', 'SIUD', 'S'), ('override', 'SIUD', 'S'), ('prerequisite', 'SIUD', 'S'), ('ramp_step', 'SIUD', 'S'),
('holdout', 'SIUD', 'S'), ('bandit', 'SIUD', 'S'), ('contextual', 'SIUD', 'S'), ('challenger', 'SID', 'S'), ('metric', 'SIUD', 'S'), ('experiment_metric', 'SIUD', 'S'), ('stop_condition', 'SIUD', 'S'),
('secret', '', ''), ('api_key', '', ''), ('definition_turn', '', '');

create temp view seen as
select c.relname as name, r.role,
       concat(case when has_any_column_privilege(r.role, c.oid, 'select') then 'S' end, case when has_any_column_privilege(r.role, c.oid, 'insert') then 'I' end,
              case when has_any_column_privilege(r.role, c.oid, 'update') then 'U' end, case when has_table_privilege(r.role, c.oid, 'delete') then 'D' end,
              case when has_table_privilege(r.role, c.oid, 'truncate') then 'T' end) as privileges
  from pg_class c cross join (values ('cohort_product'), ('cohort_analyst')) r(role)
 where c.relnamespace = 'cohort'::regnamespace and c.relkind in ('r', 'p', 'v') and not c.relispartition;
select case when s.privileges = w.want or (a.name is null and s.privileges = '') then 'ok     ' else 'not ok ' end
       || format('%s on %s: %s', s.role, s.name, coalesce(nullif(s.privileges, ''), 'nothing'))
       || case when s.privileges <> w.want then format(' (%s)', w.want) else '' end
  from seen s left join allowed a on a.name = s.name
 cross join lateral (select coalesce(case s.role when 'cohort_product' then a.product else a.analyst end, 'S') as want) w
 order by s.role, s.name;

-- What only the database writes, whoever asks.
select case when not has_column_privilege(r.role, 'cohort.' || x.t, x.c, p.kind) then 'ok     ' else 'not ok ' end
       || format('%s can''t %s %s.%s', r.role, p.kind, x.t, x.c)
  from (values ('experiment', 'id'), ('experiment', 'salt'), ('experiment', 'iteration'), ('experiment', 'ship_salt'), ('experiment', 'started_at'),
               ('experiment', 'shipped_variant'), ('layer', 'salt'), ('flag_rule', 'salt'), ('variant', 'dropped_at'), ('ramp_step', 'state'),
               ('ramp_step', 'opened'), ('metric', 'version'), ('metric', 'event_path'), ('metric', 'denominator_path'), ('flag', 'created_by')) x(t, c)
 cross join (values ('cohort_product'), ('cohort_analyst')) r(role) cross join (values ('insert'), ('update')) p(kind);
select case when not has_table_privilege(r.role, 'cohort.' || t, p) then 'ok     ' else 'not ok ' end || format('%s can''t %s %s', r.role, p, t)
  from unnest(array['audit', 'audit_seal', 'audit_head', 'audit_pending', 'phase', 'phase_variant', 'status_change', 'stop_event', 'alert_event']) t
 cross join (values ('cohort_server'), ('cohort_product'), ('cohort_analyst')) r(role)
 cross join unnest(array['update', 'delete', 'truncate']) p order by t, r.role;
select case when bool_and(not has_function_privilege(r.role, f.f::regprocedure, 'execute')) then 'ok     ' else 'not ok ' end
       || r.role || ' can''t call ' || f.f
  from (values ('cohort_product'), ('cohort_analyst')) r(role)
 cross join (values ('cohort.act_as_api_key(int)'), ('cohort.create_api_key(text, text, text, text, int)'), ('cohort.rotate_api_key(int)'), ('cohort.plan_documents()'),
                    ('cohort.audit_seal_pending(bigint, int)')) f(f) group by r.role, f.f order by 1;
select case when not has_function_privilege('cohort_analyst', 'cohort.unit_id(text, text)', 'execute') then 'ok     ' else 'not ok ' end || 'analysts can''t make units of raw ids';

-- Row security: on for every table that teams write, with a policy for each verb.
select case when c.relrowsecurity and not c.relforcerowsecurity and (select count(*) from pg_policy p where p.polrelid = c.oid) = 4 then 'ok     ' else 'not ok ' end
       || c.relname || ' has row security'
  from pg_class c join allowed a on a.name = c.relname where a.product like '%I%' and a.name <> 'metric' order by 1;

-- Every column people read has a comment.
select case when count(*) = 0 then 'ok     every column has a comment' else 'not ok columns without a comment: ' || string_agg(c.relname || '.' || a.attname, ', ') end
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 where c.relnamespace = 'cohort'::regnamespace and c.relkind in ('r', 'p', 'v') and not c.relispartition and col_description(c.oid, a.attnum) is null;
