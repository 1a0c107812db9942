-- Which model decided, beside the probabilities it drew from.
alter table cohort.decision add column model_id int;
comment on column cohort.decision.model_id is 'model.id of the model that decided; null: none did';
comment on column cohort.decision.eligible is
    'The probabilities a model drew from, in parts per million by variant.id: {"17": 300000, "18": 700000}; a decision''s slot belongs to the first whose sum in the order of ids is above it. Null: the shares of the phase';
comment on column cohort.decision.inputs is
    'The attributes that targeting used, and of a contextual bandit those its features read; null: none';
