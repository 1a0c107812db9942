-- API keys can act for a team.

alter table cohort.api_key
    add column team text,
    add constraint team_known foreign key (environment, team) references cohort.team (environment, key);
comment on column cohort.api_key.team is 'The team a product key acts for: it may change what belongs to that team, or to none; null: only what belongs to none';
