-- The assignment contract in SQL, bit for bit what the servers compute (docs/assignment.md):
--     unit = first 16 bytes of HMAC-SHA-256(unit key, unit type ‖ 0x00 ‖ raw id)
--     draw = SHA-256(salt ‖ unit), read as eight big-endian 32-bit words w0 … w7
--     slot = floor(w × 1,000,000 / 2^32)
-- Everything but unit_id() works without the key.

create or replace function cohort.unit_id_with_key(key bytea, type text, raw text) returns uuid
    language sql immutable parallel safe
    as $$ select encode(substring(cohort.hmac(convert_to(type, 'UTF8') || '\x00'::bytea || convert_to(raw, 'UTF8'), key, 'sha256')
                                  from 1 for 16), 'hex')::uuid $$;
comment on function cohort.unit_id_with_key(bytea, text, text) is 'The unit of a raw id under a key; unit_id() uses the environment''s';

create or replace function cohort.unit_id(type text, raw text) returns uuid
    language plpgsql stable security definer set search_path = cohort, pg_temp as $$
declare
    unit_key bytea;
begin
    if coalesce(type, '') !~ '^[a-z][a-z0-9_]{0,31}$' then
        perform fail('unit_type_format', format('%s can''t be a unit type.', shown(type)));
    end if;
    if coalesce(octet_length(convert_to(raw, 'UTF8')), 0) not between 1 and 512 then
        perform fail('unit_raw_length', format('A raw id has 1 to 512 bytes, not %s.', coalesce(octet_length(convert_to(raw, 'UTF8')), 0)));
    end if;
    select s.unit_key into unit_key from secret s where s.environment = current_environment();
    if not found then
        perform check_environment(current_environment());
    end if;
    return unit_id_with_key(unit_key, type, raw);
end $$;
comment on function cohort.unit_id(text, text) is
    'The unit of a raw id: unit_id(''user'', ''c-1''). Uses the secret key, so analysts may not call it';
revoke execute on function cohort.unit_id(text, text) from public;

create or replace function cohort.draw(salt bytea, unit uuid) returns bigint[]
    language sql immutable strict parallel safe
    as $$ select array[('x' || substr(h, 1, 8))::bit(32)::bigint, ('x' || substr(h, 9, 8))::bit(32)::bigint,
                       ('x' || substr(h, 17, 8))::bit(32)::bigint, ('x' || substr(h, 25, 8))::bit(32)::bigint,
                       ('x' || substr(h, 33, 8))::bit(32)::bigint, ('x' || substr(h, 41, 8))::bit(32)::bigint,
                       ('x' || substr(h, 49, 8))::bit(32)::bigint, ('x' || substr(h, 57, 8))::bit(32)::bigint]
            from encode(sha256(salt || uuid_send(unit)), 'hex') h $$;
comment on function cohort.draw(bytea, uuid) is 'The eight words of a draw; w0 is element 1, w1 element 2';

-- One word alone: inlined, and so several times quicker where millions are recomputed.
create or replace function cohort.draw_word(salt bytea, unit uuid, n int) returns bigint
    language sql immutable strict parallel safe
    as $$ select ('x' || substr(encode(sha256(salt || uuid_send(unit)), 'hex'), n * 8 + 1, 8))::bit(32)::bigint $$;
comment on function cohort.draw_word(bytea, uuid, int) is 'Word n of a draw, 0 to 7: draw_word(salt, unit, 0) is w0';

create or replace function cohort.decision_word(salt bytea, unit uuid, decision uuid, n int) returns bigint
    language sql immutable strict parallel safe
    as $$ select ('x' || substr(encode(sha256(salt || uuid_send(unit) || uuid_send(decision)), 'hex'), n * 8 + 1, 8))::bit(32)::bigint $$;
comment on function cohort.decision_word(bytea, uuid, uuid, int) is
    'Word n of the draw of one decision, where each is drawn anew: decision_word(salt, unit, decision, 1) is w1';

create or replace function cohort.vector_variant(eligible jsonb, slot int) returns int
    language sql immutable strict parallel safe
    as $$ select v.id from (select k::int as id, sum(ppm::int) over (order by k::int) as upto from jsonb_each_text($1) x(k, ppm)) v
           where $2 < v.upto order by v.id limit 1 $$;
comment on function cohort.vector_variant(jsonb, int) is
    'The variant.id that owns a slot by the probabilities of decision.eligible: the first whose sum in the order of ids is above it';

create or replace function cohort.slot(w bigint) returns int
    language sql immutable strict parallel safe
    as $$ select ((w * 1000000) >> 32)::int $$;
comment on function cohort.slot(bigint) is 'The slot of a word, 0 to 999999';

-- A bandit's unit changes its phase where one of its epochs begins: they are stick_s long, and w3 of its draw with the
-- experiment's salt says where they are cut.
create or replace function cohort.unit_epoch(salt bytea, unit uuid, stick_s int, at timestamptz) returns timestamptz
    language sql immutable parallel safe
    as $$ select case when coalesce(stick_s, 0) = 0 then at
                      else at - mod(mod(extract(epoch from at) * 1000000 - floor(cohort.draw_word(salt, unit, 3)::numeric * stick_s * 1000000 / 4294967296),
                                        stick_s * 1000000::numeric) + stick_s * 1000000::numeric, stick_s * 1000000::numeric)::bigint * interval '1 microsecond' end $$;
comment on function cohort.unit_epoch(bytea, uuid, int, timestamptz) is 'When the epoch of a bandit''s unit began that a time lies in; without stick_s the time itself';

create or replace function cohort.phase_in_force(experiment_id int, at timestamptz) returns int
    language sql stable parallel safe
    as $$ select coalesce((select p.id from cohort.phase p where p.experiment_id = $1 and p.kind = 'time' and p.starts_at <= $2
                            order by p.number desc limit 1), cohort.first_time_phase($1)) $$;
comment on function cohort.phase_in_force(int, timestamptz) is
    'The time phase in force at a time: the latest that has begun, or before all of them the first; null: there is none';

create or replace function cohort.time_phase_of(experiment_id int, unit uuid, at timestamptz) returns int
    language plpgsql stable parallel safe as $$
declare
    began timestamptz;
begin
    select cohort.unit_epoch(i.salt, unit, b.stick_s, at) into began
      from cohort.experiment_iteration i
      join cohort.bandit b on b.environment = i.environment and b.experiment = i.experiment and b.assign = 'unit'
     where i.experiment_id = time_phase_of.experiment_id;
    return coalesce((select p.id from cohort.phase p where p.experiment_id = time_phase_of.experiment_id and p.kind = 'time' and p.starts_at <= began
                      order by p.number desc limit 1),
                    case when began is not null then cohort.first_time_phase(experiment_id) end);
end $$;
comment on function cohort.time_phase_of(int, uuid, timestamptz) is
    'The time phase that draws for a bandit''s unit at a time: the one in force when its epoch began, or the first; null where each decision is drawn';

-- The probability of taking part: the holdouts' shares (holdout_ppm), times the layer's slots it owns, times the traffic
-- that is open, rounded down after each.
create or replace function cohort.inclusion_ppm(e cohort.experiment) returns int
    language sql stable parallel safe
    as $$ select (case when e.layer is null then cohort.holdout_ppm(e.key)
                       else cohort.holdout_ppm(e.key)::bigint
                            * coalesce((select cohort.slots_ppm(s.slots) from cohort.layer_slots s
                                         where s.environment = e.environment and s.experiment = e.key), 0) / 1000000 end::bigint
                  * cohort.open_ppm(e.id) / 1000000)::int $$;
comment on function cohort.inclusion_ppm(cohort.experiment) is
    'The probability of an eligible unit to be enrolled, by holdouts, layer and traffic, in parts per million';

-- Inlined into the query that calls it: a join over many units is one plan. "offset 0" keeps its steps in order, each
-- draw made once: the planner, once it has statistics of these small tables, would draw for every phase there is.
drop function if exists cohort.expected_assignment(text, uuid);
drop function if exists cohort.expected_assignment(text, uuid, timestamptz);
create or replace function cohort.expected_assignment(experiment text, unit uuid, at timestamptz default now(), decision uuid default null)
    returns table(phase int, variant text, propensity int, inclusion int)
    language sql stable parallel safe rows 1
    as $$ select p.number, v.key, v.share_ppm, cohort.inclusion_ppm(x.e)
            from (select e, e.id, e.kind, b.assign, cohort.slot(cohort.draw_word(e.salt, $2, 0)) as traffic_slot
                    from cohort.experiment e
                    left join cohort.bandit b on b.environment = e.environment and b.experiment = e.key
                    left join cohort.layer l on l.environment = e.environment and l.key = e.layer
                    left join cohort.layer_slots ls on ls.environment = e.environment and ls.experiment = e.key
                   where e.environment = cohort.current_environment() and e.key = $1
                     and (e.layer is null or ls.slots @> cohort.slot(cohort.draw_word(l.salt, $2, 0))) offset 0) x
           cross join lateral
                 -- A holdout's arm is drawn by the same word as an experiment's traffic, w0 of its own salt.
                 (select q.id, q.number, case when x.kind = 'holdout' then x.traffic_slot
                                        when q.kind = 'time' and x.assign = 'decision' then cohort.slot(cohort.decision_word(q.salt, $2, $4, 1))
                                        else cohort.slot(cohort.draw_word(q.salt, $2, 1)) end as variant_slot
                    from cohort.phase q
                    left join cohort.phase_closed c on c.phase_id = case q.kind when 'time' then cohort.first_time_phase(x.id) else q.id end
                   where q.experiment_id = x.id and q.traffic_slots @> x.traffic_slot
                     and (q.kind = 'traffic' or q.model_id is null
                              and q.id = case x.assign when 'unit' then cohort.time_phase_of(x.id, $2, $3) else cohort.phase_in_force(x.id, $3) end)
                     and not coalesce(c.slots @> x.traffic_slot, false) offset 0) p
           cross join lateral
                 (select w.key, pv.share_ppm from cohort.phase_variant pv join cohort.variant w on w.id = pv.variant_id
                   where pv.phase_id = p.id and pv.slots @> p.variant_slot and w.dropped_at is null offset 0) v
          -- Else a LEFT JOIN of it would compute the inclusion of those who take no part, too.
          offset 0 $$;
comment on function cohort.expected_assignment(text, uuid, timestamptz, uuid) is
    'What the contract alone says of a unit in the current iteration: its phase''s number, its variant, and both probabilities in ppm; no row when its layer slot isn''t the experiment''s, its traffic slot isn''t open, or its arm was dropped. Of a bandit, what it draws at that time, and where it draws each decision, for the decision of that id; no row where one is needed and not named, or where a model decides. Targeting and status aside';

drop function if exists cohort.drawn_assignment(int, uuid);
drop function if exists cohort.drawn_assignment(int, uuid, timestamptz);
create or replace function cohort.drawn_assignment(experiment_id int, unit uuid, at timestamptz default now(), decision uuid default null)
    returns table(phase_id int, phase int, variant_id int, variant text, propensity int)
    language sql stable parallel safe rows 1
    as $$ select p.id, p.number, v.id, v.key, pv.share_ppm
            from cohort.experiment_iteration i
            join cohort.experiment e on e.environment = i.environment and e.key = i.experiment
            left join cohort.bandit b on b.environment = e.environment and b.experiment = e.key
           cross join lateral (select x.id, x.number, x.salt, x.kind from cohort.phase x
                                where x.experiment_id = i.experiment_id
                                  and x.traffic_slots @> cohort.slot(cohort.draw_word(i.salt, $2, 0))
                                  and (x.kind = 'traffic' or x.model_id is null
                                           and x.id = case b.assign when 'unit' then cohort.time_phase_of($1, $2, $3)
                                                                    else cohort.phase_in_force($1, $3) end) offset 0) p
           cross join lateral (select x.variant_id, x.share_ppm from cohort.phase_variant x
                                where x.phase_id = p.id
                                  and x.slots @> cohort.slot(case when e.kind = 'holdout' then cohort.draw_word(i.salt, $2, 0)
                                                                  when p.kind = 'time' and b.assign = 'decision' then cohort.decision_word(p.salt, $2, $4, 1)
                                                                  else cohort.draw_word(p.salt, $2, 1) end) offset 0) pv
            join cohort.variant v on v.id = pv.variant_id
           where i.experiment_id = $1 $$;
comment on function cohort.drawn_assignment(int, uuid, timestamptz, uuid) is
    'The phase and variant that an iteration, by the id its events carry, draws for a unit, whatever was closed, dropped or ended since: to check what was recorded. Of a bandit, what it draws at that time, and where it draws each decision, for the decision of that id';
