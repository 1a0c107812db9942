/* Special functions behind the tests: normal, chi-square and Student distributions. Every function answers
 * for every input, never with NaN. */
#ifndef COHORT_STATS_SPECIAL_H
#define COHORT_STATS_SPECIAL_H

/* P(Z <= z) of the standard normal, by erfc; full relative precision in the lower tail. NaN counts as 0. */
double normal_cdf(double z);

/* The z with P(Z <= z) = p. p <= 0: -INFINITY; p >= 1: INFINITY; NaN: 0. Abramowitz & Stegun 26.2.23, then
 * Halley steps on erfc: relative error below 1e-14. */
double normal_quantile(double p);

/* ln Γ(x) for x > 0; INFINITY otherwise. */
double ln_gamma(double x);

/* ln Γ(x) - ((x - 1/2) ln x - x + ln(2π)/2), what Stirling's formula leaves out, x > 0. Abramowitz & Stegun
 * 6.1.41 above 10, where the difference of the two sides would lose all digits. */
double stirling_rest(double x);

/* Q(a, x) = Γ(a, x)/Γ(a), a > 0, x >= 0: the series 6.5.29 below a + 1, the continued fraction 6.5.31 above
 * (Abramowitz & Stegun; Lentz's method). */
double gamma_q(double a, double x);

/* P(X >= x) of a chi-square with df > 0 degrees of freedom; 1 when x <= 0 or df <= 0. */
double chi2_upper(double x, double df);

/* I_x(a, b), the regularised incomplete beta, a, b > 0; y is 1 - x, passed so that no digit of it is lost.
 * Continued fraction 26.5.8 of Abramowitz & Stegun. */
double beta_inc(double a, double b, double x, double y);

/* P(|T| >= |t|) of Student's distribution. Above 1e6 degrees of freedom by the normal approximation 26.7.8
 * (relative error below 1e-9 up to |t| = 8); df <= 0 or NaN: 1. */
double student_two_sided(double t, double df);

/* The t with P(|T| >= t) = p, 0 < p < 1; df <= 0: INFINITY. */
double student_quantile_two_sided(double p, double df);

#endif
