-- Whose events give way first when a server's local queue fills.

alter table cohort.api_key add column priority text not null default 'normal';
alter table cohort.api_key alter column priority drop default;
-- Keys are fixed, so those there are get theirs by a rewrite: browsers retry, and are believed least.
alter table cohort.api_key alter column priority type text using case when role = 'client' then 'low' else 'normal' end;
alter table cohort.api_key add constraint api_key_priority_known check (priority in ('low', 'normal'));
comment on column cohort.api_key.priority is
    'low: its events are refused (429) while a server''s local queue is more than 80 % full; normal: only when it is full';
