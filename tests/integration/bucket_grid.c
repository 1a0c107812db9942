/* Values around every edge of the buckets, with the bucket C gives them: sql_buckets.sh asks SQL for the
 * same. */
#include "stats/buckets.h"

#include <math.h>
#include <stdio.h>

static void both_signs(double size)
{
    printf("%.0f,%d\n", size, bucket_of(size));
    printf("%.0f,%d\n", -size, bucket_of(-size));
}

int main(void)
{
    both_signs(0);
    for (double v = 1; v < 3000; v++)
        both_signs(v);
    for (int i = 0; i < BUCKET_EDGES; i++) {
        double edge = bucket_edge(i), step = fmax(1, nextafter(edge, INFINITY) - edge);
        both_signs(edge - step);
        both_signs(edge);
        both_signs(edge + step);
        both_signs(floor(edge * 1.06));
    }
    both_signs(1e25);
    return 0;
}
