#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log_text.h"

static _Atomic int max_level = LOG_INFO;
static _Atomic int line_format = LOG_TEXT;

static int word_index(const char *const *words, int n, const char *word)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(word, words[i]) == 0)
            return i;
    }
    return -1;
}

void log_set_level(enum log_level level)
{
    atomic_store(&max_level, (int)level);
}

int log_level_parse(const char *word, enum log_level *out)
{
    static const char *const words[] = {"error", "warn", "info", "debug"};
    int i = word_index(words, 4, word);
    if (i >= 0)
        *out = (enum log_level)i;
    return i >= 0 ? 0 : -1;
}

void log_set_format(enum log_format format)
{
    atomic_store(&line_format, (int)format);
}

int log_format_parse(const char *word, enum log_format *out)
{
    static const char *const words[] = {"text", "json"};
    int i = word_index(words, 2, word);
    if (i >= 0)
        *out = (enum log_format)i;
    return i >= 0 ? 0 : -1;
}

static void write_entry(struct log_entry *e, const char *fmt, va_list ap)
{
    char text[1024], line[LOG_LINE_MAX];
    vsnprintf(text, sizeof text, fmt, ap);
    e->message = text;
    clock_gettime(CLOCK_REALTIME, &e->time);
    size_t n = atomic_load_explicit(&line_format, memory_order_relaxed) == LOG_JSON ? log_write_json(line, e)
                                                                                    : log_write_text(line, e);
    /* One write, so that lines of several threads don't mix. There is nowhere to report its failure. */
    ssize_t ignored = write(STDERR_FILENO, line, n);
    (void)ignored;
}

static int is_wanted(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed);
}

void log_line(enum log_level level, const char *part, const char *fmt, ...)
{
    va_list ap;
    if (!is_wanted(level))
        return;
    va_start(ap, fmt);
    write_entry(&(struct log_entry){.level = level, .part = part}, fmt, ap);
    va_end(ap);
}

void log_fields(enum log_level level, const char *part, const struct log_field *fields, size_t n,
                const char *fmt, ...)
{
    va_list ap;
    if (!is_wanted(level))
        return;
    va_start(ap, fmt);
    write_entry(&(struct log_entry){.level = level, .part = part, .fields = fields, .n_fields = n}, fmt, ap);
    va_end(ap);
}
