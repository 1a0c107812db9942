-- Teams, who belongs to them, and what belongs to them.

create table cohort.team (
    environment text not null default cohort.current_environment(),
    key text not null,
    description text not null default '',
    created_at timestamptz not null default now(),
    created_by text not null default cohort.current_actor(),
    constraint team_key_unique primary key (environment, key),
    constraint team_environment_known foreign key (environment) references cohort.environment (key),
    constraint team_key_format check (key ~ '^[a-z0-9][a-z0-9_.-]{0,99}$')
);
comment on table cohort.team is 'Teams: what belongs to one is changed by its members only';
comment on column cohort.team.environment is 'The environment it belongs to';
comment on column cohort.team.key is 'Its name';
comment on column cohort.team.description is 'For people';
comment on column cohort.team.created_at is 'When it was made';
comment on column cohort.team.created_by is 'Who made it';

create table cohort.team_member (
    environment text not null default cohort.current_environment(),
    team text not null,
    role_name text not null,
    constraint team_member_unique primary key (environment, team, role_name),
    constraint team_known foreign key (environment, team) references cohort.team (environment, key) on delete cascade
);
comment on table cohort.team_member is 'Whose sessions act for a team: a role of the database, and who is a member of that role';
comment on column cohort.team_member.environment is 'The environment of the team';
comment on column cohort.team_member.team is 'The team';
comment on column cohort.team_member.role_name is 'A role of the database: a person''s login or a group''s';

alter table cohort.experiment
    add constraint team_known foreign key (environment, team) references cohort.team (environment, key);
alter table cohort.layer
    add constraint team_known foreign key (environment, team) references cohort.team (environment, key);
alter table cohort.flag
    add column team text,
    add constraint team_known foreign key (environment, team) references cohort.team (environment, key);
comment on column cohort.flag.team is 'The team it belongs to; null: nobody''s';

-- Who takes turns: changes that could make a circle together (prerequisites, segments), or too much (lists).
create table cohort.definition_turn (
    subject text not null,
    environment text not null,
    changes bigint not null default 1,
    primary key (environment, subject)
);
comment on table cohort.definition_turn is
    'Counters that changes of prerequisites and of segments raise, so that two transactions can''t make a circle together: the later one waits, and sees the first';
comment on column cohort.definition_turn.subject is 'prerequisite or segment';
comment on column cohort.definition_turn.environment is 'The environment';
comment on column cohort.definition_turn.changes is 'How many changes there were';
