#include "stats/quadrature.h"

/* Nodes and weights, the positive half. */
static const double rule[QUADRATURE_NODES / 2][2] = {
    {0.9931285991850948846604, 0.0176140071391521178812},
    {0.9639719272779138092844, 0.0406014298003869386622},
    {0.9122344282513259461354, 0.0626720483341090678353},
    {0.8391169718222187823287, 0.0832767415767047547437},
    {0.7463319064601507957235, 0.1019301198172404415709},
    {0.6360536807265150249791, 0.1181945319615184120110},
    {0.5108670019508271264996, 0.1316886384491766370797},
    {0.3737060887154195487625, 0.1420961093183820411756},
    {0.2277858511416450681963, 0.1491729864726037413369},
    {0.0765265211334973383117, 0.1527533871307258372951},
};

double quadrature_node(int i)
{
    return i % 2 ? rule[i / 2][0] : -rule[i / 2][0];
}

double quadrature_weight(int i)
{
    return rule[i / 2][1];
}

/* P_0(x) … P_20(x) by their recursion. */
static void legendre(double x, double p[QUADRATURE_NODES + 1])
{
    p[0] = 1;
    p[1] = x;
    for (int n = 1; n < QUADRATURE_NODES; n++)
        p[n + 1] = ((2 * n + 1) * x * p[n] - n * p[n - 1]) / (n + 1);
}

void quadrature_antiderivative(double a[QUADRATURE_NODES][QUADRATURE_NODES])
{
    double p[QUADRATURE_NODES][QUADRATURE_NODES + 1];
    for (int i = 0; i < QUADRATURE_NODES; i++)
        legendre(quadrature_node(i), p[i]);
    for (int i = 0; i < QUADRATURE_NODES; i++)
        for (int j = 0; j < QUADRATURE_NODES; j++) {
            double sum = p[i][1] + 1; /* the integral of P_0 */
            for (int n = 1; n < QUADRATURE_NODES; n++)
                sum += p[j][n] * (p[i][n + 1] - p[i][n - 1]);
            a[i][j] = 0.5 * quadrature_weight(j) * sum;
        }
}
