-- A look that moves nothing replaces the one before it: of updates without a phase only the newest is kept.
comment on table cohort.bandit_update is
    'Updates of bandits: what was known, what followed, and the phase it opened. Those with a phase are append-only; of those without, the newest since the last phase is kept';
