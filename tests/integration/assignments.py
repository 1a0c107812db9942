#!/usr/bin/env python3
"""The contract twice, in src/core and in SQL: 50 experiments in 5 layers under 3 holdouts, ramped, closed, grown,
dropped and shipped. All assignments must be equal: 100,000 of them, or as many as the argument says (1000000)."""
import json
import os
import random
import subprocess
import sys
import tempfile

from cohort_server import BUILD, Checks, Server, experiment

EXPERIMENTS, LAYERS = 50, 5
HOLDOUTS = {  # in the order they are asked; share held out, what it gives
    "everyone": ("global", None, 50000, "nothing"),
    "tagged": ("tag", "checkout", 100000, "rules"),
    "layered": ("layer", "layer-1", 200000, "shipped"),
}


def quoted(s):
    return "'" + s.replace("'", "''") + "'"


def holdout_sql(key, scope, scope_key, share, gives):
    return f"""
        insert into cohort.experiment (key, kind) values ('{key}', 'holdout');
        insert into cohort.variant (experiment, key, share_ppm, gives, is_control) values
            ('{key}', 'out', {share}, '{gives}', true), ('{key}', 'in', {1000000 - share}, 'everything', false);
        insert into cohort.holdout (experiment, scope, scope_key) values ('{key}', '{scope}', {quoted(scope_key) if scope_key else 'null'});
        select cohort.start('{key}');"""


def document(n, rng):
    """Shares of two to four variants, some of a single slot; traffic; a place in a layer."""
    cuts = sorted(rng.sample(range(1, 1000000), rng.randint(1, 3)))
    if n % 7 == 0:
        cuts = [1]
    shares = [b - a for a, b in zip([0] + cuts, cuts + [1000000])]
    doc = {"variants": [{"key": "control" if i == 0 else f"v{i}", "share_ppm": s, "value": i} for i, s in enumerate(shares)],
           "traffic_ppm": rng.choice([1000000, 500000, rng.randint(100000, 999999)])}
    doc["layer"] = f"layer-{n % LAYERS}"
    doc["layer_ppm"] = rng.randint(40000, 80000)
    if n % 4 == 0:
        doc["tags"] = ["checkout", f"tag-{n}"]
    return doc


def life(n, doc, rng):
    """More traffic with what is new, less, some of it again; more of the layer; an arm less."""
    key, traffic = f"x{n:02}", doc["traffic_ppm"]
    if n % 2 == 0 and traffic < 1000000:
        yield f"ramp('{key}', 1000000, '{{\"control\": 900000, \"v1\": 100000}}')" if len(doc["variants"]) == 2 else f"ramp('{key}', 1000000)"
    if n % 3 == 0:
        yield f"ramp('{key}', {rng.randint(50000, 99999)})"
    if n % 6 == 0:
        yield f"ramp('{key}', 950000)"
    if n % 5 == 2:
        yield f"grow('{key}', 90000)"
    if n % 4 == 1 and len(doc["variants"]) > 2:
        yield f"drop_arm('{key}', 'v1')"


def define(s, rng):
    script = [f"insert into cohort.layer (key) values ('layer-{i}');" for i in range(LAYERS)]
    script += [holdout_sql(key, *h) for key, h in HOLDOUTS.items()]
    script.append("begin;")  # after the holdouts have started: they leave out what ran before them
    for n in range(EXPERIMENTS):
        doc = document(n, rng)
        script.append(f"select cohort.put_experiment('x{n:02}', {quoted(json.dumps(doc))});")
        script.append(f"select cohort.start('x{n:02}');")
        script += [f"select cohort.{step};" for step in life(n, doc, rng)]
    script.append("select cohort.pause('x03'); select cohort.ship('x04', 'v1', 300000); select cohort.ship('x11', 'v1', 1); commit;")
    s.psql("\n".join(script))


# Every unit's arm of every holdout, and what each experiment is asked, from the tables alone.
PREPARE = """
    create schema checking;
    set search_path = checking;
    create unlogged table c (raw text, unit uuid, flag text, reason text, phase int, variant text, propensity int, inclusion int,
        holdout text, arm text, counterfactual text, exposed text);
    \\copy c from '{rows}'
    create index on c (flag);
    create unlogged table unit as select distinct raw, unit from c;
    create unlogged table arm as
        select u.unit, e.key as holdout, v.key as arm, v.gives, pv.share_ppm
          from unit u cross join cohort.experiment e
          join cohort.phase p on p.experiment_id = e.id
          join cohort.phase_variant pv on pv.phase_id = p.id and pv.slots @> cohort.slot(cohort.draw_word(e.salt, u.unit, 0))
          join cohort.variant v on v.id = pv.variant_id
         where e.kind = 'holdout';
    analyze;
    select count(*), count(*) filter (where cohort.unit_id('user', raw) = unit) from unit;
"""

# One experiment: what C said against what SQL expects. {before}: per holdout asked its place and the shares before it.
COMPARE = """
    with asked (place, holdout, before) as (values {asked}),
    drawn as (
        select c.unit, x.phase, x.variant, x.propensity, l.layer_ppm, l.open_ppm
          from c cross join (select {layer_ppm}::bigint as layer_ppm, {open_ppm}::bigint as open_ppm) l
          left join lateral cohort.expected_assignment('{key}', c.unit) x on true
         where c.flag = '{key}'),
    held as (
        select distinct on (a.unit) a.unit, a.holdout, a.arm, a.share_ppm, q.before, q.place
          from arm a join asked q using (holdout) where a.gives <> 'everything' order by a.unit, q.place),
    exposed as (
        select a.unit, string_agg(a.holdout || '=' || a.arm, ',' order by q.place) as list
          from arm a join asked q using (holdout) left join held h on h.unit = a.unit
         where h.place is null or q.place <= h.place group by a.unit),
    expected as (
        select d.unit, case when d.variant is null then null when h.unit is null then 'VARIANT' else 'HOLDOUT' end as reason,
               case when h.unit is null then d.phase end as phase, case when h.unit is null then d.variant end as variant,
               case when d.variant is null then null else coalesce(h.share_ppm, d.propensity) end as propensity,
               case when d.variant is not null then
                   ((coalesce(h.before, {through})::bigint * d.layer_ppm / 1000000) * d.open_ppm / 1000000)::int end as inclusion,
               case when d.variant is not null then h.holdout end as holdout, case when d.variant is not null then h.arm end as arm,
               case when h.unit is not null then d.variant end as counterfactual,
               case when d.variant is not null then coalesce(e.list, '') else '' end as exposed
          from drawn d left join held h using (unit) left join exposed e using (unit))
    select count(*), count(*) filter (where row(c.phase, c.variant, c.propensity, c.inclusion, c.holdout, c.arm, c.exposed)
               is not distinct from row(e.phase, e.variant, e.propensity, e.inclusion, e.holdout, e.arm, e.exposed)
           and case when e.reason is null then c.reason in ('NOT_IN_LAYER', 'NOT_IN_TRAFFIC', 'ARM_DROPPED')
                    else c.reason = e.reason and c.counterfactual is not distinct from e.counterfactual end),
           count(*) filter (where c.reason = 'VARIANT'), count(*) filter (where c.reason = 'HOLDOUT'),
           count(*) filter (where c.reason in ('NOT_IN_TRAFFIC', 'ARM_DROPPED') and c.counterfactual is not null)
      from c join expected e using (unit) where c.flag = '{key}';
"""

# What shipped: everybody but the share held back; nothing of layers and traffic.
SHIPPED = """
    with want as (
        select c.*, cohort.slot(cohort.draw_word(e.ship_salt, c.unit, 0)) < e.shipped_holdback_ppm as back, e.shipped_variant,
               e.shipped_holdback_ppm as ppm, a.arm as a1, b.arm as a2, b.gives as g2
          from c join cohort.experiment e on e.key = c.flag
          join arm a on a.unit = c.unit and a.holdout = 'everyone'
          left join arm b on b.unit = c.unit and b.holdout = 'tagged' and 'checkout' = any (e.tags)
         where c.flag = '{key}')
    select count(*), count(*) filter (where case
               when a1 = 'out' or a2 = 'out' then reason = 'HOLDOUT' and variant is null
                    and counterfactual = case when back then 'control' else shipped_variant end
               when back then reason = 'HOLDBACK' and variant = 'control' and propensity = ppm
               else reason = 'SHIPPED' and variant = shipped_variant and propensity = 1000000 - ppm end)
      from want;
"""


# Each experiment's slots of the layer and open ones of traffic, and its holdouts in order, from the tables.
FACTS = """
    select e.key,
           (select sum(upper(r) - lower(r)) from cohort.layer_slots l, unnest(l.slots) r where l.experiment = e.key),
           (select sum(upper(r) - lower(r)) from cohort.phase p, unnest(p.traffic_slots) r where p.experiment_id = e.id)
         - (select coalesce(sum(upper(r) - lower(r)), 0) from cohort.phase_closed c join cohort.phase p on p.id = c.phase_id
                cross join unnest(c.slots) r where p.experiment_id = e.id),
           (select string_agg(h.holdout, ',' order by h.place) from cohort.holdouts_of(e.key) h)
      from cohort.experiment e where e.kind = 'ab' order by e.key"""


def compare_script(key, layer_ppm, open_ppm, holdouts):
    rows, through = [], 1000000
    for place, holdout in enumerate(h for h in holdouts.split(",") if h):
        rows.append((place, holdout, through))
        through = through * (1000000 - HOLDOUTS[holdout][2]) // 1000000
    asked = ", ".join(f"({p}, '{h}', {b})" for p, h, b in rows) or "(0, 'none', 0)"
    return COMPARE.format(key=key, asked=asked, through=through, layer_ppm=layer_ppm, open_ppm=open_ppm)


def many(c, s, tmp, n_units):
    define(s, random.Random(3))
    keys = [f"x{n:02}" for n in range(EXPERIMENTS)]
    plan, rows = os.path.join(tmp, "plan.json"), os.path.join(tmp, "rows")
    with open(plan, "w", encoding="utf-8") as f:
        f.write(s.value("select cohort.plan_document()"))
    with open(rows, "wb") as f:
        tool = subprocess.run([os.path.join(BUILD, "tests/integration/draws"), plan, "--all", str(n_units)],
                              stdout=f, stderr=subprocess.PIPE, check=True)
    c.equal("the plan compiles whole", tool.stderr, b"")
    live = [k for k in keys if k not in ("x03", "x04", "x11")]
    scripts = [PREPARE.format(rows=rows)] + [compare_script(*row) for row in s.sql(FACTS) if row[0] in live]
    scripts += [SHIPPED.format(key=k) for k in ("x04", "x11")]
    scripts.append("select count(*), count(*) filter (where reason = 'PAUSED' and variant is null) from c where flag = 'x03'")
    out = []
    for i in range(0, len(scripts), 10):  # a million take minutes; one call has a bound
        out += s.sql("set search_path = checking; set jit = off;" + "".join(scripts[i:i + 10]).replace("\\copy", "\n\\copy"))
    c.equal(f"{n_units} units, C = SQL", out[0], [str(n_units)] * 2)
    total = enrolled = held = told = 0
    for key, row in zip(live, out[1:]):
        if row[:2] != [str(n_units)] * 2:
            c.equal(f"{key}: assignments, C = SQL", row[:2], [str(n_units)] * 2)
        total, enrolled, held, told = (a + int(b) for a, b in zip((total, enrolled, held, told), [row[1]] + row[2:]))
    for key, row in zip(("x04", "x11", "x03"), out[1 + len(live):]):
        c.equal(f"{key} ({'paused' if key == 'x03' else 'shipped'}), C = SQL", row, [str(n_units)] * 2)
        total += int(row[1])
    c.equal(f"{EXPERIMENTS} experiments x {n_units} units, C = SQL", total, EXPERIMENTS * n_units)
    c.check(f"{enrolled} are enrolled, {held} held out, {told} told what they would have had", min(enrolled, held, told) > 0)


def served(c, s):
    """What the server says over HTTP is the same again."""
    a = s.put("/v1/experiments/half", experiment())
    assert a.status in (200, 201), a
    s.psql("select cohort.start('half')")
    s.until(lambda: s.evaluate("half", "customer-1")["metadata"]["reason"] in ("VARIANT", "HOLDOUT"))
    same = 0
    for i in range(40):
        answer = s.evaluate("half", f"customer-{i}")
        want = s.value(f"""
            select case when a.slot < 50000 then 'HOLDOUT default' else 'VARIANT ' || x.variant end
              from (select cohort.unit_id('user', 'customer-{i}') as unit) u
              cross join lateral cohort.expected_assignment('half', u.unit) x
              cross join lateral (select cohort.slot(cohort.draw_word(salt, u.unit, 0)) as slot
                                    from cohort.experiment where key = 'everyone') a""")
        same += f"{answer['metadata']['reason']} {answer['variant']}" == want
    c.equal("40 answers of the server are what SQL expects", same, 40)


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    c = Checks()
    with Server() as s, tempfile.TemporaryDirectory() as tmp:
        many(c, s, tmp, max(1, n // EXPERIMENTS))
        served(c, s)
    c.done()


if __name__ == "__main__":
    sys.exit(main())
