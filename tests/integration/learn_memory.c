/* Each allocation fails in turn while the learner fits a model and values challengers: a pass notes exactly
 * what it would have, or says that it failed and notes nothing of what was not done, and the next pass does
 * it. Run by learn_memory.sh. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "failing_alloc.h"
#include "failing_jansson.h"
#include "store/learn.h"

typedef int pass(const struct learner *l, struct pg_error *e);

static bool never(void *arg)
{
    (void)arg;
    return false;
}

static void ask(struct pg *p, const char *sql, PGresult **rows)
{
    struct pg_error e;
    if (pg_exec(p, sql, 0, NULL, rows, &e) != ERR_OK) {
        fprintf(stderr, "%s: %s\n", sql, e.error.text);
        exit(1);
    }
}

/* What was noted since the last time, to be cleared by the caller. */
static PGresult *notes(struct pg *p)
{
    PGresult *rows = NULL;
    ask(p, "select what, said from public.noted order by what", &rows);
    ask(p, "truncate public.noted", NULL);
    return rows;
}

/* Whether each of the notes is one of the right ones. */
static bool all_right(const PGresult *got, const PGresult *right)
{
    for (int i = 0; i < PQntuples(got); i++) {
        int k = 0;
        while (k < PQntuples(right) && (strcmp(PQgetvalue(got, i, 0), PQgetvalue(right, k, 0)) != 0 ||
                                        strcmp(PQgetvalue(got, i, 1), PQgetvalue(right, k, 1)) != 0))
            k++;
        if (k == PQntuples(right))
            return false;
    }
    return true;
}

static const char *judge(int code, const struct pg_error *e, const PGresult *got, const PGresult *right)
{
    if (!all_right(got, right))
        return "noted what is not so";
    if (code == ERR_OK)
        return PQntuples(got) == PQntuples(right) ? NULL : "said that all went well, and noted less";
    if (PQntuples(got) == PQntuples(right))
        return "said that it failed, and noted all";
    return code != ERR_NOMEM || !strstr(e->error.text, "memory") ? "failed with another error" : NULL;
}

/* Passes until one has no allocation that fails. Returns how many had a wrong outcome. */
static int in_turn(const char *what, pass *work, const struct learner *l)
{
    static const enum failing_mode modes[] = {FAIL_ONE, FAIL_ALL};
    struct pg_error e;
    int wrong = 0;
    unsigned n_failed = 0;
    bool more = true;
    if (work(l, &e) != ERR_OK) {
        printf("%s: %s\n", what, e.error.text);
        return 1;
    }
    PGresult *right = notes(l->p);
    for (long n = 0; more && n < 20000; n++) {
        more = false;
        for (int m = 0; m < 2; m++) {
            failing_arm(modes[m], n);
            int code = work(l, &e);
            bool failed = failing_disarm();
            PGresult *got = notes(l->p);
            const char *why = judge(code, &e, got, right);
            if (why && wrong++ < 20)
                printf("%s: allocation %ld%s: %s (%d: %s)\n%s\n", what, n, m ? " and all behind it" : "", why,
                       code, code ? e.error.text : "", PQntuples(got) ? PQgetvalue(got, 0, 1) : "");
            more = more || failed;
            n_failed += failed;
            PQclear(got);
        }
    }
    printf("%s: %d notes, %u times an allocation failed, %d times with a wrong outcome\n", what,
           PQntuples(right), n_failed, wrong);
    wrong += PQntuples(right) == 0 || n_failed < 100;
    PQclear(right);
    return wrong;
}

int main(void)
{
    struct pg_error e;
    struct pg *p = NULL;
    if (sodium_init() < 0)
        return 1;
    log_set_level(LOG_ERROR - 1);
    failing_jansson();
    if (pg_open(&p, "", "learn_memory", 0, &e) != ERR_OK) {
        fprintf(stderr, "%s\n", e.error.text);
        return 1;
    }
    struct learner l = {.p = p, .epoch = 1, .stopping = never};
    int wrong = in_turn("a model", learn_models, &l) + in_turn("challengers", learn_policies, &l);
    pg_close(p);
    return wrong > 0;
}
