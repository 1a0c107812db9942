/* The corpus of HTTP requests in tests/vectors/http_corpus.txt, whose head explains it. */
#ifndef COHORT_TESTS_HTTP_CORPUS_H
#define COHORT_TESTS_HTTP_CORPUS_H

#include <stdbool.h>
#include <stddef.h>

#define CORPUS_STATUSES 4

struct corpus_status {
    int status;
    bool optional, bare; /* it may be missing; it has no body whatever its Content-Length says */
};

struct corpus_row {
    char class[24];
    unsigned line; /* in the file */
    bool keep;     /* the connection goes on */
    struct corpus_status statuses[CORPUS_STATUSES];
    unsigned n_statuses;
    char *text;
    size_t len;
};

struct corpus {
    struct corpus_row *rows;
    size_t n;
};

/* Reads the file below $srcdir; a line that can't be read ends the program with its number. */
void corpus_load(struct corpus *c);
void corpus_free(struct corpus *c);

#endif
