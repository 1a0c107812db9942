/* Log lines on standard error, as text ("2026-11-21T23:40:01.123Z info shipper: message name=value") or as
 * one JSON object a line. Any thread. */
#ifndef COHORT_BASE_LOG_H
#define COHORT_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

/* A named value beside the message. name: a word of the program, [a-z_]+, none of time, level, part, message.
 */
struct log_field {
    const char *name;
    const char *text; /* NULL: the number counts */
    int64_t number;
};

/* Lines above this level are not written (default LOG_INFO). */
void log_set_level(enum log_level level);
/* "error", "warn", "info", "debug"; 0, or -1 for another word. */
int log_level_parse(const char *word, enum log_level *out);

/* How lines are written from now on (default LOG_TEXT). */
void log_set_format(enum log_format format);
/* "text", "json"; 0, or -1 for another word. */
int log_format_parse(const char *word, enum log_format *out);

/* part: who speaks ("shipper"). A log line is one line of valid UTF-8 whatever the message and the fields
 * hold: control characters and other bytes are escaped. What is too long is cut: the message, then whole
 * fields. */
void log_line(enum log_level level, const char *part, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void log_fields(enum log_level level, const char *part, const struct log_field *fields, size_t n,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#define log_error(part, ...) log_line(LOG_ERROR, part, __VA_ARGS__)
#define log_warn(part, ...) log_line(LOG_WARN, part, __VA_ARGS__)
#define log_info(part, ...) log_line(LOG_INFO, part, __VA_ARGS__)
#define log_debug(part, ...) log_line(LOG_DEBUG, part, __VA_ARGS__)

#endif
