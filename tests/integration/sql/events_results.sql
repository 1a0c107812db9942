-- Results against values computed independently, with 40 digits, from the same units.
\set QUIET on
\set ON_ERROR_STOP on
select t.lead('results') as epoch \gset
select cohort.ingest_prepare() \g /dev/null
create function t.near(a double precision, b double precision) returns boolean language sql immutable
    as $$ select abs(a - b) <= 1e-9 * greatest(1, abs(b)) $$;
create function t.row_is(name text, m text, arm text, u bigint, numbers double precision[]) returns boolean language sql stable set jit = off as $$
    select r.units = u and bool_and(t.near(got, want) or (got is null and want is null))
      from cohort.results_fixed(name) r
     cross join unnest(array[r.value, r.difference, r.std_error, r.statistic, r.low, r.high], numbers) x(got, want)
     where r.metric = m and r.variant = arm group by r.units $$;
-- unit i of arm k spends ((37 i k) mod 101 - 30) / 8, every third nothing
create function t.spend(i int, k int) returns bigint language sql immutable
    as $$ select case when i % 3 = 0 then null else (((i * k * 37) % 101 - 30) * 125000)::bigint end $$;

-- Units lo to hi of arm k: of every `each` units, the last `had` have the binary event.
create function t.arm(x int, phase int, name text, k int, lo int, hi int, events int) returns void language sql as $$
    insert into pg_temp.stage_exposure
    select t.uuid(x * 1000 + k, i), x, t.variant(x, name), phase, 500000, 1000000, now() - interval '1 hour', t.uuid(41, i), null, true, 2
      from generate_series(lo, hi) i;
    insert into pg_temp.stage_outcome
    select t.uuid(x * 1000 + k, i), t.uuid(42, i), now() - interval '30 min', 'r_visit', null, null, null, true
      from generate_series(hi - events + 1, hi) i;
    insert into pg_temp.stage_outcome
    select t.uuid(x * 1000 + k, i), t.uuid(43, i), now() - interval '29 min', 'r_spend', t.spend(i, k), null, null, true
      from generate_series(lo, hi) i where t.spend(i, k) is not null $$;

insert into cohort.metric (key, event, kind) values ('r_visit', 'r_visit', 'binary'), ('r_spend', 'r_spend', 'mean');
select t.experiment('r1', array['control', 'b', 'c']) as x \gset
insert into cohort.experiment_metric (experiment, metric) values ('r1', 'r_visit'), ('r1', 'r_spend');
select t.ok('without units: nulls, no error', (select count(*) = 6 and bool_and(units = 0 and value is null and difference is null
    and statistic is null and low is null and phases = 0) from cohort.results_fixed('r1')) and (select count(*) = 3
    and bool_and(units = 0 and chi_square is null and p is null) from cohort.srm('r1'))
    and cohort.results_json('r1')->'srm'->'fixed_horizon'->'p' = 'null');
begin;
select t.arm(:x, t.phase(:x), 'control', 1, 1, 300, 60), t.arm(:x, t.phase(:x), 'b', 2, 1, 200, 50),
       t.arm(:x, t.phase(:x), 'c', 3, 1, 100, 20), t.ship() \g /dev/null
commit;
select cohort.rollup(:epoch) \g /dev/null
select t.ok('control: its rate, no difference', t.row_is('r1', 'r_visit', 'control', 300, array[0.2, null, null, null, null, null]));
select t.ok('a rate: pooled z, unpooled interval', t.row_is('r1', 'r_visit', 'b', 200, array[0.25, 0.05, 0.038351444996679504,
    1.3222147133698627, -0.025167450948560687, 0.12516745094856069]));
select t.ok('a rate equal to control', t.row_is('r1', 'r_visit', 'c', 100, array[0.2, 0, 0.046188021535170061, 0,
    -0.090526858726093746, 0.090526858726093746]));
select t.ok('control''s mean', t.row_is('r1', 'r_spend', 'control', 300, array[1.6704166666666667, null, null, null, null, null]));
select t.ok('a mean: Welch t and its interval', t.row_is('r1', 'r_spend', 'b', 200, array[1.585, -0.085416666666666667,
    0.29140650397099345, -0.29311860065816865, -0.65817492675707812, 0.48734159342374479]));
select t.ok('another mean', t.row_is('r1', 'r_spend', 'c', 100, array[1.7, 0.029583333333333333, 0.37143190681292561,
    0.079646720679365855, -0.70364071672309691, 0.76280738338976357]));
select t.ok('sample ratio', (select count(*) = 3 and bool_and(t.near(chi_square, 100.00055000085) and abs(p - 1.9282195138604029e-22) < 1e-9 * 1.9282195138604029e-22
    ) from cohort.srm('r1')) and (select (units, expected) = (300, 199.9998) from cohort.srm('r1') where variant = 'control'));
select t.ok('the JSON before the leader wrote it: nothing counted, no error', (select count(*) = 6 and bool_and(v->'value' = 'null')
    from jsonb_array_elements(cohort.results_json('r1')->'metrics') m, jsonb_array_elements(m->'variants') v)
    and cohort.results_json('r1')->'srm'->'variants'->0->>'units' = '300' and cohort.results_json('r1')->>'decision' = 'Nothing is counted yet.'
    and (select count(*) = 6 and bool_and(as_of is null and value is null) from cohort.results('r1')));
select t.ok('as of the last pass', (select bool_and(r.as_of = l.as_of) from cohort.results_fixed('r1') r, cohort.leader_state l));

-- Few units; arms without units; no variance.
select t.experiment('r2', array['control', 'b', 'c', 'd']) as x \gset
insert into cohort.experiment_metric (experiment, metric) values ('r2', 'r_visit'), ('r2', 'r_spend');
begin;
select t.arm(:x, t.phase(:x), 'control', 1, 1, 5, 0), t.arm(:x, t.phase(:x), 'b', 2, 1, 4, 0), t.arm(:x, t.phase(:x), 'c', 3, 1, 1, 1) \g /dev/null
delete from pg_temp.stage_outcome where name = 'r_spend';
insert into pg_temp.stage_outcome select t.uuid(:x * 1000 + 1, i), t.uuid(44, i), now(), 'r_spend', (array[1, 2, 3, 4, 10])[i] * 1000000, null, null, true
  from generate_series(1, 5) i;
insert into pg_temp.stage_outcome select t.uuid(:x * 1000 + 2, i), t.uuid(44, i), now(), 'r_spend', (array[2, 2, 5, 9])[i] * 1000000, null, null, true
  from generate_series(1, 4) i;
select t.ship() \g /dev/null
commit;
select cohort.rollup(:epoch) \g /dev/null
select t.ok('few units: the quantile is Student''s', t.row_is('r2', 'r_spend', 'b', 4, array[4.5, 0.5, 2.29128784747792,
    0.21821789023599238, -4.9589804659113933, 5.9589804659113933]));
select t.ok('no event in either arm: no z, no interval', t.row_is('r2', 'r_visit', 'b', 4, array[0, 0, null, null, null, null]));
select t.ok('one unit has a mean and no variance', t.row_is('r2', 'r_spend', 'c', 1, array[0, -4, null, null, null, null]));
select t.ok('an arm without units has nothing', t.row_is('r2', 'r_spend', 'd', 0, array[null, null, null, null, null, null]::float8[])
    and t.row_is('r2', 'r_visit', 'd', 0, array[null, null, null, null, null, null]::float8[]));

-- Two phases with other shares: the difference is taken inside each, then averaged. Pooled it would be 0.31.
select t.experiment('r3', array['control', 'b']) as x \gset
insert into cohort.experiment_metric (experiment, metric) values ('r3', 'r_visit'), ('r3', 'r_spend');
set session_replication_role = replica;
update cohort.phase_variant set share_ppm = case variant_id when t.variant(:x, 'b') then 100000 else 900000 end where phase_id = t.phase(:x);
insert into cohort.phase (environment, experiment, experiment_id, number, traffic_slots, salt, opened_by)
    select environment, experiment, experiment_id, 2, '{[500000,1000000)}', salt, opened_by from cohort.phase where id = t.phase(:x);
insert into cohort.phase_variant select t.phase(:x), v, s, '{[0,10)}' from (values (t.variant(:x, 'control'), 520000), (t.variant(:x, 'b'), 480000)) y(v, s);
reset session_replication_role;
select min(p.id) as p1, max(p.id) as p2 from cohort.phase p where p.experiment = 'r3' \gset
begin;
select t.arm(:x, :p1, 'control', 1, 1, 180, 18), t.arm(:x, :p1, 'b', 2, 1, 20, 6),
       t.arm(:x, :p2, 'control', 1, 181, 330, 60), t.arm(:x, :p2, 'b', 2, 21, 170, 90), t.ship() \g /dev/null
commit;
select cohort.rollup(:epoch) \g /dev/null
select t.ok('two phases: control''s rate is standardised', t.row_is('r3', 'r_visit', 'control', 330, array[0.28, null, null, null, null, null]));
select t.ok('two phases: the difference of rates', t.row_is('r3', 'r_visit', 'b', 170, array[0.48, 0.2, 0.053962950252928166,
    4.3247244877866897, 0.094234561004734185, 0.30576543899526582]));
select t.ok('two phases: the difference of means', (select t.near(difference, 0.10805555555555556) and t.near(std_error, 0.38195182042093135)
    and t.near(statistic, 0.28290362757395042) and t.near(low, -0.6585405855113444) and t.near(high, 0.87465169662245551) and phases = 2
    and method = 'Welch t over 2 phases; fixed horizon' from cohort.results_fixed('r3') where metric = 'r_spend' and variant = 'b'));
select t.ok('two phases: sample ratio inside each', (select bool_and(t.near(chi_square, 0.48076923076923077) and t.near(p, 0.78632537006429564)) from cohort.srm('r3')));
set session_replication_role = replica;
update cohort.phase_variant set share_ppm = 0 where phase_id = :p1 and variant_id = t.variant(:x, 'b');
reset session_replication_role;
select t.ok('units where none can be: p is 0', (select bool_and(p = 0 and chi_square is null) from cohort.srm('r3')));

select t.ok('an unknown experiment is an error', t.constraint_of('select * from cohort.results_fixed(''nope'')') = 'experiment_known'
    and t.constraint_of('select * from cohort.srm(''nope'')') = 'experiment_known' and cohort.results_json('nope') is null);

select t.ok(format('chi-square %s, %s', x, df), abs(cohort.chi_square_p(x, df) - p) <= 1e-10 * p) from (values
    (0.001, 1, 0.97477287936996039), (3.84, 1, 0.050043521248705099), (10, 3, 0.018566135463043233), (2, 2, 0.36787944117144232),
    (50, 10, 2.6690834249044956e-7), (0.2, 10, 0.99999992332198314), (300, 250, 0.01651827315786872),
    (1000, 3, 1.7994208765314477e-216)) v(x, df, p);
select t.ok('chi-square where it is not defined', cohort.chi_square_p(1, 0) is null and cohort.chi_square_p(-1, 2) is null
    and cohort.chi_square_p('NaN', 2) is null and cohort.chi_square_p(0, 3) = 1 and cohort.chi_square_p('Infinity', 3) = 0
    and cohort.chi_square_p(1e6, 1) = 0);
select t.ok(format('Student''s t, %s degrees of freedom', df), t.near(cohort.student_t_975(df), q)) from (values
    (1, 12.706204736174705), (2, 4.3026527297494639), (2.5, 3.5746548420036832), (5, 2.5705818356363155), (30, 2.0422724563012383),
    (99.5, 1.9840936109906242), (199, 1.9719565442517538), (201, 1.9718365067798593), (5000, 1.9604385517065079)) v(df, q);
