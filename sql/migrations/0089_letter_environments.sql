-- A dead letter belongs to the environment it was sent to: another one's keys neither see nor resolve it.

alter table cohort.dead_letter add column environment text;
comment on column cohort.dead_letter.environment is
    'Whose it is; null: not told, as of an outcome that the database refused, or of a letter from before: every environment sees it';

update cohort.dead_letter d set environment = coalesce(
    (select e.environment from cohort.experiment e where e.id::text = d.body ->> 'experiment_id'),
    (select f.environment from cohort.flag f where f.id::text = d.body ->> 'flag_id'))
 where jsonb_typeof(d.body) = 'object' and (d.body ? 'experiment_id' or d.body ? 'flag_id');
