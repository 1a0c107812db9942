/* A call of a definition function of the database, as the web sees it and the store runs it. */
#ifndef COHORT_BASE_CALL_H
#define COHORT_BASE_CALL_H

#include <stdint.h>

/* Borrowed for the time of the submission; the taker copies. op and thing are words of the program, never of
 * a request. */
struct call_request {
    const char *op;       /* a name of store/call_ops.c's table: "put" */
    const char *thing;    /* what it is done to: "experiment", "layer" */
    const char *key;      /* which one, or NULL */
    const char *body;     /* a JSON document, or NULL */
    const char *after;    /* of a list: the last key of the page before, or NULL */
    int limit;            /* of a list: how many */
    const char *if_match; /* entity tags one of which the thing must have now, "*", or NULL */
    const char *if_none;  /* "*": it must not exist yet; or NULL */
    int32_t api_key;      /* who calls: its id; environment, team and name come from the database */
};

/* Valid only during the callback. */
struct call_result {
    int status;        /* an HTTP status; below 300: body is the answer */
    const char *body;  /* JSON text, or NULL */
    const char *etag;  /* of the body, or on 412 of the thing as it is; without quotes; or NULL */
    const char *title; /* the rest on errors; NULL where unknown */
    const char *detail;
    const char *hint;
    const char *constraint; /* the database's name of the rule that was broken */
    const char *pointer;    /* where in the document: "variants[1].share_ppm" */
    const char *code;
};

typedef void call_done_fn(void *arg, const struct call_result *r);

#endif
