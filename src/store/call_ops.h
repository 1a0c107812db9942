/* What REST may ask of the definitions: each operation's SQL, and running one in a transaction. */
#ifndef COHORT_STORE_CALL_OPS_H
#define COHORT_STORE_CALL_OPS_H

#include "base/call.h"
#include "store/pg.h"

struct call_op;

/* NULL: there is no such operation. */
const struct call_op *call_op_find(const char *name);

/* Runs it on a connection outside any transaction, for the API key's environment, team and role, and calls
 * done once. ERR_OK also when the answer is an error; ERR_UNAVAILABLE (done not called) when the connection
 * is gone, with the reason in e. */
int call_op_run(struct pg *pg, const struct call_op *op, const struct call_request *q, call_done_fn *done,
                void *arg, struct pg_error *e);

#endif
