/* How a log line looks. Pure. */
#ifndef COHORT_BASE_LOG_TEXT_H
#define COHORT_BASE_LOG_TEXT_H

#include <time.h>

#include "base/log.h"

#define LOG_LINE_MAX 4096 /* what a pipe takes in one piece (PIPE_BUF) */

struct log_entry {
    struct timespec time;
    enum log_level level;
    const char *part, *message;
    const struct log_field *fields;
    size_t n_fields;
};

/* Writes the line with its line feed; returns its length, at most LOG_LINE_MAX. No NUL behind it. */
size_t log_write_text(char out[LOG_LINE_MAX], const struct log_entry *e);
size_t log_write_json(char out[LOG_LINE_MAX], const struct log_entry *e);

#endif
