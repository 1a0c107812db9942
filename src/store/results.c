#include "store/results.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/results_private.h"

static const char due_sql[] = "select experiment_id, experiment, kind, status, fingerprint, n_star, as_of,"
                              " guardrails, alerts, sentence, found, against from cohort.results_due()";
static const char record_sql[] = "select cohort.record_results($1, $2, $3, $4, $5, $6, $7)";

static void due_of(const PGresult *r, int row, struct result_input *in)
{
    *in = (struct result_input){.experiment_id = strtoll(PQgetvalue(r, row, 0), NULL, 10),
                                .experiment = PQgetvalue(r, row, 1),
                                .kind = PQgetvalue(r, row, 2),
                                .status = PQgetvalue(r, row, 3),
                                .fingerprint = PQgetvalue(r, row, 4),
                                .n_star = strtod(PQgetvalue(r, row, 5), NULL),
                                .as_of = PQgetisnull(r, row, 6) ? NULL : PQgetvalue(r, row, 6),
                                .guardrails = strtoll(PQgetvalue(r, row, 7), NULL, 10),
                                .alerts = strtoll(PQgetvalue(r, row, 8), NULL, 10),
                                .sentence = PQgetvalue(r, row, 9),
                                .found = PQgetvalue(r, row, 10),
                                .against = PQgetvalue(r, row, 11)};
}

static int write_one(struct pg *p, int64_t epoch, const struct result_input *in, struct pg_error *e)
{
    char text[24], id[24], n_star[32], *summary = NULL, *results = NULL;
    snprintf(text, sizeof text, "%" PRId64, epoch);
    snprintf(id, sizeof id, "%" PRId64, in->experiment_id);
    snprintf(n_star, sizeof n_star, "%.17g", in->n_star);
    int code = results_documents(in, &summary, &results);
    if (code == ERR_OK) {
        const char *const params[] = {text, id, in->fingerprint, n_star, in->as_of, summary, results};
        code = pg_exec(p, record_sql, 7, params, NULL, e);
    } else {
        error_set(&e->error, code, NULL, "out of memory");
    }
    free(summary);
    free(results);
    return code;
}

static int code_of(const struct pg_error *e, int code)
{
    return strcmp(e->constraint, "leader_epoch") == 0 ? ERR_STATE : code == ERR_STATE ? ERR_IO : code;
}

int results_pass(struct pg *p, int64_t epoch, struct pg_error *e)
{
    PGresult *due = NULL;
    struct pg_error why;
    int first = pg_exec(p, due_sql, 0, NULL, &due, e);
    if (first != ERR_OK)
        return code_of(e, first);
    for (int i = 0; i < PQntuples(due); i++) {
        struct result_input in;
        memset(&why, 0, sizeof why);
        due_of(due, i, &in);
        int code = result_input_read(p, &in, &why);
        if (code == ERR_OK)
            code = write_one(p, epoch, &in, &why);
        result_input_free(&in);
        code = code == ERR_OK ? ERR_OK : code_of(&why, code);
        if (code != ERR_OK && first == ERR_OK) {
            first = code;
            *e = why;
        }
        if (code == ERR_STATE || !pg_alive(p))
            break;
    }
    PQclear(due);
    return first;
}
