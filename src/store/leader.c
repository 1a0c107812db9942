#include "store/leader.h"

#include <stdlib.h>
#include <string.h>

int leader_try(struct pg *p, const char *node, int64_t *epoch, struct pg_error *e)
{
    PGresult *res = NULL;
    memset(e, 0, sizeof *e);
    *epoch = 0;
    int code = pg_exec(p, "select cohort.lead($1)", 1, &node, &res, e);
    if (code != ERR_OK)
        return code;
    if (PQntuples(res) == 1 && !PQgetisnull(res, 0, 0))
        *epoch = strtoll(PQgetvalue(res, 0, 0), NULL, 10);
    PQclear(res);
    return ERR_OK;
}
