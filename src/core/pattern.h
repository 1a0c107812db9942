/* Regular expressions (PCRE2's syntax) that a stranger's text can't make slow. */
#ifndef COHORT_CORE_PATTERN_H
#define COHORT_CORE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/error.h"

#define PATTERN_MAX 1000         /* bytes of a pattern */
#define PATTERN_SUBJECT_MAX 4096 /* bytes of a text that is looked at */

struct pattern;

/* Compiles into the arena. ERR_INVALID has the pattern and PCRE2's words as text, ERR_NOMEM no memory. The
 * pattern is UTF-8; $ is the very end; case is ignored when `caseless`. */
int pattern_compile(struct arena *a, const char *s, size_t len, bool caseless, const struct pattern **out,
                    struct error *e);

enum pattern_answer { PATTERN_NO, PATTERN_YES, PATTERN_GAVE_UP };

/* Looks for it anywhere in a text of any bytes (what is not UTF-8 matches nothing). *steps is what the search
 * may cost and is lowered by what it did: 250,000 are about 5 ms of backtracking and at the very worst 20,
 * in a text of 4,096 bytes. Gives up without steps, without room for its backtracking (160 KiB) or
 * when the text is longer than PATTERN_SUBJECT_MAX. Takes 256 KiB of stack, allocates nothing, and any
 * number of threads may use one pattern. */
enum pattern_answer pattern_find(const struct pattern *p, const char *s, size_t len, uint32_t *steps);

#endif
