/* A call of a definition function of the database, as the web sees it and the store runs it. */
#ifndef COHORT_BASE_CALL_H
#define COHORT_BASE_CALL_H

/* Borrowed for the time of the submission; the taker copies. */
struct call_request {
    const char *op;    /* a name of store/caller.c's table: "put_experiment" */
    const char *key;   /* what it is about, or NULL */
    const char *body;  /* its JSON document or reason, or NULL */
    const char *actor; /* who does it, for history: "api key 3 (product)" */
};

/* Valid only during the callback. */
struct call_result {
    int status;        /* an HTTP status; below 300: body is the answer */
    const char *body;  /* JSON text, or NULL */
    const char *title; /* the rest on errors; NULL where unknown */
    const char *detail;
    const char *hint;
    const char *constraint; /* the database's name of the rule that was broken */
    const char *pointer;    /* where in the document: "variants[1].share_ppm" */
    const char *code;
};

typedef void call_done_fn(void *arg, const struct call_result *r);

#endif
