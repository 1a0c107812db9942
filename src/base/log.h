/* Log lines on standard error: "2026-11-21T23:40:01.123Z info shipper: message". Any thread. */
#ifndef COHORT_BASE_LOG_H
#define COHORT_BASE_LOG_H

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Lines above this level are not written (default LOG_INFO). */
void log_set_level(enum log_level level);
/* "error", "warn", "info", "debug"; 0, or -1 for another word. */
int log_level_parse(const char *word, enum log_level *out);

/* part: who speaks ("shipper"). Control characters in the message are escaped: a log line is one line. */
void log_line(enum log_level level, const char *part, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(part, ...) log_line(LOG_ERROR, part, __VA_ARGS__)
#define log_warn(part, ...) log_line(LOG_WARN, part, __VA_ARGS__)
#define log_info(part, ...) log_line(LOG_INFO, part, __VA_ARGS__)
#define log_debug(part, ...) log_line(LOG_DEBUG, part, __VA_ARGS__)

#endif
