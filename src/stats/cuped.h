/* CUPED by Lin (2013), "Agnostic notes on regression adjustments to experimental data": the regression of y
 * on the arm, the centred covariate and their interaction, from sums. Per arm θ = S_xy / S_xx (0 when S_xx =
 * 0),   adjusted mean = ȳ - θ (x̄ - x̄ of both arms), V = Σ s²_resid / n + (θ_t - θ_c)² s_x² / N,   s²_resid
 * with divisor n - 2, s_x² over both arms. x is measured strictly before the first exposure. It sharpens
 * reports and never gates a stop. */
#ifndef COHORT_STATS_CUPED_H
#define COHORT_STATS_CUPED_H

#include "stats/contrast.h"

struct cuped {
    struct contrast adjusted; /* with the covariance that the shared x̄ gives the two adjusted means */
    double theta_treatment, theta_control;
    double var_resid;      /* Σ s²_resid / n, without the last term of V */
    double variance_plain; /* of the difference of plain means */
    double variance_ratio; /* V / variance_plain: 0.6 is a gain of 40 %; 1 when there is nothing to gain */
};

/* One phase. Needs three units in each arm. */
struct cuped cuped_regress(const struct arm_sums *treatment, const struct arm_sums *control);

#endif
