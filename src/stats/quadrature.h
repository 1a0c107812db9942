/* The 20-point Gauss-Legendre rule, shared by every integral here. */
#ifndef COHORT_STATS_QUADRATURE_H
#define COHORT_STATS_QUADRATURE_H

#define QUADRATURE_NODES 20

/* Node i (0 … 19) in (-1, 1), in pairs -x, x from the ends inwards, and its weight. */
double quadrature_node(int i);
double quadrature_weight(int i);

/* a[i][j]: the integral from -1 to node i of what takes the value f_j at node j is Σ_j a[i][j] f_j, exact for
 * polynomials of degree 19. From the Legendre series of the interpolating polynomial, integrated term by
 * term. */
void quadrature_antiderivative(double a[QUADRATURE_NODES][QUADRATURE_NODES]);

#endif
