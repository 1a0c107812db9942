-- What a decision was worth. Where every decision is drawn anew, each has a reward of its own: what its unit did inside
-- the reward metric's window, every outcome counted once.

alter table cohort.ingest_batch add column decisions_from timestamptz, add column decisions_to timestamptz;
comment on column cohort.ingest_batch.decisions_from is 'Earliest ts among its decisions; null: it has none, or is older than this column';
comment on column cohort.ingest_batch.decisions_to is 'Latest ts among its decisions; null: it has none, or is older than this column';

create table cohort.reward_source (
    experiment_id int primary key,
    metric_id int not null,
    metric_version int not null,
    adaptive boolean not null,
    matured_to timestamptz not null
);
comment on table cohort.reward_source is 'The experiments whose decisions are being rewarded: bandits with assign decision, and contextual ones';
comment on column cohort.reward_source.experiment_id is 'experiment.id';
comment on column cohort.reward_source.metric_id is 'metric.id of the reward';
comment on column cohort.reward_source.metric_version is 'The version of it that is counted';
comment on column cohort.reward_source.adaptive is
    'True where decisions of a time phase weigh the square root of the variant''s share in reward_cluster (kind bandit), false where all weigh 1';
comment on column cohort.reward_source.matured_to is 'Decisions at or before this have matured';

create table cohort.decision_reward (
    unit_id uuid not null,
    experiment_id int not null,
    decision_id uuid not null,
    ts timestamptz not null,
    phase_id int not null,
    variant_id int not null,
    propensity int not null,
    model_id int,
    safe boolean not null,
    n bigint not null default 0,
    sum numeric not null default 0,
    value numeric not null default 0,
    pass bigint not null,
    primary key (unit_id, experiment_id, decision_id, ts)
) with (fillfactor = 80);
comment on table cohort.decision_reward is
    'The decisions of experiments that draw each decision anew, and what followed each. It has matured when ts <= reward_source.matured_to. Kept until no kept outcome can be inside its window';
comment on column cohort.decision_reward.unit_id is 'The unit';
comment on column cohort.decision_reward.experiment_id is 'experiment.id';
comment on column cohort.decision_reward.decision_id is 'decision.decision_id';
comment on column cohort.decision_reward.ts is 'When it was decided';
comment on column cohort.decision_reward.phase_id is 'phase.id that drew it';
comment on column cohort.decision_reward.variant_id is 'variant.id that was served';
comment on column cohort.decision_reward.propensity is 'The variant''s probability, in parts per million, as it was logged';
comment on column cohort.decision_reward.model_id is 'model.id that gave the probabilities; null: the phase''s shares';
comment on column cohort.decision_reward.safe is 'True when the safe variant was served for want of an attribute, range or confidence: nothing was drawn';
comment on column cohort.decision_reward.n is 'Trusted outcomes inside the window that are this decision''s';
comment on column cohort.decision_reward.sum is 'The sum of their values, in millionths';
comment on column cohort.decision_reward.value is 'The reward, cohort.unit_value() of n and sum, in millionths';
comment on column cohort.decision_reward.pass is 'The pass of the roll-up that counted the decision';
create index decision_reward_moment on cohort.decision_reward (unit_id, experiment_id, ts, decision_id);
create index decision_reward_ts on cohort.decision_reward (experiment_id, ts);

create table cohort.reward_stat (
    experiment_id int not null,
    phase_id int not null,
    variant_id int not null,
    decisions bigint not null,
    matured bigint not null,
    events bigint not null,
    sum numeric not null,
    sum_sq numeric not null,
    gone_decisions bigint not null default 0,
    gone_events bigint not null default 0,
    gone_sum numeric not null default 0,
    gone_sum_sq numeric not null default 0,
    primary key (experiment_id, phase_id, variant_id)
) with (fillfactor = 50);
comment on table cohort.reward_stat is
    'Sums of decision_reward by phase and variant. Rewards count once they have matured; an outcome that comes later still is added';
comment on column cohort.reward_stat.experiment_id is 'experiment.id';
comment on column cohort.reward_stat.phase_id is 'phase.id';
comment on column cohort.reward_stat.variant_id is 'variant.id';
comment on column cohort.reward_stat.decisions is 'Decisions, matured or not';
comment on column cohort.reward_stat.matured is 'Of those, matured ones';
comment on column cohort.reward_stat.events is 'Of the matured ones, those with an outcome';
comment on column cohort.reward_stat.sum is 'Sum of the matured rewards, in millionths';
comment on column cohort.reward_stat.sum_sq is 'Sum of their squares, in millionths squared (1e-12)';
comment on column cohort.reward_stat.gone_decisions is 'Of decisions (and matured), those whose rows are kept no longer';
comment on column cohort.reward_stat.gone_events is 'Of events, theirs';
comment on column cohort.reward_stat.gone_sum is 'Of sum, theirs';
comment on column cohort.reward_stat.gone_sum_sq is 'Of sum_sq, theirs';

create table cohort.reward_cluster (
    experiment_id int not null,
    variant_id int not null,
    slice boolean not null,
    cluster smallint not null,
    decisions bigint not null,
    h numeric not null,
    hw numeric not null,
    hwy numeric not null,
    gone_decisions bigint not null default 0,
    gone_h numeric not null default 0,
    gone_hw numeric not null default 0,
    gone_hwy numeric not null default 0,
    primary key (experiment_id, variant_id, slice, cluster)
) with (fillfactor = 50);
comment on table cohort.reward_cluster is
    'Sums over matured, drawn decisions by groups of units: decisions of one unit depend on each other, so variances are taken between groups that no unit is in two of';
comment on column cohort.reward_cluster.experiment_id is 'experiment.id';
comment on column cohort.reward_cluster.variant_id is 'variant.id';
comment on column cohort.reward_cluster.slice is 'True for the reserved slice of equal shares, false for the rest';
comment on column cohort.reward_cluster.cluster is 'The group of units, 0 to 1023: cohort.reward_group(unit)';
comment on column cohort.reward_cluster.decisions is 'Matured decisions that got the variant';
comment on column cohort.reward_cluster.h is 'Sum of the weights h of all matured decisions that could have got it';
comment on column cohort.reward_cluster.hw is 'Sum of h over its probability, of those that got it';
comment on column cohort.reward_cluster.hwy is 'Sum of h times the reward over its probability, of those that got it; rewards in millionths';
comment on column cohort.reward_cluster.gone_decisions is 'Of decisions, those whose rows are kept no longer';
comment on column cohort.reward_cluster.gone_h is 'Of h, theirs';
comment on column cohort.reward_cluster.gone_hw is 'Of hw, theirs';
comment on column cohort.reward_cluster.gone_hwy is 'Of hwy, theirs';
