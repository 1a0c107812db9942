-- Webhooks: signed messages of stops, alerts and verdicts. A stop waits for none of this: the leader makes the
-- deliveries afterwards, from the events that have none, and sends them on a thread and connection of their own.

insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('webhook_known', 'P0002', 404, 'There is no such webhook', 'GET /v1/webhooks lists those of this environment.', 'key', 'webhook'),
('webhook_key_format', '23514', 422, 'A key has 1 to 100 of a-z 0-9 _ . -', 'Use 1 to 100 of the characters a-z 0-9 _ . - and begin with a letter or digit.', 'key', 'webhook'),
('webhook_url_format', '23514', 422, 'A webhook has an address of http or https', 'Give a URL like https://example.com/hooks/cohort of at most 2000 characters, without a user or password: what is sent is signed with the secret.', 'url', 'webhook'),
('webhook_secret_length', '23514', 422, 'A secret has 16 to 256 bytes', 'Make a random one, of 32 characters say, and give it to the receiver too. Leave it out to keep the one there is.', 'secret', 'webhook'),
('webhook_secret_missing', '23514', 422, 'A new webhook needs a secret', 'Make a random one of 16 to 256 bytes; the receiver checks the signature with it. cohortctl webhooks put makes one.', 'secret', 'webhook'),
('webhook_events_known', '23514', 422, 'A webhook hears of stops, alerts and verdicts', 'events is a list of one or more of: stop, alert, verdict. Leave it out for all.', 'events', 'webhook')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;

-- The rules, in sentences that don't repeat what may be secret.
create or replace function cohort.webhook_check() returns trigger
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    perform check_environment(new.environment);
    if coalesce(new.key, '') !~ '^[a-z0-9][a-z0-9_.-]{0,99}$' then
        perform fail('webhook_key_format', format('%s is no key of a webhook.', shown(new.key)));
    end if;
    if coalesce(length(new.url) > 2000 or new.url !~ '^https?://[^][[:space:]/?#@\\"<>]+([/?#][^[:space:]\\"<>]*)?$', true) then
        perform fail('webhook_url_format', 'That is no address a webhook can be sent to.');
    end if;
    if coalesce(octet_length(new.secret) not between 16 and 256, true) then
        perform fail('webhook_secret_length', format('The secret has %s bytes.', coalesce(octet_length(new.secret), 0)));
    end if;
    if coalesce(cardinality(new.events) = 0 or not new.events <@ array['stop', 'alert', 'verdict'], true) then
        perform fail('webhook_events_known', format('%s is no list of events.', coalesce(left(new.events::text, 100), 'null')));
    end if;
    if tg_op = 'UPDATE' then
        if new.secret is distinct from old.secret then
            new.secret_set_at := clock_timestamp();
        end if;
        if new.enabled and not old.enabled then
            new.since := clock_timestamp();
        end if;
    end if;
    return new;
end $$;
comment on function cohort.webhook_check() is 'Trigger: the rules of a webhook; one that is enabled again hears of what happens from then on';
create or replace trigger webhook_check before insert or update on cohort.webhook
    for each row execute function cohort.webhook_check();

create or replace function cohort.webhook_forget() returns trigger
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    delete from webhook_delivery d where d.webhook_id = old.id;
    return null;
end $$;
comment on function cohort.webhook_forget() is 'Trigger: the deliveries of a webhook go with it';
create or replace trigger webhook_forget after delete on cohort.webhook
    for each row execute function cohort.webhook_forget();

-- As documents.

create or replace function cohort.webhook_document(w cohort.webhook) returns jsonb
    language sql stable set search_path = cohort, pg_temp
    as $$ select jsonb_build_object('key', w.key, 'url', w.url, 'secret', '********', 'events', to_jsonb(w.events), 'enabled', w.enabled,
              'secret_set_at', rfc3339(w.secret_set_at), 'created_at', rfc3339(w.created_at), 'created_by', w.created_by) $$;
comment on function cohort.webhook_document(cohort.webhook) is 'A webhook as a document; its secret is never shown';

create or replace function cohort.get_webhook(key text) returns jsonb
    language sql stable set search_path = cohort, pg_temp
    as $$ select webhook_document(w) from webhook w where w.environment = current_environment() and w.key = $1 $$;
comment on function cohort.get_webhook(text) is 'A webhook as a document; null when there is none';

create or replace function cohort.list_webhooks(lim int default 100, after text default null) returns jsonb
    language sql stable set search_path = cohort, pg_temp
    as $$ select page(array_agg(x.doc order by x.key), array_agg(x.key order by x.key), lim)
            from (select w.key, webhook_document(w) as doc from webhook w
                   where w.environment = current_environment() and w.key > coalesce($2, '') order by w.key
                   limit check_limit($1) + 1) x $$;
comment on function cohort.list_webhooks(int, text) is 'Webhooks in the order of their keys, a page at a time';

create or replace function cohort.put_webhook(key text, doc jsonb) returns jsonb
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    w webhook;
    is_on boolean;
    told text[];
    new_secret text;
    address text;
begin
    perform check_document('a webhook', key, doc, array['key', 'url', 'secret', 'events', 'enabled', 'secret_set_at', 'created_at', 'created_by']);
    address := doc_field(doc, '$', 'url', 'string', true) #>> '{}';
    new_secret := nullif(doc_field(doc, '$', 'secret', 'string') #>> '{}', '********');
    is_on := coalesce((doc_field(doc, '$', 'enabled', 'boolean'))::boolean, true);
    told := case when doc_field(doc, '$', 'events', 'array') is null then array['stop', 'alert', 'verdict']
                 else array(select e #>> '{}' from jsonb_array_elements(doc -> 'events') e) end;
    if array_position(told, null) is not null then
        perform fail('webhook_events_known', 'events holds a null.', 'events');
    end if;
    perform set_config('cohort.path', '$', true);
    select * into w from webhook x where x.environment = current_environment() and x.key = $1 for update;
    if found then
        update webhook x set url = address, secret = coalesce(new_secret, x.secret), events = told, enabled = is_on
         where x.id = w.id returning * into w;
    else
        if new_secret is null then
            perform fail('webhook_secret_missing', format('Webhook %s is new and has no secret.', shown(key)));
        end if;
        insert into webhook (key, url, secret, events, enabled) values ($1, address, new_secret, told, is_on) returning * into w;
    end if;
    perform set_config('cohort.path', '', true);
    return webhook_document(w);
end $$;
comment on function cohort.put_webhook(text, jsonb) is
    'Makes or replaces a webhook: {"url", "secret", "events", "enabled"}. A secret that is left out, or masked as documents show it, stays';

create or replace function cohort.delete_webhook(key text) returns boolean
    language plpgsql set search_path = cohort, pg_temp as $$
begin
    delete from webhook w where w.environment = current_environment() and w.key = $1;
    return found;
end $$;
comment on function cohort.delete_webhook(text) is 'Deletes a webhook and what it was still to be told; false when there is none';

create or replace function cohort.delivery_document(d cohort.webhook_delivery) returns jsonb
    language sql stable set search_path = cohort, pg_temp
    as $$ select jsonb_build_object('id', d.id, 'event', d.event, 'state', d.state, 'attempts', d.attempts, 'created_at', rfc3339(d.created_at),
              'next_at', case d.state when 'pending' then rfc3339(d.next_at) end, 'done_at', rfc3339(d.done_at),
              'last_status', d.last_status, 'last_error', d.last_error, 'body', d.body::jsonb) $$;
comment on function cohort.delivery_document(cohort.webhook_delivery) is 'A delivery as a document';

create or replace function cohort.webhook_deliveries(key text, lim int default 100) returns jsonb
    language plpgsql stable set search_path = cohort, pg_temp as $$
declare
    w webhook;
begin
    select * into w from webhook x where x.environment = current_environment() and x.key = $1;
    if not found then
        return null;
    end if;
    return (select jsonb_build_object('items', coalesce(jsonb_agg(delivery_document(d) order by d.created_at desc, d.id), '[]'))
              from (select x.* from webhook_delivery x where x.webhook_id = w.id order by x.created_at desc, x.id limit check_limit(lim)) d);
end $$;
comment on function cohort.webhook_deliveries(text, int) is 'What a webhook was and is to be told, the newest first; null when there is no such webhook';

create or replace function cohort.test_webhook(key text) returns jsonb
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    w webhook;
    d webhook_delivery;
    new_id uuid := gen_random_uuid();
begin
    select * into w from webhook x where x.environment = current_environment() and x.key = $1;
    if not found then
        return null;
    end if;
    insert into webhook_delivery (id, webhook_id, event, body)
    values (new_id, w.id, 'test', jsonb_build_object('id', new_id, 'event', 'test', 'environment', w.environment, 'at', rfc3339(clock_timestamp()),
                'sentence', format('This is a test of webhook %s.', w.key))::text)
    returning * into d;
    return delivery_document(d);
end $$;
comment on function cohort.test_webhook(text) is 'Sends a webhook a test, within seconds: returns the delivery; null when there is no such webhook';

-- What the leader does.

-- An event that happened while nobody led is found all the same: it has no delivery.
create or replace function cohort.webhook_events(from_time timestamptz) returns table(event text, id bigint, at timestamptz,
        experiment_id int, iteration int, kind text, action text, sentence text, evidence jsonb)
    language plpgsql stable set search_path = cohort, pg_temp as $$
begin
    return query select 'stop'::text, s.id, s.at, s.experiment_id, s.iteration,
                        coalesce((select v.kind from verdict_event v
                                   where v.experiment_id = s.experiment_id and v.iteration = s.iteration and v.action = 'stop'
                                     and v.condition_id = s.condition_id order by v.id limit 1), 'harm'),
                        'stop'::text, s.sentence, s.evidence
                   from stop_event s where s.at >= $1;
    return query select 'alert'::text, a.id, a.at, a.experiment_id, a.iteration, 'harm'::text, 'alert'::text, a.sentence, a.evidence
                   from alert_event a where a.at >= $1;
    -- A verdict that stopped or alerted by a guardrail is told as that.
    return query select 'verdict'::text, v.id, v.at, v.experiment_id, v.iteration, v.kind, v.action, v.sentence, v.evidence
                   from verdict_event v
                  where v.at >= $1 and v.action <> 'stop'
                    and not (v.action = 'alert' and v.guardrail_id is not null);
end $$;
comment on function cohort.webhook_events(timestamptz) is 'What webhooks may be told of, from a time on';

create or replace function cohort.queue_webhooks() returns int
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    oldest timestamptz := (select min(w.since) from webhook w where w.enabled);
    horizon timestamptz := clock_timestamp() - interval '30 days';
    n int := 0;
begin
    if oldest is not null then
        with due as materialized (
            select gen_random_uuid() as id, w.id as webhook_id, v.event, v.id as source_id, v.at, e.environment, e.key as experiment,
                   v.iteration, v.kind, v.action, v.sentence, v.evidence
              from webhook_events(oldest) v
              join experiment e on e.id = v.experiment_id
              join webhook w on w.environment = e.environment and w.enabled and v.event = any (w.events) and v.at >= w.since
             where not exists (select from webhook_delivery d
                                where d.webhook_id = w.id and d.event = v.event and d.source_id = v.id))
        insert into webhook_delivery (id, webhook_id, event, source_id, body)
        select d.id, d.webhook_id, d.event, d.source_id,
               jsonb_build_object('id', d.id, 'event', d.event, 'environment', d.environment, 'experiment', d.experiment, 'iteration', d.iteration,
                   'at', rfc3339(d.at), 'kind', d.kind, 'action', d.action, 'sentence', d.sentence, 'evidence', d.evidence)::text
          from due d order by d.at
        on conflict do nothing;
        get diagnostics n = row_count;
    end if;
    -- What is forgotten must not look like what was never told.
    if exists (select from webhook w where w.since < horizon - interval '1 day') then
        update webhook w set since = horizon where w.since < horizon - interval '1 day';
        delete from webhook_delivery d where d.created_at < horizon and d.state <> 'pending';
    end if;
    return n;
end $$;
comment on function cohort.queue_webhooks() is
    'Makes a delivery for every webhook and event that has none, and forgets those of more than 30 days ago; the leader calls it. Returns how many were made';

-- One delivery of a webhook is under way at a time: so a slow receiver holds up no other, and nothing of its own comes
-- in crowds. The lease ends by itself: what a leader that died had under way is sent again by the next.
create or replace function cohort.claim_webhooks(epoch bigint, lim int, lease_s int)
    returns table(id uuid, webhook text, environment text, url text, secret text, event text, attempt int, body text)
    language plpgsql set search_path = cohort, pg_temp as $$
#variable_conflict use_column
declare
    moment timestamptz := clock_timestamp();
begin
    if not exists (select from leader_state l where l.epoch = $1) then
        perform fail('leader_epoch', format('Epoch %s leads no longer.', $1));
    end if;
    return query
    with first as (
        select distinct on (d.webhook_id) d.id
          from webhook_delivery d join webhook w on w.id = d.webhook_id and w.enabled
         where d.state = 'pending' and d.next_at <= moment
           and not exists (select from webhook_delivery b
                            where b.webhook_id = d.webhook_id and b.state = 'pending' and b.leased_until > moment)
         order by d.webhook_id, d.next_at, d.created_at limit lim)
    update webhook_delivery d
       set attempts = d.attempts + 1, leased_until = moment + lease_s * interval '1 second'
      from first f, webhook w
     where d.id = f.id and w.id = d.webhook_id and d.state = 'pending' and (d.leased_until is null or d.leased_until <= moment)
    returning d.id, w.key, w.environment, w.url, w.secret, d.event, d.attempts, d.body;
end $$;
comment on function cohort.claim_webhooks(bigint, int, int) is
    'For the leader: deliveries that are due, at most one a webhook, each for this caller alone until its lease ends; an attempt is counted';

-- Waits double from 2 s to an hour, each times 0.5 to 1.5, for a day.
create or replace function cohort.finish_webhook(delivery uuid, attempt int, status int, why text) returns text
    language plpgsql set search_path = cohort, pg_temp as $$
declare
    good boolean := coalesce(status between 200 and 299, false);
    moment timestamptz := clock_timestamp();
    again timestamptz;
    becomes text;
begin
    select moment + least(3600, 2 ^ least(d.attempts, 12)) * (0.5 + random()) * interval '1 second' into again
      from webhook_delivery d where d.id = $1;
    update webhook_delivery d
       set state = case when good then 'delivered' when again > d.created_at + interval '24 hours' then 'failed' else 'pending' end,
           next_at = again, leased_until = null, last_status = $3, last_error = case when not good then $4 end,
           done_at = case when good or again > d.created_at + interval '24 hours' then moment end
     -- A late answer to an attempt of an earlier leader counts only when it is good.
     where d.id = $1 and d.state = 'pending' and (good or d.attempts = $2)
    returning d.state into becomes;
    return becomes;
end $$;
comment on function cohort.finish_webhook(uuid, int, int, text) is
    'For the leader: what became of an attempt: its HTTP status (null: no answer) and why it failed. Returns the delivery''s state, null when another attempt is under way or it is over';

revoke execute on function cohort.claim_webhooks(bigint, int, int), cohort.finish_webhook(uuid, int, int, text), cohort.queue_webhooks() from public;
select cohort.grant_to('cohort_server', 'execute on function cohort.claim_webhooks(bigint, int, int), cohort.finish_webhook(uuid, int, int, text), cohort.queue_webhooks()');
