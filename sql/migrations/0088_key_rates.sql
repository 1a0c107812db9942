-- How many requests a second a key may send, where the server's own limit is not right for it.

alter table cohort.api_key add column rate_limit int
    constraint api_key_rate_known check (rate_limit between 1 and 1000000);
comment on column cohort.api_key.rate_limit is
    'Requests a second that a server takes with this key, and as many at once after a pause; null: the server''s option rate_per_key';
