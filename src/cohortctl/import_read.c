/* The rows of an imported file: found, checked, and written as text for COPY. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/csv.h"
#include "cohortctl/import.h"

#define PROGRESS_ROWS 10000

/* Where the columns stand in one file. */
struct columns {
    size_t n, unit, variant;
    size_t metrics[IMPORT_METRICS_MAX];
};

/* One row being read. */
struct reading {
    struct import *m;
    const struct csv_row *row;
    const char *file;
    uint32_t file_index;
    const struct columns *columns;
    struct buffer text;
};

/* "it has: recency, history, segment" */
static int no_column(const char *file, const char *name, const struct csv_row *head, struct error *e)
{
    char list[600];
    size_t len = 0;
    list[0] = '\0';
    for (size_t i = 0; i < head->n && len < sizeof list - 4; i++)
        len += (size_t)snprintf(list + len, sizeof list - len, "%s%s", i ? ", " : "", head->fields[i]);
    return error_set(e, ERR_INVALID, file, "there is no column '%s'; the columns are: %.560s", name, list);
}

static int find_column(const char *file, const char *name, const struct csv_row *head, size_t *out,
                       struct error *e)
{
    size_t found = 0;
    for (size_t i = 0; i < head->n; i++)
        if (strcmp(head->fields[i], name) == 0) {
            *out = i;
            found++;
        }
    if (found > 1)
        return error_set(e, ERR_INVALID, file, "the column '%s' is there %zu times; rename one", name, found);
    return found ? 0 : no_column(file, name, head, e);
}

static int find_columns(const struct import *m, const char *file, const struct csv_row *head,
                        struct columns *out, struct error *e)
{
    const struct import_request *r = m->request;
    out->n = head->n;
    int rc = r->unit ? find_column(file, r->unit, head, &out->unit, e) : 0;
    if (rc == 0)
        rc = find_column(file, r->variant, head, &out->variant, e);
    for (size_t i = 0; rc == 0 && i < m->n_metrics; i++)
        rc = find_column(file, m->metrics[i].column, head, &out->metrics[i], e);
    return rc;
}

/* The variant of that name, from 0; a new one is taken up. */
static int variant_of(struct import *m, const char *name, size_t *out, struct error *e)
{
    for (size_t i = 0; i < m->n_variants; i++)
        if (strcmp(m->variants[i].name, name) == 0) {
            *out = i;
            return 0;
        }
    if (*name == '\0')
        return error_set(e, ERR_INVALID, "", "is empty; every row needs its variant");
    if (m->n_variants == IMPORT_VARIANTS_MAX)
        return error_set(e, ERR_LIMIT, "", "is the %dth variant ('%.60s'); is this the right column?",
                         IMPORT_VARIANTS_MAX + 1, name);
    struct import_variant *v = &m->variants[m->n_variants];
    int rc = value_key(name, v->key, e);
    for (size_t i = 0; rc == 0 && i < m->n_variants; i++)
        if (strcmp(m->variants[i].key, v->key) == 0)
            rc = error_set(e, ERR_INVALID, "",
                           "is too like another: '%.60s' and '%.60s' both become the key %s", name,
                           m->variants[i].name, v->key);
    if (rc < 0)
        return rc;
    v->name = strdup(name);
    *out = m->n_variants;
    m->n_variants += v->name != NULL;
    return v->name ? 0 : error_set(e, ERR_NOMEM, "", "out of memory");
}

static int unit_of(struct reading *g, struct unit *out, struct error *e)
{
    const struct import_request *r = g->m->request;
    char number[24];
    snprintf(number, sizeof number, "%" PRIu64, g->m->rows);
    const char *raw = r->unit ? g->row->fields[g->columns->unit] : number;
    if (*raw == '\0')
        return error_set(e, ERR_INVALID, "", "is empty; every row needs its unit");
    int rc = unit_raw_check(raw, strlen(raw), e);
    if (rc < 0)
        return rc;
    unit_from_raw(&g->m->unit_key, r->unit_type, strlen(r->unit_type), raw, strlen(raw), out);
    if (r->unit) {
        struct import_seen seen = {*out, g->file_index, g->row->line};
        buffer_add(&g->m->seen, &seen, sizeof seen);
    }
    return 0;
}

/* A cell in millionths. */
static int amount_of(struct reading *g, struct import_metric *metric, size_t column, int64_t *out,
                     struct error *e)
{
    const char *cell = g->row->fields[column];
    bool flag = false;
    int rc = metric->is_mean ? value_decimal(cell, out, &flag, e) : value_binary(cell, &flag, e);
    if (rc < 0)
        return rc;
    if (metric->is_mean)
        metric->rounded += flag;
    else
        *out = flag ? 1000000 : 0;
    return 0;
}

static void bad(struct reading *g, const char *column, const struct error *why)
{
    import_problem(g->m, g->file, g->row->line, column, why->text);
}

/* Writes the row's text for COPY; false (and one problem told) when something in it is wrong. */
static bool write_row(struct reading *g)
{
    struct import *m = g->m;
    struct error why;
    struct unit unit;
    size_t variant = 0;
    if (unit_of(g, &unit, &why) < 0) {
        bad(g, m->request->unit, &why);
        return false;
    }
    if (variant_of(m, g->row->fields[g->columns->variant], &variant, &why) < 0) {
        bad(g, m->request->variant, &why);
        return false;
    }
    buffer_printf(&g->text, "%" PRIu64 "\t", m->rows);
    for (int i = 0; i < 16; i++)
        buffer_printf(&g->text, "%02x", unit.bytes[i]);
    buffer_printf(&g->text, "\t%zu\t{", variant + 1);
    for (size_t i = 0; i < m->n_metrics; i++) {
        int64_t amount;
        if (amount_of(g, &m->metrics[i], g->columns->metrics[i], &amount, &why) < 0) {
            bad(g, m->metrics[i].column, &why);
            return false;
        }
        buffer_printf(&g->text, "%s%" PRId64, i ? "," : "", amount);
    }
    buffer_add_str(&g->text, "}\n");
    return true;
}

static int take_row(struct reading *g, import_sink *sink, void *arg, struct error *e)
{
    struct import *m = g->m;
    buffer_clear(&g->text);
    if (g->row->n != g->columns->n) {
        struct error why;
        error_set(&why, ERR_INVALID, "", "has %zu field%s; the first line has %zu", g->row->n,
                  g->row->n == 1 ? "" : "s", g->columns->n);
        bad(g, NULL, &why);
        return 0;
    }
    bool good = write_row(g);
    if (g->text.failed || m->seen.failed)
        return error_set(e, ERR_NOMEM, g->file, "out of memory");
    return good && m->problems == 0 ? sink(arg, (const char *)g->text.data, g->text.len, e) : 0;
}

static int read_head(struct reading *g, struct csv *csv, struct columns *columns, struct error *e)
{
    struct csv_row head;
    int rc = csv_next(csv, &head, e);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return error_set(e, ERR_INVALID, g->file, "is empty; the first line names the columns");
    return find_columns(g->m, g->file, &head, columns, e);
}

static int read_rows(struct reading *g, struct csv *csv, import_sink *sink, void *arg, struct error *e)
{
    struct csv_row row;
    g->row = &row;
    for (;;) {
        int rc = csv_next(csv, &row, e);
        if (rc == 0)
            return 0;
        if (rc < 0 && rc != ERR_INVALID)
            return rc;
        g->m->rows++;
        if (rc == ERR_INVALID)
            import_problem(g->m, g->file, row.line, NULL, e->text);
        else if ((rc = take_row(g, sink, arg, e)) < 0)
            return rc;
        if (g->m->rows % PROGRESS_ROWS == 0)
            import_progress(g->m, "read %" PRIu64 " rows", g->m->rows);
    }
}

static int read_file(struct import *m, size_t index, import_sink *sink, void *arg, struct error *e)
{
    struct columns columns = {0};
    struct reading g = {
        .m = m, .file = m->request->files[index], .file_index = (uint32_t)index, .columns = &columns};
    struct csv *csv;
    int rc = csv_open(&csv, g.file, e);
    if (rc < 0)
        return rc;
    rc = read_head(&g, csv, &columns, e);
    if (rc == 0)
        rc = read_rows(&g, csv, sink, arg, e);
    if (rc == ERR_IO && e->place[0] == '\0')
        snprintf(e->place, sizeof e->place, "%s", g.file);
    csv_close(csv);
    buffer_free(&g.text);
    return rc;
}

/* The request's control must be a variant of the file. */
static int check_control(const struct import *m, struct error *e)
{
    char list[600];
    size_t len = 0;
    list[0] = '\0';
    for (size_t i = 0; i < m->n_variants; i++) {
        if (strcmp(m->variants[i].name, m->request->control) == 0)
            return m->n_variants > 1
                       ? 0
                       : error_set(e, ERR_INVALID, "--variant",
                                   "there is only one variant in the file, '%.100s'; two are needed",
                                   m->variants[i].name);
        if (len < sizeof list - 4)
            len +=
                (size_t)snprintf(list + len, sizeof list - len, "%s'%s'", i ? ", " : "", m->variants[i].name);
    }
    return error_set(e, ERR_INVALID, "--control", "no row has the variant '%.100s'; the variants are: %.560s",
                     m->request->control, list);
}

int import_read(struct import *m, import_sink *sink, void *arg, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < m->request->n_files; i++)
        rc = read_file(m, i, sink, arg, e);
    import_progress_end(m);
    if (rc < 0)
        return rc;
    import_find_twins(m);
    if (m->problems > IMPORT_PROBLEMS_SHOWN)
        fprintf(stderr, "  and %" PRIu64 " more\n", m->problems - IMPORT_PROBLEMS_SHOWN);
    if (m->problems > 0)
        return error_set(e, ERR_INVALID, "", "%" PRIu64 " of %" PRIu64 " rows %s wrong; nothing was loaded",
                         m->problems, m->rows, m->problems == 1 ? "is" : "are");
    if (m->rows == 0)
        return error_set(e, ERR_INVALID, m->request->files[0], "has no rows behind its first line");
    return check_control(m, e);
}
