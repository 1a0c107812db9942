-- One sentence for each broken rule, the same in psql and over REST.

-- A word as people typed it: quoted, shortened, control characters escaped.
create or replace function cohort.shown(word text) returns text
    language sql immutable parallel safe
    as $$ select case when word is null then 'null'
                      when length(word) > 60 then to_jsonb(left(word, 60) || '…')::text
                      else to_jsonb(word)::text end $$;
comment on function cohort.shown(text) is 'A word for a sentence: quoted, at most 60 characters, on one line';

-- A number as people typed it, shortened.
create or replace function cohort.shown(value numeric) returns text
    language sql immutable parallel safe
    as $$ select case when value is null then 'null'
                      when length(value::text) > 40 then left(value::text, 40) || '…'
                      else value::text end $$;
comment on function cohort.shown(numeric) is 'A number for a sentence: at most 40 digits';

-- While a document is being stored, cohort.path says which part: "$" is the whole, "variants[1]" one variant.
create or replace function cohort.path_of(field text) returns text
    language sql stable parallel safe
    as $$ select case coalesce(current_setting('cohort.path', true), '')
                     when '' then null
                     when '$' then field
                     else concat_ws('.', current_setting('cohort.path', true), field) end $$;
comment on function cohort.path_of(text) is 'Where a field is in the document being stored; null outside put_experiment()';

create or replace function cohort.fail(rule text, message text, detail text default null, hint text default null)
    returns void language plpgsql as $$
declare
    m cohort.error_message;
begin
    select * into m from cohort.error_message e where e.constraint_name = rule;
    if not found then
        raise exception 'No rule is called % (it said: %)', rule, message using errcode = 'XX000';
    end if;
    detail := coalesce(detail, cohort.path_of(m.field));
    hint := coalesce(hint, m.hint);
    if detail is null then
        raise exception using errcode = m.code, message = message, hint = hint, constraint = rule, schema = 'cohort';
    end if;
    raise exception using errcode = m.code, message = message, detail = detail, hint = hint, constraint = rule, schema = 'cohort';
end $$;
comment on function cohort.fail(text, text, text, text) is
    'Raises the error of a rule: its SQLSTATE and hint from error_message, its name as CONSTRAINT, the place in a document as DETAIL';

-- SQLSTATEs: 23514 a value is wrong, 23505 it exists, 23503 what it names doesn't exist or is in use, 55000 not
-- in this state, 22023 a document or argument is malformed, P0002 there is no such thing.
insert into cohort.error_message (constraint_name, code, http_status, title, hint, field, area) values
('key_fixed', '55000', 409, 'A key can''t be changed', 'Make a new one with the key you want.', 'key', 'definition'),
('environment_known', '23503', 422, 'There is no such environment', 'Make it first: insert into cohort.environment (key) values (…).', 'environment', 'definition'),
('environment_key_format', '23514', 422, 'A key has 1 to 100 of a-z 0-9 _ . -', 'Use 1 to 100 of the characters a-z 0-9 _ . - and begin with a letter or digit.', 'key', 'definition'),
('environment_key_unique', '23505', 409, 'The environment exists', 'Use it: set cohort.environment = ''…''.', 'key', 'definition'),
('json_size', '23514', 422, 'A JSON value is at most 64 KiB', 'Keep large content elsewhere and name it here.', null, 'definition'),
('json_depth', '23514', 422, 'A JSON value is at most 16 levels deep', 'Flatten it.', null, 'definition'),
('json_number', '23514', 422, 'A JSON number is at most 2^53', 'Numbers lie between -9007199254740992 and 9007199254740992; write larger ones as strings.', null, 'definition'),
('condition_object', '23514', 422, 'A condition is a JSON object', 'Write {} for everyone, or attributes and what they must be: {"country": "DE", "plan": {"$in": ["pro", "team"]}}.', 'condition', 'definition'),
('condition_operator', '23514', 422, 'A condition uses known operators', 'Known operators are in the table cohort.condition_operator.', 'condition', 'definition'),
('condition_operand', '23514', 422, 'An operator takes a value of its type', 'Write for example {"plan": {"$in": ["pro", "team"]}}.', 'condition', 'definition'),
('flag_key_format', '23514', 422, 'A key has 1 to 100 of a-z 0-9 _ . -', 'Use 1 to 100 of the characters a-z 0-9 _ . - and begin with a letter or digit.', 'key', 'definition'),
('flag_key_unique', '23505', 409, 'The flag exists', 'Use another key, or update the flag that exists.', 'key', 'definition'),
('flag_type_known', '23514', 422, 'A flag has one of four types', 'A flag''s type is one of: boolean, string, number, object.', 'type', 'definition'),
('flag_type_fixed', '55000', 409, 'A flag''s type can''t be changed', 'Code that asks for the flag expects its type. Leave the type as it is, or name another flag.', 'type', 'definition'),
('flag_default_type', '23514', 422, 'A default has the flag''s type', 'Give a default of the flag''s type, or leave it out to let the code''s own default hold.', 'default_value', 'definition'),
('flag_in_use', '23503', 409, 'The flag is in use', 'Archive it instead: update cohort.flag set archived_at = now() where key = ''…''.', 'key', 'definition'),
('flag_rule_flag_known', '23503', 422, 'There is no such flag', 'Make it first: insert into cohort.flag (key, type) values (…).', 'flag', 'definition'),
('flag_rule_experiment_known', '23503', 422, 'There is no such experiment', 'Make it first: insert into cohort.experiment (key) values (…); its rule comes with it.', 'experiment', 'definition'),
('flag_rule_experiment_once', '23505', 409, 'An experiment has one rule', 'An experiment''s rule is made with it; update its position to move it.', 'experiment', 'definition'),
('flag_rule_kind_known', '23514', 422, 'A rule has one of three kinds', 'A rule''s kind is one of: force, rollout, experiment.', 'kind', 'definition'),
('flag_rule_shape', '23514', 422, 'A rule has the columns of its kind', 'force: value. rollout: value and share_ppm. experiment: experiment. Leave the others out.', null, 'definition'),
('flag_rule_share_range', '23514', 422, 'A share is 0 to 1,000,000', 'Shares are in parts per million: 5 percent is 50000.', 'share_ppm', 'definition'),
('flag_rule_unit_type_format', '23514', 422, 'A unit type has 1 to 32 of a-z 0-9 _', 'Use a word like user, device or account: 1 to 32 of a-z 0-9 _, beginning with a letter.', 'unit_type', 'definition'),
('flag_rule_value_type', '23514', 422, 'A rule''s value has the flag''s type', 'Give a value of the flag''s type.', 'value', 'definition'),
('flag_rule_salt_fixed', '55000', 409, 'A salt is made once and never edited', 'Leave it out. To draw anew, make a new rule.', 'salt', 'definition'),
('flag_rule_running', '55000', 409, 'A running experiment keeps its rule', 'Stop the experiment first: select cohort.stop(''…'').', null, 'definition'),
('experiment_key_format', '23514', 422, 'A key has 1 to 100 of a-z 0-9 _ . -', 'Use 1 to 100 of the characters a-z 0-9 _ . - and begin with a letter or digit.', 'key', 'definition'),
('experiment_key_unique', '23505', 409, 'The experiment exists', 'Use another key, or update the experiment that exists.', 'key', 'definition'),
('experiment_known', 'P0002', 404, 'There is no such experiment', 'select key from cohort.experiments lists them.', 'key', 'definition'),
('experiment_flag_known', '23503', 422, 'There is no such flag', 'Make the flag first: insert into cohort.flag (key, type) values (…); or leave flag out, to get one of the experiment''s own key.', 'flag', 'definition'),
('experiment_kind_known', '23514', 422, 'An experiment has a known kind', 'An experiment''s kind is one of: ab, holdout, bandit, contextual.', 'kind', 'definition'),
('experiment_origin_known', '23514', 422, 'An experiment has a known origin', 'An experiment''s origin is one of: live, imported.', 'origin', 'definition'),
('experiment_unit_type_format', '23514', 422, 'A unit type has 1 to 32 of a-z 0-9 _', 'Use a word like user, device or account: 1 to 32 of a-z 0-9 _, beginning with a letter.', 'unit_type', 'definition'),
('experiment_text_length', '23514', 422, 'Descriptions have at most 10,000 characters, owners 200', 'Shorten it, and link to the rest.', null, 'definition'),
('experiment_traffic_range', '23514', 422, 'Traffic is 1 to 1,000,000', 'Traffic is in parts per million: everyone is 1000000, 5 percent is 50000.', 'traffic_ppm', 'definition'),
('experiment_exposure_known', '23514', 422, 'Exposure has two ways', 'exposure is one of: on_evaluation, reported.', 'exposure', 'definition'),
('experiment_success_alpha_range', '23514', 422, 'An error level lies above 0 and is at most 0.5', 'success_alpha is the share of experiments without an effect that may end in success; 0.05 is usual.', 'success_alpha', 'definition'),
('experiment_planned_units_range', '23514', 422, 'planned_units are 2 to 10^12', 'How many units of all variants are planned, 2 to 1000000000000; null for 10,000 a variant.', 'planned_units', 'definition'),
('experiment_segments_format', '23514', 422, 'Segments are at most 5 attributes', 'Name at most 5 different attributes of the context, 1 to 100 characters each: ["country", "plan"].', 'segments', 'definition'),
('experiment_alpha_range', '23514', 422, 'An error level lies above 0 and is at most 0.5', 'Give the chance of a false stop you accept: 0.01 is the default of alpha, 0.05 of alert_alpha.', null, 'definition'),
('experiment_salt_fixed', '55000', 409, 'A salt is made once and never edited', 'Leave it out: the database makes it. To draw anew, create a new experiment.', 'salt', 'definition'),
('experiment_times_fixed', '55000', 409, 'Times and iteration are kept by the database', 'Leave them out: started_at, stopped_at and archived_at come with the change of status.', null, 'definition'),
('experiment_running_fixed', '55000', 409, 'An experiment that has started keeps its design', 'Only description, owner and tags can be changed. Its traffic, arms and share of a layer are changed by cohort.ramp(), drop_arm() and grow(); anything else by cohort.restart(): its units are then drawn anew.', null, 'definition'),
('experiment_delete_running', '55000', 409, 'Only drafts can be deleted', 'Stop it if it runs, then archive it: its history and results stay readable.', null, 'definition'),
('experiment_status_known', '23514', 422, 'A status has seven words', 'A status is one of: draft, scheduled, running, paused, stopped, shipped, archived; a new experiment is a draft.', 'status', 'definition'),
('experiment_back_to_draft', '55000', 409, 'An experiment never becomes a draft again', 'Run it again with cohort.restart(key), or make a draft of the same definition with cohort.clone(key, new_key).', 'status', 'definition'),
('experiment_already_running', '55000', 409, 'The experiment is running', 'Nothing needs to be done.', 'status', 'definition'),
('experiment_stopped', '55000', 409, 'A stopped experiment can''t be started again', 'Call cohort.restart(key): its units are drawn anew.', 'status', 'definition'),
('experiment_archived', '55000', 409, 'The experiment is archived', 'Make a new one of its definition: select cohort.clone(key, new_key).', 'status', 'definition'),
('experiment_not_running', '55000', 409, 'Only a running experiment can be stopped or paused', 'Nothing needs to be done to serve the fallback: it is not being served. Put it away with cohort.archive(key).', 'status', 'definition'),
('experiment_archive_running', '55000', 409, 'A running experiment can''t be archived', 'Stop it first: select cohort.stop(''…'').', 'status', 'definition'),
('experiment_variants_two', '23514', 422, 'An experiment has two variants or more', 'Add variants: a control and at least one other, with shares that sum to 1000000.', 'variants', 'definition'),
('experiment_control_missing', '23514', 422, 'An experiment has a control', 'Set is_control on the variant the others are compared to, or call it control.', 'variants', 'definition'),
('experiment_type_missing', '23514', 422, 'A flag''s type must be known at the start', 'Give the variants values, or set the flag''s type: update cohort.flag set type = ''boolean'' where key = ''…''.', 'variants', 'definition'),
('variant_experiment_known', '23503', 422, 'There is no such experiment', 'Make it first: insert into cohort.experiment (key) values (…).', 'experiment', 'definition'),
('variant_key_format', '23514', 422, 'A key has 1 to 100 of a-z 0-9 _ . -', 'Use 1 to 100 of the characters a-z 0-9 _ . - and begin with a letter or digit.', 'key', 'definition'),
('variant_key_unique', '23505', 409, 'The variant exists', 'Variants of one experiment have different keys.', 'key', 'definition'),
('variant_share_range', '23514', 422, 'A share is 1 to 1,000,000', 'Shares are in parts per million: a half is 500000.', 'share_ppm', 'definition'),
('variant_share_sum', '23514', 422, 'Shares sum to 1,000,000', 'Shares are in parts per million: two equal variants have 500000 each; of three equal ones, one has 333334.', null, 'definition'),
('variant_value_type', '23514', 422, 'A variant''s value has the flag''s type', 'All variants have values of one type, the flag''s: boolean, string, number or object. Left out, the code''s own default holds.', 'value', 'definition'),
('variant_control_single', '23514', 422, 'An experiment has one control', 'Mark one variant, the one the others are compared to.', null, 'definition'),
('variant_running_fixed', '55000', 409, 'Variants of an experiment that has started can''t be changed', 'Take one out with cohort.drop_arm(key, variant); give newly opened traffic other shares with cohort.ramp(key, traffic_ppm, shares); change anything else by cohort.restart().', null, 'definition'),
('phase_fixed', '55000', 409, 'Phases are never edited', 'Phases are opened by starting an experiment and own their slots for good; so nobody who is in ever moves.', null, 'definition'),
('history_fixed', '55000', 409, 'History is never edited', 'Let it stand.', null, 'definition'),
('metric_key_format', '23514', 422, 'A key has 1 to 100 of a-z 0-9 _ . -', 'Use 1 to 100 of the characters a-z 0-9 _ . - and begin with a letter or digit.', 'key', 'definition'),
('metric_key_unique', '23505', 409, 'The metric exists', 'Use another key, or update the metric that exists.', 'key', 'definition'),
('metric_event_format', '23514', 422, 'An event name has 1 to 100 of A-Z a-z 0-9 _ . : -', 'Use 1 to 100 of the characters A-Z a-z 0-9 _ . : - and begin with a letter or digit.', 'event', 'definition'),
('metric_direction_known', '23514', 422, 'A good direction has three words', 'direction_good is one of: up, down, none.', 'direction_good', 'definition'),
('metric_window', '23514', 422, 'A window ends after it starts', 'window_start_s is 0 or more; window_end_s is larger, or null for no end. 7 days are 604800 seconds.', 'window_end_s', 'definition'),
('metric_version_fixed', '55000', 409, 'A metric''s version is kept by the database', 'Leave it out: it is raised when the metric changes.', 'version', 'definition'),
('metric_in_use', '23503', 409, 'The metric is in use', 'Remove the guardrails and stop conditions that watch it first, give bandits another reward, or keep it.', null, 'definition'),
('guardrail_experiment_known', '23503', 422, 'There is no such experiment', 'Make it first: insert into cohort.experiment (key) values (…).', 'experiment', 'definition'),
('guardrail_metric_known', '23503', 422, 'There is no such metric', 'Known metrics are in the table cohort.metric.', 'metric', 'definition'),
('guardrail_metric_kind', '23514', 422, 'A guardrail watches no quantile', 'Use a metric of kind binary, count, mean or ratio.', 'metric', 'definition'),
('guardrail_margin_binary', '23514', 422, 'A margin other than 1 is for binary metrics', 'Leave the margin out, or watch a binary metric.', 'margin', 'definition'),
('guardrail_count_matured', '23514', 422, 'Only binary metrics are counted at the event', 'Leave count out: metrics of other kinds are counted at_maturity, when each unit''s value is final.', 'count', 'definition'),
('guardrail_unique', '23505', 409, 'The guardrail exists', 'One guardrail per metric, direction and action.', null, 'definition'),
('guardrail_direction_known', '23514', 422, 'A direction has two words', 'direction, the way that is harm, is one of: up, down.', 'direction', 'definition'),
('guardrail_margin_range', '23514', 422, 'A margin lies above 0 and is at most 1000', 'The margin is the risk ratio that is tolerated: 1 is no more than control, 1.1 with direction up a tenth more, 0.9 with direction down a tenth less.', 'margin', 'definition'),
('guardrail_weight_range', '23514', 422, 'A weight lies above 0 and is at most 1,000,000', 'Weights are relative: 1 for all shares the error level evenly.', 'weight', 'definition'),
('guardrail_count_known', '23514', 422, 'A count has two ways', 'count is one of: at_event, at_maturity.', 'count', 'definition'),
('guardrail_action_known', '23514', 422, 'An action has five words', 'action is one of: stop, pause, hold, roll_back, alert.', 'action', 'definition'),
('guardrail_maturity_window', '23514', 422, 'Maturity needs a window that ends', 'Use a metric with a window_end_s, or count a binary one at_event.', 'count', 'definition'),
('guardrail_running_fixed', '55000', 409, 'Guardrails of an experiment that has started can''t be changed', 'They were weighed against each other at the start. Change them by cohort.restart(): its units are then drawn anew.', null, 'definition'),
('api_key_role_known', '23514', 422, 'An API key has one of five roles', 'A role is one of: admin, product, analyst, events, client.', 'role', 'definition'),
('api_key_priority_known', '23514', 422, 'An API key''s priority is low or normal', 'Say low or normal, or leave it out: client keys are low, others normal.', 'priority', 'definition'),
('api_key_rate_known', '23514', 422, 'An API key has 1 to 1,000,000 requests a second', 'Say how many a server takes with this key, or leave it out (null): then the server''s option rate_per_key counts.', 'rate_limit', 'definition'),
('api_key_name_length', '23514', 422, 'An API key has a name of 1 to 200 characters', 'Say whose key it is: the name appears in the history.', 'name', 'definition'),
('api_key_fixed', '55000', 409, 'API keys are made by cohort.create_api_key() and only revoked', 'Make a key: select cohort.create_api_key(''events'', ''billing service''). Revoke one: update cohort.api_key set revoked_at = now() where id = ….', null, 'definition'),
('unit_type_format', '22023', 422, 'A unit type has 1 to 32 of a-z 0-9 _', 'Use a word like user, device or account: 1 to 32 of a-z 0-9 _, beginning with a letter.', null, 'assignment'),
('unit_raw_length', '22023', 422, 'A raw id has 1 to 512 bytes', 'Pass the id as it was sent, 1 to 512 bytes of UTF-8.', null, 'assignment'),
('document_object', '22023', 400, 'A definition is a JSON object', 'Send {"variants": [{"key": "control", "share_ppm": 500000, "value": …}, …], …}.', null, 'document'),
('document_field_unknown', '22023', 400, 'A field is not known', 'Remove the field, or correct its name.', null, 'document'),
('document_field_missing', '22023', 400, 'A field is missing', 'Add the field.', null, 'document'),
('document_field_type', '22023', 400, 'A field has the wrong type', 'Send a value of the type named.', null, 'document'),
('document_field_read_only', '55000', 409, 'A field can''t be set by a document', 'Leave it out: key comes from the address, status and traffic are changed by start, pause, ramp, stop and so on, and the rest is kept by the database.', null, 'document')
on conflict (constraint_name) do update set code = excluded.code, http_status = excluded.http_status,
    title = excluded.title, hint = excluded.hint, field = excluded.field, area = excluded.area;
