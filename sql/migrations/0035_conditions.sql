-- Targeting with the whole grammar: $not combines conditions and asks of an attribute, and operators take more
-- kinds of things. The operators themselves are in functions/11_values.sql.
alter table cohort.condition_operator
    drop constraint condition_operator_pkey,
    add constraint condition_operator_pkey primary key (place, name),
    drop constraint condition_operator_operand_check,
    add constraint condition_operator_operand_check check (operand in ('any', 'array', 'boolean', 'comparable', 'condition',
        'conditions', 'demand', 'element', 'key', 'pattern', 'size', 'string', 'type'));
comment on column cohort.condition_operator.operand is
    'What it takes: any value; an array; comparable: a number or a string; demand: a value or operators; element: operators or a condition; key: that of a segment; …';
