#include "http_corpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"

#define MAX_DEFINES 32

struct define {
    char name[16];
    struct buffer text;
};

struct reader {
    struct define defines[MAX_DEFINES];
    unsigned n_defines, line;
};

static void bad(const struct reader *r, const char *why)
{
    fprintf(stderr, "http_corpus.txt:%u: %s\n", r->line, why);
    exit(EXIT_FAILURE);
}

/* {NAME} or {NAME*N}, at the brace; what is behind it. */
static const char *expand_name(struct reader *r, const char *p, struct buffer *out)
{
    size_t n = strcspn(p + 1, "}*");
    const char *end = strchr(p, '}');
    unsigned long times = p[1 + n] == '*' ? strtoul(p + 2 + n, NULL, 10) : 1;
    for (unsigned i = 0; end && i < r->n_defines; i++) {
        struct define *d = &r->defines[i];
        if (strlen(d->name) != n || memcmp(d->name, p + 1, n) != 0)
            continue;
        while (times-- > 0)
            buffer_add(out, d->text.data, d->text.len);
        return end + 1;
    }
    bad(r, "a name in braces that nothing defines");
    return p;
}

/* An escape, at the backslash; what is behind it. */
static const char *expand_escape(struct reader *r, const char *p, struct buffer *out)
{
    static const char names[] = "rnt\\{", bytes[] = "\r\n\t\\{";
    char hex[3] = {0}, c;
    const char *known = p[1] ? strchr(names, p[1]) : NULL;
    if (known) {
        buffer_add(out, &bytes[known - names], 1);
        return p + 2;
    }
    if (p[1] != 'x' || strspn(p + 2, "0123456789abcdefABCDEF") < 2)
        bad(r, "an escape that is none of \\r \\n \\t \\\\ \\{ \\xNN");
    memcpy(hex, p + 2, 2);
    c = (char)strtoul(hex, NULL, 16);
    buffer_add(out, &c, 1);
    return p + 4;
}

static void expand(struct reader *r, const char *p, struct buffer *out)
{
    while (*p) {
        if (*p == '{') {
            p = expand_name(r, p, out);
        } else if (*p == '\\') {
            p = expand_escape(r, p, out);
        } else {
            buffer_add(out, p, 1);
            p++;
        }
    }
}

static void read_define(struct reader *r, const char *p)
{
    struct define *d = &r->defines[r->n_defines];
    size_t n = strcspn(p, " ");
    if (r->n_defines == MAX_DEFINES || n >= sizeof d->name || p[n] != ' ')
        bad(r, "too many definitions, or a name too long");
    memcpy(d->name, p, n);
    expand(r, p + n + 1, &d->text);
    r->n_defines++;
}

static void read_statuses(struct reader *r, struct corpus_row *row, const char *p)
{
    for (char *end = NULL; *p; p = end + strspn(end, ",")) {
        if (row->n_statuses == CORPUS_STATUSES)
            bad(r, "too many statuses");
        struct corpus_status *s = &row->statuses[row->n_statuses++];
        s->status = (int)strtol(p, &end, 10);
        s->optional = *end == '?';
        s->bare = *end == '-';
        end += s->optional || s->bare;
        if (s->status < 100 || (*end && *end != ','))
            bad(r, "a status that is no number");
    }
}

static void read_row(struct reader *r, struct corpus_row *row, char *line)
{
    char end[8], statuses[32];
    struct buffer text = {0};
    char *bar = strstr(line, " | ");
    if (!bar || sscanf(line, "%23s %7s %31s", row->class, end, statuses) != 3)
        bad(r, "not: class end statuses | bytes");
    row->line = r->line;
    row->keep = strcmp(end, "keep") == 0;
    if (!row->keep && strcmp(end, "shut") != 0)
        bad(r, "the end is keep or shut");
    read_statuses(r, row, statuses);
    expand(r, bar + 3, &text);
    row->text = (char *)text.data;
    row->len = text.len;
}

void corpus_load(struct corpus *c)
{
    const char *srcdir = getenv("srcdir");
    char path[1024], line[4096];
    struct reader r = {0};
    snprintf(path, sizeof path, "%s/tests/vectors/http_corpus.txt", srcdir ? srcdir : ".");
    FILE *f = fopen(path, "r");
    if (!f) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    *c = (struct corpus){0};
    while (fgets(line, sizeof line, f)) {
        r.line++;
        if (!strchr(line, '\n'))
            bad(&r, "a line that is too long");
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0' || line[0] == '#')
            continue;
        if (strncmp(line, "define ", 7) == 0) {
            read_define(&r, line + 7);
            continue;
        }
        c->rows = realloc(c->rows, (c->n + 1) * sizeof *c->rows);
        c->rows[c->n] = (struct corpus_row){0};
        read_row(&r, &c->rows[c->n++], line);
    }
    fclose(f);
    for (unsigned i = 0; i < r.n_defines; i++)
        buffer_free(&r.defines[i].text);
}

void corpus_free(struct corpus *c)
{
    for (size_t i = 0; i < c->n; i++)
        free(c->rows[i].text);
    free(c->rows);
    *c = (struct corpus){0};
}
