-- A subscription shop sends a digest of offers by mail, once a week. Would once a day sell more? Half of the
-- customers are to find out, and two guardrails watch: when the daily digest makes more customers unsubscribe
-- or complain than the weekly one does, the experiment stops by itself.
begin;

insert into experiment (key, description, owner)
values (:'key', 'How often the digest of offers is sent', 'retention');

insert into variant (experiment, key, share_ppm, value, is_control) values
    (:'key', 'weekly_digest', 500000, '"weekly"', true),
    (:'key', 'daily_digest',  500000, '"daily"',  false);

insert into guardrail (experiment, metric) values
    (:'key', 'unsubscribe'),
    (:'key', 'complaint');

select start(:'key', 'the demo');

commit;
