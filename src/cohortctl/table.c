#include "cohortctl/table.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "core/error.h"

#define COLUMNS_MAX 16

struct table {
    char columns[COLUMNS_MAX + 1];
    size_t n_columns, n_cells;
    struct buffer text; /* the cells, each with its NUL */
};

struct table *table_new(const char *columns)
{
    struct table *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    snprintf(t->columns, sizeof t->columns, "%s", columns);
    t->n_columns = strlen(t->columns);
    return t;
}

void table_free(struct table *t)
{
    if (!t)
        return;
    buffer_free(&t->text);
    free(t);
}

void table_add(struct table *t, const char *fmt, ...)
{
    char cell[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(cell, sizeof cell, fmt, ap);
    va_end(ap);
    buffer_add(&t->text, cell, strlen(cell) + 1);
    t->n_cells++;
}

/* Characters, not bytes: continuation bytes don't count. */
static size_t width(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

static void find_widths(const struct table *t, size_t widths[COLUMNS_MAX])
{
    const char *cell = (const char *)t->text.data;
    for (size_t i = 0; i < t->n_cells; i++, cell += strlen(cell) + 1) {
        size_t w = width(cell), *most = &widths[i % t->n_columns];
        *most = w > *most ? w : *most;
    }
}

static void blanks(FILE *out, size_t n)
{
    fprintf(out, "%*s", (int)n, "");
}

int table_print(const struct table *t, FILE *out, int indent)
{
    size_t widths[COLUMNS_MAX] = {0}, owed = 0; /* blanks are owed until a cell follows them */
    if (t->text.failed)
        return ERR_NOMEM;
    find_widths(t, widths);
    const char *cell = (const char *)t->text.data;
    for (size_t i = 0; i < t->n_cells; i++, cell += strlen(cell) + 1) {
        size_t column = i % t->n_columns, pad = widths[column] - width(cell);
        bool right = t->columns[column] == 'r';
        owed += column == 0 ? (size_t)indent : 2;
        if (*cell) {
            blanks(out, owed + (right ? pad : 0));
            fputs(cell, out);
            owed = right ? 0 : pad;
        } else {
            owed += pad;
        }
        if (column + 1 == t->n_columns) {
            putc('\n', out);
            owed = 0;
        }
    }
    return 0;
}

const char *table_thousands(long long n, char buf[32])
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%lld", n < 0 ? -n : n), at = 0;
    if (n < 0)
        buf[at++] = '-';
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            buf[at++] = ',';
        buf[at++] = digits[i];
    }
    buf[at] = '\0';
    return buf;
}
