/* Errors as application/problem+json (RFC 9457). */
#ifndef COHORT_WEB_PROBLEM_H
#define COHORT_WEB_PROBLEM_H

#include "web/http.h"

/* Members left NULL are left out. title: the short sentence for the kind; detail: what is wrong here. */
struct problem {
    int status;
    const char *title;
    const char *detail;
    const char *hint;       /* what would be right */
    const char *constraint; /* the database's name of the broken rule */
    const char *pointer;    /* field's path: "variants[1].share_ppm"; a JSON pointer to it is added */
    const char *code;       /* a stable word for programs: "unauthorized" */
};

void problem_reply(struct http_request *r, const struct problem *p);

#endif
