#include "store/stops.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "codec/json_dump.h"
#include "store/pg_wait.h"

/* Definitions are read by the same thread: a database that hangs here would keep edits and stops from this
 * node without a word. */
#define ANSWER_MS 15000

int stops_read(struct pg *p, void (*each)(void *arg, const struct stop_row *stop), void *arg,
               struct pg_error *e)
{
    PGresult *r = NULL;
    int code =
        pg_exec_within(p, ANSWER_MS,
                       "select environment, experiment, encode(salt, 'hex'), cohort.micros(at), sentence"
                       " from cohort.plan_stops()",
                       &r, e);
    if (code != ERR_OK)
        return code;
    for (int i = 0; i < PQntuples(r); i++) {
        struct stop_row stop = {.environment = PQgetvalue(r, i, 0),
                                .experiment = PQgetvalue(r, i, 1),
                                .at_us = strtoll(PQgetvalue(r, i, 3), NULL, 10),
                                .sentence = PQgetvalue(r, i, 4)};
        const char *hex = PQgetvalue(r, i, 2);
        size_t n = 0;
        if (sodium_hex2bin(stop.salt, sizeof stop.salt, hex, strlen(hex), NULL, &n, NULL) == 0 &&
            n == sizeof stop.salt)
            each(arg, &stop);
    }
    PQclear(r);
    return ERR_OK;
}

static char *stops_json(const struct stop_row *stops, size_t n)
{
    json_t *list = json_array();
    bool whole = list != NULL;
    for (size_t i = 0; i < n && whole; i++) {
        char salt[2 * STOP_SALT_BYTES + 1];
        sodium_bin2hex(salt, sizeof salt, stops[i].salt, STOP_SALT_BYTES);
        json_t *stop = json_pack("{s:s, s:s, s:s, s:I, s:s}", "environment", stops[i].environment,
                                 "experiment", stops[i].experiment, "salt", salt, "at_us",
                                 (json_int_t)stops[i].at_us, "sentence", stops[i].sentence);
        whole = json_array_append_new(list, stop) == 0;
    }
    char *text = whole ? json_dump_text(list, JSON_COMPACT) : NULL;
    json_decref(list);
    return text;
}

int stops_reassert(struct pg *p, const struct stop_row *stops, size_t n, const char *node,
                   void (*each)(void *arg, const char *environment, const char *experiment), void *arg,
                   struct pg_error *e)
{
    PGresult *r = NULL;
    char *text = stops_json(stops, n);
    if (!text)
        return error_set(&e->error, ERR_NOMEM, NULL, "out of memory");
    const char *const params[] = {text, node};
    int code = pg_ask_within(p, "select environment, experiment from cohort.reassert_stops($1, $2)", 2,
                             params, ANSWER_MS, &r, e);
    free(text);
    if (code != ERR_OK)
        return code;
    for (int i = 0; i < PQntuples(r); i++)
        each(arg, PQgetvalue(r, i, 0), PQgetvalue(r, i, 1));
    PQclear(r);
    return ERR_OK;
}
