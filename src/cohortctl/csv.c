#include "cohortctl/csv.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/buffer.h"
#include "core/unit.h"

#define CHUNK 65536

struct csv {
    gzFile file;
    unsigned char chunk[CHUNK];
    size_t pos, len;
    bool at_end, io_failed;
    bool quoted;          /* the row has a quoted field: "" alone is a value, not an empty line */
    size_t line;          /* of the next byte */
    struct buffer text;   /* the row's fields, each with its NUL */
    struct buffer starts; /* size_t offsets of the fields in text */
    struct buffer fields; /* const char pointers, made when the row is complete */
};

/* Where a byte finds the reader inside a row. */
enum place { FIELD_START, BARE, QUOTED, QUOTE_IN_QUOTED, SKIP_LINE };

/* The next byte, or -1 at the end or on a read error. */
static int next_byte(struct csv *c)
{
    if (c->pos == c->len && !c->at_end) {
        int n = gzread(c->file, c->chunk, CHUNK);
        int code = Z_OK;
        if (n <= 0)
            gzerror(c->file, &code); /* a cut gzip file ends early and says so only here */
        c->io_failed = n < 0 || code != Z_OK;
        c->at_end = n <= 0;
        c->len = n > 0 ? (size_t)n : 0;
        c->pos = 0;
    }
    if (c->pos == c->len)
        return -1;
    int b = c->chunk[c->pos++];
    if (b == '\n')
        c->line++;
    return b;
}

static void unread(struct csv *c, int b)
{
    c->pos--;
    if (b == '\n')
        c->line--;
}

static void skip_mark(struct csv *c)
{
    int b = next_byte(c);
    if (b < 0)
        return;
    c->pos--;
    if (c->len - c->pos >= 3 && memcmp(c->chunk + c->pos, "\xEF\xBB\xBF", 3) == 0)
        c->pos += 3;
    c->line = 1;
}

static gzFile open_file(const char *path)
{
    if (strcmp(path, "-") != 0)
        return gzopen(path, "rb");
    int fd = dup(STDIN_FILENO);
    return fd < 0 ? NULL : gzdopen(fd, "rb");
}

int csv_open(struct csv **out, const char *path, struct error *e)
{
    struct csv *c = calloc(1, sizeof *c);
    if (!c)
        return error_set(e, ERR_NOMEM, path, "out of memory");
    errno = 0;
    c->file = open_file(path);
    if (!c->file) {
        int why = errno;
        free(c);
        return error_set(e, ERR_IO, path, "%s", why ? strerror(why) : "out of memory");
    }
    c->line = 1;
    skip_mark(c);
    *out = c;
    return 0;
}

void csv_close(struct csv *c)
{
    if (!c)
        return;
    gzclose(c->file);
    buffer_free(&c->text);
    buffer_free(&c->starts);
    buffer_free(&c->fields);
    free(c);
}

static void begin_field(struct csv *c)
{
    size_t at = c->text.len;
    buffer_add(&c->starts, &at, sizeof at);
}

static void end_field(struct csv *c)
{
    buffer_add(&c->text, "", 1);
}

/* The state behind byte b in the middle of a row. *problem is set when b can't stand there. */
static enum place step(struct csv *c, enum place at, int b, const char **problem)
{
    if (b == 0)
        *problem = "holds a NUL byte";
    if (at == QUOTED && b != '"') {
        buffer_add(&c->text, &(char){(char)b}, 1);
        return QUOTED;
    }
    if (at == QUOTED)
        return QUOTE_IN_QUOTED;
    if (at == QUOTE_IN_QUOTED && b == '"') {
        buffer_add(&c->text, "\"", 1);
        return QUOTED;
    }
    if (b == ',') {
        end_field(c);
        begin_field(c);
        return FIELD_START;
    }
    if (at == QUOTE_IN_QUOTED)
        *problem = "has text behind a closing quote; a quote inside a quoted field is written twice";
    if (b == '"' && at == FIELD_START) {
        c->quoted = true;
        return QUOTED;
    }
    if (b == '"' && at == BARE)
        *problem = "has a quote inside an unquoted field; quote the whole field and double the quote";
    buffer_add(&c->text, &(char){(char)b}, 1);
    return BARE;
}

/* A line break outside quotes: LF, or CR before LF. */
static bool ends_row(struct csv *c, int b)
{
    if (b == '\n')
        return true;
    if (b != '\r')
        return false;
    int after = next_byte(c);
    if (after == '\n' || after < 0)
        return true;
    unread(c, after);
    return false;
}

/* Reads to the end of the row. Returns NULL or what is wrong with it. *any: whether there was a byte. */
static const char *read_row(struct csv *c, bool *any)
{
    const char *problem = NULL;
    enum place at = FIELD_START;
    begin_field(c);
    int b;
    while ((b = next_byte(c)) >= 0) {
        *any = true;
        if (at != QUOTED && ends_row(c, b))
            break;
        if (at == SKIP_LINE)
            continue;
        at = step(c, at, b, &problem);
        if (problem)
            at = SKIP_LINE;
        if (c->text.len > CSV_ROW_MAX) {
            problem = "is longer than 1 MiB; is a closing quote missing?";
            at = SKIP_LINE;
        }
    }
    if (at == QUOTED && !problem)
        problem = "opens a quote that is never closed";
    end_field(c);
    return problem;
}

static void make_fields(struct csv *c, struct csv_row *row)
{
    size_t n = c->starts.len / sizeof(size_t);
    for (size_t i = 0; i < n; i++) {
        size_t at;
        memcpy(&at, c->starts.data + i * sizeof at, sizeof at);
        const char *field = (const char *)c->text.data + at;
        buffer_add(&c->fields, &field, sizeof field);
    }
    row->n = n;
    row->fields = (const char *const *)(const void *)c->fields.data;
}

static int read_failed(struct csv *c, struct error *e)
{
    int code;
    const char *text = gzerror(c->file, &code);
    c->io_failed = false;
    return error_set(e, ERR_IO, "", "the file can't be read: %s", code == Z_ERRNO ? strerror(errno) : text);
}

int csv_next(struct csv *c, struct csv_row *row, struct error *e)
{
    for (;;) {
        bool any = false;
        c->quoted = false;
        char where[40];
        buffer_clear(&c->text);
        buffer_clear(&c->starts);
        buffer_clear(&c->fields);
        row->line = c->line;
        snprintf(where, sizeof where, "line %zu", row->line);
        const char *problem = read_row(c, &any);
        if (c->io_failed)
            return read_failed(c, e);
        if (!any)
            return 0;
        if (problem)
            return error_set(e, ERR_INVALID, where, "%s", problem);
        if (c->text.len == 1 && !c->quoted)
            continue;
        if (!utf8_valid((const char *)c->text.data, c->text.len))
            return error_set(e, ERR_INVALID, where, "is not valid UTF-8");
        make_fields(c, row);
        if (c->text.failed || c->starts.failed || c->fields.failed)
            return error_set(e, ERR_NOMEM, where, "out of memory");
        return 1;
    }
}
