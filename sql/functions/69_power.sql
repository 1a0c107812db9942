-- Arithmetic of planning: the normal distribution, and the chance that a test that is looked at all the time has
-- crossed its line by a given amount of data. Right to 1e-6: sample sizes are read to two digits.

-- ln P(Z <= z): Chebyshev fit of erfc (Numerical Recipes, erfcc; relative error below 1.2e-7), so that the far tail
-- doesn't vanish.
create or replace function cohort.ln_normal_cdf(z double precision) returns double precision
    language plpgsql immutable strict parallel safe as $$
declare
    x double precision := abs(z) / 1.4142135623730951;
    t double precision := 1 / (1 + 0.5 * x);
    ln_tail double precision := ln(0.5 * t) - x * x - 1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418
        + t * (-0.18628806 + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
begin
    return case when z <= 0 then ln_tail else ln(1 - cohort.exp0(ln_tail)) end;
end $$;
comment on function cohort.ln_normal_cdf(double precision) is 'ln of P(Z <= z) for the standard normal';

-- Abramowitz & Stegun 26.2.23, then Newton's steps.
create or replace function cohort.normal_quantile(p double precision) returns double precision
    language plpgsql immutable strict parallel safe as $$
declare
    tail double precision := least(p, 1 - p);
    t double precision;
    z double precision;
begin
    if not (p > 0 and p < 1) then
        return null;
    end if;
    t := sqrt(-2 * ln(tail));
    z := -(t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))));
    for i in 1 .. 3 loop
        z := z - (cohort.exp0(cohort.ln_normal_cdf(z)) - tail) * 2.5066282746310002 * exp(z * z / 2);
    end loop;
    return case when p < 0.5 then z else -z end;
end $$;
comment on function cohort.normal_quantile(double precision) is 'The z with P(Z <= z) = p; null outside (0, 1)';

-- Brownian motion with drift: the chance to meet the line a + c t by time 1 (Bachelier and Levy).
create or replace function cohort.line_power(a double precision, c double precision, drift double precision)
    returns double precision language sql immutable strict parallel safe
    as $$ select case when a <= 0 then 1
                      else least(1, cohort.exp0(cohort.ln_normal_cdf(drift - c - a))
                                    + cohort.exp0(least(0, 2 * a * (drift - c) + cohort.ln_normal_cdf(c - a - drift)))) end $$;
comment on function cohort.line_power(double precision, double precision, double precision) is
    'The chance that Brownian motion with this drift meets the line a + c t by time 1';

-- The line of AsympCS, in standard deviations at n*, t = n / n*; two-sided.
create or replace function cohort.asympcs_line(alpha double precision, t double precision) returns double precision
    language sql immutable strict parallel safe
    as $$ select sqrt((t + 1 / r.y) * 2 * ln(sqrt(1 + t * r.y) / alpha))
            from (select -2 * ln(alpha) + ln(1 - 2 * ln(alpha)) as y) r $$;
comment on function cohort.asympcs_line(double precision, double precision) is
    'How far the estimate must be from 0 at the part t of the planned units, times t, in its standard errors at all of them';

-- The line bends down, so that each of its tangents lies above it: what meets a tangent has met the line. The best
-- tangent is a lower bound of the power, short of it by a percent or so (Daniels 1982).
create or replace function cohort.asympcs_power(alpha double precision, drift double precision) returns double precision
    language sql immutable strict parallel safe
    as $$ select max(cohort.line_power(l.b - l.slope * l.t, l.slope, drift))
            from (select x.t, cohort.asympcs_line(alpha, x.t) as b,
                         (cohort.asympcs_line(alpha, x.t * 1.001) - cohort.asympcs_line(alpha, x.t * 0.999)) / (0.002 * x.t) as slope
                    from unnest('{0.05,0.1,0.15,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1}'::double precision[]) x(t)) l $$;
comment on function cohort.asympcs_power(double precision, double precision) is
    'The chance that a two-sided AsympCS interval has left out 0 by its n* units, at any look, when the effect is so many standard errors at n*';

create or replace function cohort.asympcs_drift(alpha double precision, power double precision) returns double precision
    language plpgsql immutable strict parallel safe as $$
declare
    lo double precision := 0;
    hi double precision := 40;
    mid double precision;
begin
    for i in 1 .. 40 loop
        mid := (lo + hi) / 2;
        if cohort.asympcs_power(alpha, mid) < power then lo := mid; else hi := mid; end if;
    end loop;
    return hi;
end $$;
comment on function cohort.asympcs_drift(double precision, double precision) is
    'How many standard errors at n* the effect must be for this power: the square of it is what n* is proportional to';

-- EVT: of so many first events, how many must be treatment's. By the mode u of the integral over u > 0 and Laplace's
-- approximation around it: given u, both the count and ln E are explicit, and both rise with it.
create or replace function cohort.evt_line(q double precision, margin double precision, threshold double precision,
        events double precision) returns double precision
    language plpgsql immutable strict parallel safe as $$
declare
    sigma constant double precision := ln(2::double precision);
    theta0 double precision := q * margin / (q * margin + 1 - q);
    lo double precision := 0;
    hi double precision := 8;
    u double precision;
    theta double precision;
    k double precision;
    s double precision;
begin
    for i in 1 .. 36 loop
        u := (lo + hi) / 2;
        theta := theta0 * exp(u) / (1 - theta0 + theta0 * exp(u));
        k := events * theta * (1 - theta) + 1 / (sigma * sigma);
        s := events * theta + u / (sigma * sigma);
        if s * u - events * ln(1 - theta0 + theta0 * exp(u)) - u * u / (2 * sigma * sigma)
           + ln(2 / (sigma * sqrt(k))) + cohort.ln_normal_cdf(u * sqrt(k)) < threshold then lo := u; else hi := u; end if;
    end loop;
    return s;
end $$;
comment on function cohort.evt_line(double precision, double precision, double precision, double precision) is
    'Treatment''s part of so many first events at which ln E of harm upwards reaches the threshold';

-- Tangents again; half an event is added because counts are whole.
create or replace function cohort.evt_plan_power(q double precision, ratio double precision, margin double precision,
        threshold double precision, events double precision) returns double precision
    language sql immutable strict parallel safe
    as $$ select max(cohort.line_power((l.b + 0.5 - l.slope * l.d) / sqrt(events * w.v),
                                       (l.slope - w.p) * sqrt(events / w.v), 0))
            from (select t.p, t.p * (1 - t.p) as v from (select q * ratio / (q * ratio + 1 - q) as p) t) w
           cross join lateral
                 (select d.d, cohort.evt_line(q, margin, threshold, d.d) as b,
                         (cohort.evt_line(q, margin, threshold, d.d * 1.01)
                          - cohort.evt_line(q, margin, threshold, d.d * 0.99)) / (0.02 * d.d) as slope
                    from unnest('{0.2,0.35,0.5,0.65,0.8,1}'::double precision[]) x(t)
                   cross join lateral (select events * x.t as d) d) l $$;
comment on function cohort.evt_plan_power(double precision, double precision, double precision, double precision, double precision) is
    'The chance that the event-mark test has reached its threshold by so many first events of both arms, looked at after each, at this risk ratio';

create or replace function cohort.evt_events(q double precision, ratio double precision, margin double precision,
        threshold double precision, power double precision) returns double precision
    language plpgsql immutable strict parallel safe as $$
declare
    lo double precision := ln(2::double precision);
    hi double precision := ln(1e12::double precision);
    mid double precision;
begin
    if ratio <= margin or cohort.evt_plan_power(q, ratio, margin, threshold, exp(hi)) < power then
        return null;
    end if;
    for i in 1 .. 22 loop
        mid := (lo + hi) / 2;
        if cohort.evt_plan_power(q, ratio, margin, threshold, exp(mid)) < power then lo := mid; else hi := mid; end if;
    end loop;
    return exp(hi);
end $$;
comment on function cohort.evt_events(double precision, double precision, double precision, double precision, double precision) is
    'First events of both arms until the event-mark test has this power, upwards; null: no number of them is enough';
