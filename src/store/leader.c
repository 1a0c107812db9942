#include "store/leader.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

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

/* One line for each leader and each thing that is found out about it. */
static void tell(struct leader_watch *w, const char *outcome, const char *node, int64_t epoch,
                 const char *silent)
{
    if (w->epoch == epoch && strcmp(w->outcome, outcome) == 0)
        return;
    bool again = w->epoch == epoch;
    w->epoch = epoch;
    snprintf(w->outcome, sizeof w->outcome, "%s", outcome);
    if (strcmp(outcome, "leads") == 0)
        log_info("monitor", "%s leads the monitor%s (epoch %lld); this node follows", node,
                 again ? " and is heard again" : "", (long long)epoch);
    else if (strcmp(outcome, "works") == 0)
        log_info("monitor", "the leader %s has been silent for %s s, but is at work: nothing is done to it",
                 node, silent);
    else if (strcmp(outcome, "ended") == 0)
        log_warn("monitor",
                 "the leader %s was silent for %s s and its connection idle: the connection was ended", node,
                 silent);
    else if (strcmp(outcome, "stuck") == 0)
        log_error("monitor",
                  "the leader %s has been silent for %s s and its connection does not end: waiting for it",
                  node, silent);
    else if (strcmp(outcome, "denied") == 0)
        log_error("monitor",
                  "the leader %s has been silent for %s s, but this node's database role may not end its "
                  "connection: nobody watches the guardrails until it ends by itself. Let an administrator "
                  "grant pg_signal_backend and pg_read_all_stats to this role, or give all nodes one role",
                  node, silent);
    else if (strcmp(outcome, "foreign") == 0)
        log_error("monitor",
                  "a session that is no cohortd holds the leader's lock, and nobody has led for %s s: end it "
                  "(select pid from pg_locks where locktype = 'advisory')",
                  silent);
}

int leader_stand_by(struct pg *p, const char *node, struct leader_watch *w, int64_t *epoch,
                    struct pg_error *e)
{
    PGresult *res = NULL;
    int code = leader_try(p, node, epoch, e);
    if (code != ERR_OK || *epoch)
        return code;
    code = pg_exec(p, "select outcome, node, epoch, silent_s from cohort.unseat_leader()", 0, NULL, &res, e);
    if (code != ERR_OK)
        return code;
    bool ended = false;
    if (PQntuples(res) == 1) {
        const char *outcome = PQgetvalue(res, 0, 0);
        ended = strcmp(outcome, "ended") == 0;
        tell(w, outcome, PQgetvalue(res, 0, 1), strtoll(PQgetvalue(res, 0, 2), NULL, 10),
             PQgetvalue(res, 0, 3));
    }
    PQclear(res);
    return ended ? leader_try(p, node, epoch, e) : ERR_OK;
}
