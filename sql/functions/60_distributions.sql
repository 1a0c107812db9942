-- Distribution functions that PostgreSQL lacks. All of them: accurate to 1e-12 or better over the range results use.

-- Lanczos, g = 7, nine coefficients.
create or replace function cohort.ln_gamma(x double precision) returns double precision
    language plpgsql immutable strict parallel safe set search_path = cohort, pg_temp as $$
declare
    c constant double precision[] := array[0.99999999999980993, 676.5203681218851, -1259.1392167224028,
        771.32342877765313, -176.61502916214059, 12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6,
        1.5056327351493116e-7];
    a double precision := c[1];
    t double precision := x + 6.5;
begin
    if x <= 0 then
        raise exception 'ln_gamma is for numbers above 0, not %', x using errcode = '22003';
    elsif x < 0.5 then
        return ln(pi() / sin(pi() * x)) - cohort.ln_gamma(1 - x);
    end if;
    for i in 1..8 loop
        a := a + c[i + 1] / (x - 1 + i);
    end loop;
    return 0.5 * ln(2 * pi()) + (x - 0.5) * ln(t) - t + ln(a);
end $$;
comment on function cohort.ln_gamma(double precision) is 'Natural logarithm of the gamma function, for x > 0';

-- exp() of PostgreSQL raises an error where the result is too small to be represented.
create or replace function cohort.exp0(x double precision) returns double precision
    language sql immutable strict parallel safe
    as $$ select case when x < -700 then 0 else exp(x) end $$;
comment on function cohort.exp0(double precision) is 'exp(x), 0 where that is too small to be represented';

-- Regularised incomplete gamma function Q(df/2, x/2): a series below the mean, a continued fraction (Lentz) above.
create or replace function cohort.chi_square_p(x double precision, df int) returns double precision
    language plpgsql immutable strict parallel safe set search_path = cohort, pg_temp as $$
declare
    a constant double precision := df / 2.0;
    z constant double precision := x / 2.0;
    front double precision;
    term double precision;
    total double precision;
    b double precision;
    c double precision;
    d double precision;
begin
    if df < 1 or x < 0 or x = 'NaN' then
        return null;
    elsif x = 0 then
        return 1;
    elsif x = 'Infinity' then
        return 0;
    end if;
    front := cohort.exp0(a * ln(z) - z - cohort.ln_gamma(a));
    if z < a + 1 then
        term := 1 / a;
        total := term;
        for i in 1..10000 loop
            term := term * z / (a + i);
            total := total + term;
            exit when term < total * 1e-17;
        end loop;
        return greatest(0, 1 - front * total);
    end if;
    b := z + 1 - a;
    c := 1e300;
    d := 1 / b;
    total := d;
    for i in 1..10000 loop
        b := b + 2;
        term := -i * (i - a);
        d := 1 / (term * d + b);
        c := b + term / c;
        total := total * d * c;
        exit when abs(d * c - 1) < 1e-16;
    end loop;
    return front * total;
end $$;
comment on function cohort.chi_square_p(double precision, int) is
    'Probability that a chi-square variable with df degrees of freedom exceeds x; null for df < 1 or x < 0';

-- Regularised incomplete beta function by its continued fraction (Lentz).
create or replace function cohort.beta_inc(a double precision, b double precision, x double precision)
    returns double precision
    language plpgsql immutable strict parallel safe set search_path = cohort, pg_temp as $$
declare
    front double precision;
    c double precision := 1;
    d double precision;
    h double precision;
    t double precision;
begin
    if x <= 0 then
        return 0;
    elsif x >= 1 then
        return 1;
    elsif x > (a + 1) / (a + b + 2) then
        return 1 - cohort.beta_inc(b, a, 1 - x);
    end if;
    front := cohort.exp0(cohort.ln_gamma(a + b) - cohort.ln_gamma(a) - cohort.ln_gamma(b) + a * ln(x) + b * ln(1 - x));
    d := 1 / (1 - (a + b) * x / (a + 1));
    h := d;
    for m in 1..10000 loop
        t := m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d := 1 / (1 + t * d);
        c := 1 + t / c;
        h := h * d * c;
        t := -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d := 1 / (1 + t * d);
        c := 1 + t / c;
        h := h * d * c;
        exit when abs(d * c - 1) < 1e-16;
    end loop;
    return front * h / a;
end $$;
comment on function cohort.beta_inc(double precision, double precision, double precision) is
    'The regularised incomplete beta function I_x(a, b)';

-- Above a million degrees of freedom the normal quantile is the answer to a part in a million and the incomplete
-- beta function loses digits. Below, bisection on the tail: sure, and fast enough for a page of results.
create or replace function cohort.student_t_975(df double precision) returns double precision
    language plpgsql immutable strict parallel safe set search_path = cohort, pg_temp as $$
declare
    z constant double precision := 1.959963984540054;
    lo double precision := z;
    hi double precision := 4;
    t double precision;
begin
    if not df > 0 then
        return null;
    elsif df > 200 then
        -- Cornish and Fisher's expansion in 1/df: its next term is below 1e-12 here.
        return z + (z ^ 3 + z) / (4 * df) + (5 * z ^ 5 + 16 * z ^ 3 + 3 * z) / (96 * df ^ 2)
            + (3 * z ^ 7 + 19 * z ^ 5 + 17 * z ^ 3 - 15 * z) / (384 * df ^ 3)
            + (79 * z ^ 9 + 776 * z ^ 7 + 1482 * z ^ 5 - 1920 * z ^ 3 - 945 * z) / (92160 * df ^ 4);
    end if;
    while hi < 1e15 and cohort.beta_inc(df / 2, 0.5, df / (df + hi * hi)) > 0.05 loop
        hi := hi * 2;
    end loop;
    for i in 1..200 loop
        t := (lo + hi) / 2;
        exit when t = lo or t = hi;
        if cohort.beta_inc(df / 2, 0.5, df / (df + t * t)) > 0.05 then
            lo := t;
        else
            hi := t;
        end if;
    end loop;
    return t;
end $$;
comment on function cohort.student_t_975(double precision) is
    'The 97.5 % quantile of Student''s t: half-width, in standard errors, of a two-sided 95 % interval';
