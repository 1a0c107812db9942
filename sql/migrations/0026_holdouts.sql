-- Holdouts: experiments of kind holdout. They have no flag; their variants say what members get.

alter table cohort.experiment
    drop constraint experiment_kind_known,
    add constraint experiment_kind_known check (kind in ('ab', 'holdout')),
    alter column flag drop not null,
    add constraint holdout_plain check ((kind = 'holdout') = (flag is null)
        and (kind <> 'holdout' or condition = '{}' and traffic_ppm = 1000000));
comment on column cohort.experiment.kind is
    'ab: variants of a flag; holdout: a share of the units is kept out of other experiments (cohort.holdout says of which)';
comment on column cohort.experiment.flag is
    'The flag it answers for; left out, the flag of the same key, made when absent. Null for a holdout';

alter table cohort.variant
    add column gives text,
    add constraint variant_gives_known check (gives in ('nothing', 'rules', 'shipped', 'everything')),
    add constraint variant_gives_value check (gives is null or value is null);
comment on column cohort.variant.gives is
    'What members of a holdout''s arm get. nothing: every flag''s default; rules: force and rollout rules; shipped: rules and what has shipped; everything: all. Null elsewhere';

create table cohort.holdout (
    environment text not null default cohort.current_environment(),
    experiment text not null,
    scope text not null default 'global',
    scope_key text,
    exempts_running boolean not null default true,
    constraint holdout_unique primary key (environment, experiment),
    constraint holdout_experiment_known foreign key (environment, experiment)
        references cohort.experiment (environment, key) on delete cascade,
    constraint holdout_scope_known check (scope in ('global', 'layer', 'tag', 'team')),
    constraint holdout_scope_key check ((scope = 'global') = (scope_key is null))
);
comment on table cohort.holdout is
    'Which experiments a holdout keeps its members out of. Its share is its variants'', its beginning and end the experiment''s';
comment on column cohort.holdout.environment is 'The environment it belongs to';
comment on column cohort.holdout.experiment is 'The experiment of kind holdout';
comment on column cohort.holdout.scope is
    'global: every experiment of the same unit type; layer, tag, team: those of one layer, with one tag, of one team';
comment on column cohort.holdout.scope_key is 'The layer, tag or team; null for a global one';
comment on column cohort.holdout.exempts_running is
    'True: experiments that had started when it starts go on undisturbed; false: members are taken out of them too';
