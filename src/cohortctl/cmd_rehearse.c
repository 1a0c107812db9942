/* cohortctl rehearse: an experiment's guardrails on the units and events of the last days. */
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cohortctl/command.h"
#include "cohortctl/discover.h"
#include "cohortctl/json_text.h"
#include "cohortctl/path.h"
#include "cohortctl/rehearse.h"
#include "cohortctl/table.h"
#include "cohortctl/values.h"
#include "store/pg.h"

#define SRM_DRAWS 30000000 /* units times salts: more would take minutes */
#define ENOUGH_EVENTS 20

/* What the options say, and what is gathered for the answer. */
struct rehearsal {
    const char *key, *days;
    int64_t salts, seed;
    double effect;
    json_t *facts, *out; /* out: the answer's list of guardrails */
    bool *stopped;       /* by salt: some stopping guardrail did, without any effect */
    size_t tried;        /* salts that every stopping guardrail was tried with */
    struct rehearse_run *runs;
    struct rehearse_case c;
    struct rehearse_unit *units; /* the guardrail's; ours */
};

static int told(const struct pg_error *why, struct error *e)
{
    return error_set(e, why->error.code, why->error.place, "%s", why->error.text);
}

static int read_facts(struct rehearsal *r, struct pg *p, struct error *e)
{
    const char *const params[] = {r->key, r->days};
    struct pg_error why;
    PGresult *res = NULL;
    if (pg_exec(p, "select cohort.rehearsal($1, $2)", 2, params, &res, &why) < 0)
        return told(&why, e);
    int rc = 0;
    if (PQntuples(res) == 0 || PQgetisnull(res, 0, 0))
        rc = error_set(e, ERR_NOT_FOUND, r->key, "there is no such experiment");
    else if (!(r->facts = json_loads(PQgetvalue(res, 0, 0), 0, NULL)))
        rc = error_set(e, ERR_NOMEM, "", "out of memory");
    PQclear(res);
    return rc;
}

static int64_t whole(const json_t *o, const char *member)
{
    return (int64_t)json_number_value(json_object_get(o, member));
}

static int read_arms(struct rehearsal *r, struct error *e)
{
    const json_t *variants = json_object_get(r->facts, "variants"), *v;
    size_t i;
    if (json_array_size(variants) < 2 || json_array_size(variants) > REHEARSE_ARMS)
        return error_set(e, ERR_STATE, r->key, "a rehearsal needs 2 to %d variants", REHEARSE_ARMS);
    if (!json_is_true(json_object_get(json_array_get(variants, 0), "control")))
        return error_set(e, ERR_STATE, r->key, "a rehearsal needs a control");
    json_array_foreach(variants, i, v) r->c.shares[i] = whole(v, "share_ppm");
    r->c.arms = (int)json_array_size(variants);
    r->c.included_ppm = whole(r->facts, "traffic_ppm") * whole(r->facts, "layer_ppm") / 1000000;
    r->c.seed = (uint64_t)r->seed;
    return 0;
}

/* The units, each with its event of the guardrail. */
static int read_units(struct rehearsal *r, struct pg *p, const char *guardrail, struct error *e)
{
    const char *const params[] = {r->key, r->days, guardrail};
    struct pg_error why;
    PGresult *res = NULL;
    if (pg_exec(p,
                "select unit_id, extract(epoch from first_ts), extract(epoch from at), y"
                " from cohort.rehearsal_events($1, $2, $3)",
                3, params, &res, &why) < 0)
        return told(&why, e);
    int n = PQntuples(res), rc = 0;
    free(r->units);
    r->units = calloc((size_t)n + 1, sizeof *r->units);
    for (int i = 0; r->units && i < n; i++) {
        const char *uuid = PQgetvalue(res, i, 0);
        struct rehearse_unit *u = &r->units[i];
        sodium_hex2bin(u->unit.bytes, sizeof u->unit.bytes, uuid, strlen(uuid), "-", NULL, NULL);
        u->first = strtod(PQgetvalue(res, i, 1), NULL);
        u->at = PQgetisnull(res, i, 2) ? INFINITY : strtod(PQgetvalue(res, i, 2), NULL);
        u->y = strtod(PQgetvalue(res, i, 3), NULL);
    }
    if (!r->units)
        rc = error_set(e, ERR_NOMEM, "", "out of memory");
    r->c.units = r->units;
    r->c.n = r->units ? (size_t)n : 0;
    PQclear(res);
    return rc;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The part of the runs that reached it, with Wilson's 95 % interval, and the medians among those. */
static json_t *tally(const struct rehearse_run *runs, size_t n)
{
    double *at = calloc(n + 1, sizeof *at), *units = calloc(n + 1, sizeof *units), z = 1.959963984540054;
    size_t k = 0;
    if (!at || !units) {
        free(at);
        free(units);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (!runs[i].reached)
            continue;
        at[k] = runs[i].at / 86400;
        units[k++] = (double)runs[i].units;
    }
    qsort(at, k, sizeof *at, by_size);
    qsort(units, k, sizeof *units, by_size);
    double share = (double)k / (double)n, d = 1 + z * z / (double)n,
           mid = (share + z * z / (2 * (double)n)) / d;
    double half = z / d * sqrt(share * (1 - share) / (double)n + z * z / (4 * (double)n * (double)n));
    json_t *o = json_pack("{s:I, s:I, s:f, s:f, s:f}", "runs", (json_int_t)n, "reached", (json_int_t)k,
                          "share", share, "low", fmax(0, mid - half), "high", fmin(1, mid + half));
    if (k > 0) {
        json_object_set_new(o, "median_days", json_real(at[k / 2]));
        json_object_set_new(o, "median_units", json_integer((json_int_t)units[k / 2]));
    }
    free(at);
    free(units);
    return o;
}

static size_t events_of(const struct rehearsal *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->c.n; i++)
        n += isfinite(r->units[i].at) && (!r->c.by_values || r->units[i].y != 0);
    return n;
}

/* Of as many salts as a minute allows. */
static size_t salts_of(const struct rehearsal *r, bool every_unit)
{
    size_t salts = (size_t)r->salts, most = SRM_DRAWS / (r->c.n + 1) + 10;
    return every_unit && most < salts ? most : salts;
}

static void read_rule(struct rehearsal *r, const json_t *g)
{
    r->c.rule = (struct guardrail_rule){strcmp(json_text_of(g, "direction"), "down") == 0 ? EVT_DOWN : EVT_UP,
                                        json_number_value(json_object_get(g, "margin")),
                                        json_number_value(json_object_get(g, "alpha")),
                                        json_number_value(json_object_get(g, "weight")), r->c.arms};
}

static int try_guardrail(struct rehearsal *r, const json_t *g, json_t *entry, struct error *e)
{
    size_t salts = salts_of(r, r->c.by_values);
    read_rule(r, g);
    if (salts < r->tried && strcmp(json_text_of(g, "action"), "alert") != 0)
        r->tried = salts;
    r->c.effect = 1;
    int rc = rehearse(&r->c, salts, r->runs, e);
    for (size_t i = 0; rc == 0 && i < salts && strcmp(json_text_of(g, "action"), "alert") != 0; i++)
        r->stopped[i] = r->stopped[i] || r->runs[i].reached;
    if (rc == 0)
        json_object_set_new(entry, "without_effect", tally(r->runs, salts));
    r->c.effect = r->c.rule.harm == EVT_UP ? r->effect : 1 / r->effect;
    if (rc == 0)
        rc = rehearse(&r->c, salts, r->runs, e);
    if (rc == 0)
        json_object_set_new(entry, "with_effect", tally(r->runs, salts));
    json_object_set_new(entry, "effect", json_real(r->c.effect));
    return rc;
}

static int take_guardrail(struct rehearsal *r, struct pg *p, const json_t *g, struct error *e)
{
    char id[24], words[200] = "";
    snprintf(id, sizeof id, "%lld", (long long)whole(g, "id"));
    const char *kind = json_text_of(g, "kind");
    int rc = read_units(r, p, id, e);
    if (rc < 0)
        return rc;
    r->c.by_values = strcmp(kind, "binary") != 0;
    size_t events = events_of(r);
    json_t *entry =
        json_pack("{s:s, s:s, s:I, s:I}", "metric", json_text_of(g, "metric"), "action",
                  json_text_of(g, "action"), "units", (json_int_t)r->c.n, "events", (json_int_t)events);
    if (r->c.by_values && events < REHEARSE_AMOUNTS)
        snprintf(words, sizeof words,
                 "%zu units whose window has closed have an amount; a rehearsal needs %d", events,
                 REHEARSE_AMOUNTS);
    else if (events < ENOUGH_EVENTS)
        snprintf(words, sizeof words, "%zu units had the event; a rehearsal needs %d", events, ENOUGH_EVENTS);
    else
        rc = try_guardrail(r, g, entry, e);
    if (*words)
        json_object_set_new(entry, "missing", json_string(words));
    json_object_set_new(entry, "kind", json_string(kind));
    json_array_append_new(r->out, entry);
    return rc;
}

static int try_srm(struct rehearsal *r, json_t *answer, struct error *e)
{
    size_t salts = salts_of(r, true);
    if (r->c.n == 0)
        return 0;
    r->c.srm = true;
    int rc = rehearse(&r->c, salts, r->runs, e);
    if (rc == 0)
        json_object_set_new(answer, "sample_ratio_alarms", tally(r->runs, salts));
    return rc;
}

static int gather(struct rehearsal *r, struct pg *p, json_t *answer, struct error *e)
{
    const json_t *g;
    size_t i;
    int rc = read_facts(r, p, e);
    if (rc == 0)
        rc = read_arms(r, e);
    if (rc == 0 && json_array_size(json_object_get(r->facts, "guardrails")) == 0)
        rc = error_set(e, ERR_STATE, r->key, "has no guardrails: there is nothing to rehearse");
    for (i = 0; rc == 0 && (g = json_array_get(json_object_get(r->facts, "guardrails"), i)); i++)
        rc = take_guardrail(r, p, g, e);
    if (rc < 0)
        return rc;
    for (i = 0; i < r->tried; i++)
        r->runs[i] = (struct rehearse_run){.reached = r->stopped[i]};
    json_t *stops = tally(r->runs, r->tried);
    json_object_del(stops, "median_days");
    json_object_del(stops, "median_units");
    json_object_set_new(answer, "false_stops", stops);
    json_object_set(answer, "guardrails", r->out);
    json_object_set_new(answer, "units", json_integer((json_int_t)r->c.n));
    json_object_set(answer, "own_units", json_object_get(r->facts, "own_units"));
    json_object_set(answer, "in_two_variants", json_object_get(r->facts, "in_two_variants"));
    return try_srm(r, answer, e);
}

static void print_share(const char *words, const json_t *t)
{
    printf("%s %.1f %% (%.1f to %.1f %%; %lld of %lld salts)", words,
           100 * json_number_value(json_object_get(t, "share")),
           100 * json_number_value(json_object_get(t, "low")),
           100 * json_number_value(json_object_get(t, "high")), (long long)whole(t, "reached"),
           (long long)whole(t, "runs"));
    if (json_object_get(t, "median_days"))
        printf(", half of them by %.1f days and %lld units",
               json_number_value(json_object_get(t, "median_days")), (long long)whole(t, "median_units"));
    putchar('\n');
}

static void print_answer(const struct rehearsal *r, const json_t *answer)
{
    const json_t *g;
    size_t i;
    char units[32];
    printf("%s: %s units of the last %s days%s\n", r->key, table_thousands(whole(answer, "units"), units),
           r->days,
           json_is_true(json_object_get(answer, "own_units"))
               ? ", its own"
               : ": none were its own, so these are all of its unit type; its targeting is not applied");
    if (whole(answer, "units") == 0) {
        puts("Nobody was exposed or decided for in these days: there is nothing to rehearse on.");
        return;
    }
    print_share("false stops of all its guardrails together:", json_object_get(answer, "false_stops"));
    json_array_foreach(r->out, i, g)
    {
        char effect[80];
        bool by_values = strcmp(json_text_of(g, "kind"), "binary") != 0;
        printf("%s (%s), %lld units with %s\n", json_text_of(g, "metric"), json_text_of(g, "action"),
               (long long)whole(g, "events"), by_values ? "an amount whose window has closed" : "the event");
        if (json_object_get(g, "missing")) {
            printf("  %s\n", json_text_of(g, "missing"));
            continue;
        }
        print_share("  without an effect:", json_object_get(g, "without_effect"));
        snprintf(effect, sizeof effect,
                 by_values ? "  with values %.3g × as high in every treatment:"
                           : "  with %.3g × in every treatment:",
                 json_number_value(json_object_get(g, "effect")));
        print_share(effect, json_object_get(g, "with_effect"));
    }
    if (json_object_get(answer, "sample_ratio_alarms"))
        print_share("sample ratio alarms:", json_object_get(answer, "sample_ratio_alarms"));
    printf("units that were seen in two variants of it: %lld\n", (long long)whole(answer, "in_two_variants"));
}

static int run(struct ctl *c, struct rehearsal *r, bool as_json, struct error *e)
{
    struct pg_error why;
    struct pg *p = NULL;
    char *conninfo = NULL;
    json_t *answer = json_object();
    r->tried = (size_t)r->salts;
    r->out = json_array();
    r->runs = calloc((size_t)r->salts, sizeof *r->runs);
    r->stopped = calloc((size_t)r->salts, sizeof *r->stopped);
    int rc = !r->runs || !r->stopped ? error_set(e, ERR_NOMEM, "", "out of memory")
                                     : discover_database(c, &conninfo, e);
    if (rc == 0 && (rc = pg_open(&p, conninfo, "cohortctl rehearse", 0, &why)) < 0)
        told(&why, e);
    if (rc == 0)
        rc = gather(r, p, answer, e);
    if (rc == 0 && as_json)
        rc = json_text_print(answer, e);
    else if (rc == 0)
        print_answer(r, answer);
    pg_close(p);
    free(conninfo);
    free(r->runs);
    free(r->stopped);
    free(r->units);
    json_decref(r->facts);
    json_decref(r->out);
    json_decref(answer);
    return rc;
}

int command_rehearse(struct ctl *c, int argc, char **argv, struct error *e)
{
    const char *days = "30", *salts = "1000", *effect = "1.5", *seed = "1";
    bool as_json = false;
    const struct cli_option options[] = {
        {"--days", CLI_TEXT, &days, "N", "how many days back (30)"},
        {"--salts", CLI_TEXT, &salts, "N", "how often everybody is drawn anew (1000)"},
        {"--effect", CLI_TEXT, &effect, "R",
         "the harm to find: events or values times R, or by R where down is harm (1.5)"},
        {"--seed", CLI_TEXT, &seed, "N", "the same seed draws the same salts (1)"},
        {"--json", CLI_FLAG, &as_json, NULL, "print JSON"},
    };
    const struct cli_usage usage = {
        "rehearse KEY [--days N] [--salts N] [--effect R] [--seed N] [--json]",
        "Draws the units of the last days anew, salt after salt, replays their events and lets the "
        "guardrails of\n"
        "KEY look after each: how many harmless runs they stop, how often and when they find a harm that is "
        "put\n"
        "in. Units are those of the experiment or its flag; for a draft, all of its unit type.",
        options,
        5,
        1,
        1};
    struct rehearsal r = {0};
    int64_t ignored;
    int n, rc = cli_parse(&usage, c, argc, argv, &n, e);
    if (rc != 0)
        return rc;
    r.key = argv[0];
    r.days = days;
    rc = path_check_key("KEY", r.key, e);
    if (rc == 0)
        rc = value_count("--days", days, 1, 400, &ignored, e);
    if (rc == 0)
        rc = value_count("--salts", salts, 10, 100000, &r.salts, e);
    if (rc == 0)
        rc = value_count("--seed", seed, 0, INT64_MAX / 10, &r.seed, e);
    if (rc == 0)
        rc = value_number("--effect", effect, 1.01, 100, &r.effect, e);
    return rc == 0 ? run(c, &r, as_json, e) : rc;
}
