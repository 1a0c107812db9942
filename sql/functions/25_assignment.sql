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

create or replace function cohort.slot(w bigint) returns int
    language sql immutable strict parallel safe
    as $$ select ((w * 1000000) >> 32)::int $$;
comment on function cohort.slot(bigint) is 'The slot of a word, 0 to 999999';

-- Inlined into the query that calls it: a join over many units is one plan.
create or replace function cohort.expected_assignment(experiment text, unit uuid)
    returns table(phase int, variant text, propensity int, inclusion int)
    language sql stable parallel safe rows 1
    as $$ select p.number, v.key, pv.share_ppm,
                 (select sum(upper(r) - lower(r))::int
                    from cohort.phase o, unnest(o.traffic_slots) r
                   where o.environment = e.environment and o.experiment = e.key)
            from cohort.experiment e
            join cohort.phase p on p.environment = e.environment and p.experiment = e.key
                               and p.traffic_slots @> cohort.slot(cohort.draw_word(e.salt, $2, 0))
            join cohort.phase_variant pv on pv.phase_id = p.id and pv.slots @> cohort.slot(cohort.draw_word(p.salt, $2, 1))
            join cohort.variant v on v.id = pv.variant_id
           where e.environment = cohort.current_environment() and e.key = $1 $$;
comment on function cohort.expected_assignment(text, uuid) is
    'What the contract alone says of a unit: its phase''s number, its variant, and both probabilities in ppm; no row when its traffic slot isn''t open. Targeting and status aside';
