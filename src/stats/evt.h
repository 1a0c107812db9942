/* EVT, the event-mark test of binary guardrails: does treatment take more (or fewer) of the first events than
 * its share? Anytime-valid: its error rate holds however often and whenever one looks. Formulas: "EVT" in
 * docs/statistics.md.
 *
 * Under "no effect" each unit's first event comes from treatment with the probability q of the phase in which
 * its variant was drawn. With s, f the units of treatment and control that had the event,
 *     l(r) = sum over phases of s ln θ(r) + f ln(1 - θ(r)),   θ(r) = q r / (q r + 1 - q),
 *     E(r0) = integral over u > 0 of (2/σ) φ(u/σ) exp(l(r0 e^u) - l(r0)) du,   σ = ln 2        (harm is up),
 * u < 0 when harm is down. Phases are never pooled. E falls strictly in r0 (harm up), so the bounds below
 * and a threshold on E can't contradict each other.
 *
 * Every input has an answer, never NaN: no events give ln E = 0; phases with q <= 0 or q >= 1 hold no
 * comparison and are left out; negative counts are 0; r0 is held within [1e-50, 1e50]. ln E is right to
 * 1e-9 of max(1, |ln E|), up to 1e15 events. */
#ifndef COHORT_STATS_EVT_H
#define COHORT_STATS_EVT_H

#include <stddef.h>
#include <stdint.h>

enum evt_harm { EVT_UP, EVT_DOWN };

/* First-event units of one phase, and q = ρt / (ρt + ρc) of the shares the phase gives the two arms. */
struct evt_phase {
    int64_t treatment, control;
    double q;
};

/* q of two shares in any one unit; 0 when both are 0 or negative. */
double evt_q(double treatment_share, double control_share);

/* ln E at the tolerated risk ratio r0 (the margin). */
double evt_log_e(const struct evt_phase *phases, size_t n, double r0, enum evt_harm harm);

/* inf{ r : E_up(r) < e^ln_threshold }, a one-sided lower bound of the risk ratio at level e^-ln_threshold;
 * 0 when no r is excluded. ln_threshold <= 0 counts as 0; INFINITY gives 0. anchor > 0: a risk ratio with
 * which the answer must agree: evt_log_e(…, anchor, EVT_UP) >= ln_threshold if and only if the bound >=
 * anchor. Relative error 1e-10. */
double evt_rr_lower(const struct evt_phase *phases, size_t n, double ln_threshold, double anchor);

/* sup{ r : E_down(r) < e^ln_threshold }, the mirror image; INFINITY when no r is excluded. Agrees at the
 * anchor: evt_log_e(…, anchor, EVT_DOWN) >= ln_threshold if and only if the bound <= anchor. */
double evt_rr_upper(const struct evt_phase *phases, size_t n, double ln_threshold, double anchor);

/* The risk ratio that maximises l(r): a point estimate for people to read; it stops nothing. 0 when
 * treatment has no events, INFINITY when control has none, 1 when neither has. */
double evt_rr_mle(const struct evt_phase *phases, size_t n);

#endif
