/* The error a caller owns: a code, the place of the mistake and a sentence about it. */
#ifndef COHORT_CORE_ERROR_H
#define COHORT_CORE_ERROR_H

#include <stdarg.h>

/* 0 is success everywhere; every failure is negative. */
enum error_code {
    ERR_OK = 0,
    ERR_INVALID = -1,     /* the caller's input is wrong; place and text say where and what would be right */
    ERR_NOMEM = -2,       /* an allocation failed */
    ERR_LIMIT = -3,       /* a documented bound was exceeded */
    ERR_IO = -4,          /* a file, socket or database failed; text has the system's words */
    ERR_STATE = -5,       /* the thing asked for is not possible now (already started, shutting down) */
    ERR_NOT_FOUND = -6,   /* there is no such thing */
    ERR_DAMAGED = -7,     /* stored bytes are not what was written */
    ERR_UNAVAILABLE = -8, /* a peer is away for now; trying again later can succeed */
};

/* Owned by the caller, no memory behind it. `place` names the field, option, line or constraint in the
 * user's own terms ("variants[1].share_ppm", "line 17"); it may be empty. */
struct error {
    int code;
    char place[128];
    char text[768];
};

/* Fills *e (when not NULL) and returns code, so that `return error_set(…)` reads as one thought.
 * place may be NULL. Text and place are cut to their room at a UTF-8 boundary. */
int error_set(struct error *e, int code, const char *place, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Makes *e "no error". */
void error_clear(struct error *e);

#endif
