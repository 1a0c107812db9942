/* An import's request, its twins, and what is said on the way. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cohortctl/import.h"
#include "cohortctl/path.h"

static int add_metrics(struct import *m, const char *option, const struct cli_list *columns, bool is_mean,
                       struct error *e)
{
    for (size_t i = 0; i < columns->n; i++) {
        if (m->n_metrics == IMPORT_METRICS_MAX)
            return error_set(e, ERR_LIMIT, option, "at most %d columns can be counted", IMPORT_METRICS_MAX);
        struct import_metric *metric = &m->metrics[m->n_metrics++];
        metric->column = columns->items[i];
        metric->is_mean = is_mean;
        int rc = value_key(metric->column, metric->key, e);
        if (rc < 0) {
            snprintf(e->place, sizeof e->place, "%s", option);
            return rc;
        }
        for (size_t j = 0; j + 1 < m->n_metrics; j++)
            if (strcmp(m->metrics[j].key, metric->key) == 0)
                return error_set(e, ERR_INVALID, option, "'%.100s' and '%.100s' are the same metric, %s",
                                 m->metrics[j].column, metric->column, metric->key);
    }
    return 0;
}

static int missing(const char *option, const char *what, struct error *e)
{
    return error_set(e, ERR_INVALID, option, "is missing; it %s", what);
}

int import_init(struct import *m, const struct import_request *r, struct error *e)
{
    *m = (struct import){.request = r, .terminal = isatty(STDERR_FILENO) == 1};
    if (!r->experiment)
        return missing("--experiment", "names the experiment to make", e);
    if (!r->variant)
        return missing("--variant", "names the column that says which variant a row got", e);
    if (!r->control)
        return missing("--control", "says which variant the others are compared to", e);
    if (r->binary.n + r->mean.n == 0)
        return error_set(e, ERR_INVALID, "", "nothing to count: name columns with --binary or --mean");
    int rc = path_check_key("--experiment", r->experiment, e);
    if (rc == 0 && unit_type_check(r->unit_type, strlen(r->unit_type), NULL) < 0)
        rc = error_set(e, ERR_INVALID, "--unit-type",
                       "takes 1 to 32 of a-z 0-9 _, a letter first, not '%.60s'", r->unit_type);
    if (rc == 0)
        rc = add_metrics(m, "--binary", &r->binary, false, e);
    if (rc == 0)
        rc = add_metrics(m, "--mean", &r->mean, true, e);
    return rc;
}

void import_fini(struct import *m)
{
    for (size_t i = 0; i < m->n_variants; i++)
        free(m->variants[i].name);
    buffer_free(&m->seen);
}

void import_problem(struct import *m, const char *file, size_t line, const char *column, const char *what)
{
    if (m->problems++ >= IMPORT_PROBLEMS_SHOWN)
        return;
    import_progress_end(m);
    fprintf(stderr, "  %s, line %zu: %s%s%s\n", file, line, column ? column : "", column ? " " : "", what);
}

static int by_unit(const void *a, const void *b)
{
    const struct import_seen *x = a, *y = b;
    int c = memcmp(x->unit.bytes, y->unit.bytes, sizeof x->unit.bytes);
    if (c != 0)
        return c;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

void import_find_twins(struct import *m)
{
    size_t n = m->seen.len / sizeof(struct import_seen);
    struct import_seen *all = (struct import_seen *)(void *)m->seen.data;
    char what[200];
    if (n > 1)
        qsort(all, n, sizeof *all, by_unit);
    for (size_t i = 1; i < n; i++) {
        if (memcmp(all[i].unit.bytes, all[i - 1].unit.bytes, sizeof all[i].unit.bytes) != 0)
            continue;
        snprintf(what, sizeof what, "is the same unit as line %" PRIu64 "%s; a unit comes once",
                 all[i - 1].line, all[i - 1].file != all[i].file ? " of another file" : "");
        import_problem(m, m->request->files[all[i].file], all[i].line, m->request->unit, what);
    }
}

void import_progress(const struct import *m, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (m->terminal)
        fputc('\r', stderr);
    vfprintf(stderr, fmt, ap);
    fputs(m->terminal ? "\033[K" : "\n", stderr);
    va_end(ap);
}

void import_progress_end(const struct import *m)
{
    if (m->terminal)
        fputs("\r\033[K", stderr);
}
