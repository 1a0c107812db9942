#include "store/ship_refused.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

bool ship_is_refusal(const struct pg_error *e)
{
    /* Ours about groups has such a class too, and is not about a row. */
    return e->error.code == ERR_INVALID && strcmp(e->constraint, "ingest_groups") != 0 &&
           (strncmp(e->sqlstate, "22", 2) == 0 || strncmp(e->sqlstate, "23", 2) == 0 ||
            strcmp(e->sqlstate, "54000") == 0);
}

/* Where the search for the next refused record stands: the first `good` records are accepted together, the
 * first `bad` are not, and `why` is what was said about those. */
struct search {
    size_t good, bad;
    struct pg_error why;
};

/* Tries the first n; moves one end of the search. Errors that are no refusal are returned. */
static int try_prefix(struct ship_rows *r, const struct ship_target *t, const struct ship_batch *b, size_t n,
                      struct search *s)
{
    struct ship_result ignored;
    struct pg_error e;
    int code = ship_rows_send(r, t, b, n, false, &ignored, &e);
    if (code == ERR_OK) {
        s->good = n;
        return ERR_OK;
    }
    s->bad = n;
    s->why = e;
    return ship_is_refusal(&e) ? ERR_OK : code;
}

/* Steps that double from the last good place, then halves: cheap when every record is refused, and when only
 * one of thousands is. A record is found by the prefix it ends, so one that is only wrong together with an
 * earlier one is found too. */
static int narrow(struct ship_rows *r, const struct ship_target *t, const struct ship_batch *b,
                  struct search *s)
{
    int code = ERR_OK;
    size_t refused_at = s->bad;
    for (size_t step = 1; code == ERR_OK && s->bad == refused_at && s->good + step < s->bad; step *= 2)
        code = try_prefix(r, t, b, s->good + step, s);
    while (code == ERR_OK && s->bad - s->good > 1)
        code = try_prefix(r, t, b, s->good + (s->bad - s->good) / 2, s);
    return code;
}

static int replace(struct ship_batch *b, size_t i, const struct pg_error *why, struct pg_error *e)
{
    char words[sizeof why->error.text + sizeof why->detail + 4];
    snprintf(words, sizeof words, "%s%s%s", why->error.text, why->detail[0] ? ": " : "", why->detail);
    int code = ship_batch_refuse(b, i, words, clock_wall_us());
    if (code == ERR_NOMEM)
        return error_set(&e->error, code, NULL, "out of memory for a dead letter");
    if (code != ERR_OK) {
        *e = *why;
        error_set(&e->error, ERR_IO, why->constraint, "even a dead letter is refused: %s", why->error.text);
    }
    return e->error.code = code == ERR_OK ? ERR_OK : e->error.code;
}

int ship_refused(struct ship_rows *r, const struct ship_target *t, struct ship_batch *b,
                 struct ship_result *out, size_t *refused, struct pg_error *e)
{
    struct search s = {0};
    *refused = 0;
    for (;;) {
        int code = ship_rows_send(r, t, b, b->n, true, out, e);
        if (code == ERR_OK || !ship_is_refusal(e) || b->n == 0)
            return code;
        s.bad = b->n;
        s.why = *e;
        code = narrow(r, t, b, &s);
        if (code != ERR_OK) {
            *e = s.why;
            return code;
        }
        code = replace(b, s.bad - 1, &s.why, e);
        if (code != ERR_OK)
            return code;
        s.good = s.bad - 1; /* the replaced one is tried again with the rest */
        ++*refused;
    }
}
