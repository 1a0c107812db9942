#include "store/ship_mark.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/pg_wait.h"

_Static_assert(sizeof(struct ship_mark) == 32 + 8 * 8, "a mark has no padding");

void ship_id_text(const uint8_t id[16], char out[37])
{
    char *p = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        p += sprintf(p, "%02x", id[i]);
    }
}

static int64_t number(const PGresult *res, int column)
{
    return strtoll(PQgetvalue(res, 0, column), NULL, 10);
}

static void take(const PGresult *res, const uint8_t id[16], struct ship_mark *out)
{
    *out = (struct ship_mark){.watermark = (uint64_t)number(res, 0),
                              .accepted = number(res, 1),
                              .stored = number(res, 2),
                              .duplicates = number(res, 3),
                              .dead_letters = number(res, 4),
                              .conflicts = number(res, 5),
                              .before = number(res, 6),
                              .has_before = !PQgetisnull(res, 0, 6)};
    memcpy(out->spool, id, 16);
    sodium_hex2bin(out->incarnation, 16, PQgetvalue(res, 0, 7), (size_t)PQgetlength(res, 0, 7), "-", NULL,
                   NULL);
}

int ship_mark_ask(struct pg *p, const uint8_t id[16], const char *spool, const char *node, int wait_ms,
                  struct ship_mark *out, struct pg_error *e)
{
    const char *const params[] = {spool, node};
    PGresult *res;
    int code = pg_ask_within(p, "select cohort.spool_watermark($1::uuid, $2)", 2, params, wait_ms, NULL, e);
    if (code == ERR_OK)
        code = pg_ask_within(p,
                             "select s.watermark, s.accepted, s.stored, s.duplicates, s.dead_letters,"
                             " s.conflicts, s.accepted_before, v.incarnation"
                             " from cohort.spool s, cohort.config_version v where s.spool_id = $1::uuid",
                             1, params, wait_ms, &res, e);
    if (code != ERR_OK)
        return code;
    if (PQntuples(res) == 1)
        take(res, id, out);
    else
        code = error_set(&e->error, ERR_IO, NULL, "the database does not know the queue %s that it was told",
                         spool);
    PQclear(res);
    return code;
}

int ship_mark_report(struct pg *p, const char *spool, const char *node, uint64_t accepted, int wait_ms,
                     struct pg_error *e)
{
    char records[24];
    const char *const params[] = {spool, node, records};
    snprintf(records, sizeof records, "%" PRIu64, accepted);
    return pg_ask_within(p, "select cohort.report_spool($1::uuid, $2, $3::bigint)", 3, params, wait_ms, NULL,
                         e);
}
