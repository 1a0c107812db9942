/* Open routes: what a load balancer, Prometheus and a curious person ask. */
#ifndef COHORT_WEB_API_HEALTH_H
#define COHORT_WEB_API_HEALTH_H

struct api_context;

void health_root(struct api_context *c); /* what this is and which paths there are */
void health_live(struct api_context *c); /* 200 while the process serves */
void health_ready(
    struct api_context *c); /* 200 with a plan ("ready", or "degraded" without the database), else 503 */
void health_metrics(struct api_context *c); /* Prometheus text */

#endif
