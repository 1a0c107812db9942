#include "store/call_ops.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SQL_BYTES 512
#define ATTEMPTS 3 /* of a transaction that met another one's */

/* What $1 and $2 are, as far as a statement has them. */
enum args { KEY_BODY, LIMIT_AFTER, BODY_ONLY };

/* %1$s is the thing. A statement answers one JSON value; null or false: there is no such thing. */
struct call_op {
    const char *name, *sql;
    int status; /* of success */
    enum args args;
    const char *show; /* the answer instead of the statement's own, or NULL */
    const char *pick; /* what of the answer is sent: an expression on d; NULL: all. The tag is of all */
};

#define SHOW "cohort.get_%1$s($1)"
#define PATCH "cohort.patch_%1$s($1, $2::jsonb)"
/* The body of a part is an object with that part alone. */
#define PART "d -> (select k from jsonb_object_keys($2::jsonb) k)"

/* Members of an action's body; the web has checked their types. */
#define TEXT(name) "$2::jsonb ->> '" name "'"
#define NUMBER(name) "($2::jsonb ->> '" name "')::int"
#define OBJECT(name) "nullif($2::jsonb -> '" name "', 'null')"
#define STATUS(fn) "to_jsonb(cohort." fn "($1, " TEXT("reason") "))"

static const struct call_op ops[] = {
    {"get", SHOW, 200, KEY_BODY, NULL, NULL},
    {"list", "cohort.list_%1$ss($1::int, $2)", 200, LIMIT_AFTER, NULL, NULL},
    {"put", "cohort.put_%1$s($1, $2::jsonb)", 200, KEY_BODY, NULL, NULL},
    {"patch", PATCH, 200, KEY_BODY, NULL, NULL},
    {"get_part", SHOW, 200, KEY_BODY, NULL, PART},
    {"put_part", PATCH, 200, KEY_BODY, NULL, PART},
    {"delete", "to_jsonb(cohort.delete_%1$s($1))", 204, KEY_BODY, NULL, NULL},
    {"create", "cohort.create_%1$s($1::jsonb)", 201, BODY_ONLY, NULL, NULL},
    {"replay", "cohort.replay_%1$s($1::jsonb)", 200, BODY_ONLY, NULL, NULL},
    {"drop", "cohort.drop_%1$s($1::jsonb)", 200, BODY_ONLY, NULL, NULL},
    {"start", STATUS("start"), 200, KEY_BODY, SHOW, NULL},
    {"stop", STATUS("stop"), 200, KEY_BODY, SHOW, NULL},
    {"pause", STATUS("pause"), 200, KEY_BODY, SHOW, NULL},
    {"resume", STATUS("resume"), 200, KEY_BODY, SHOW, NULL},
    {"archive", STATUS("archive"), 200, KEY_BODY, SHOW, NULL},
    {"restart", "to_jsonb(cohort.restart($1, " TEXT("reason") ", " OBJECT("changes") "))", 200, KEY_BODY,
     SHOW, NULL},
    {"ramp", "to_jsonb(cohort.ramp($1, " NUMBER("traffic_ppm") ", " OBJECT("shares") ", " TEXT("reason") "))",
     200, KEY_BODY, SHOW, NULL},
    {"grow", "to_jsonb(cohort.grow($1, " NUMBER("layer_ppm") ", " TEXT("reason") "))", 200, KEY_BODY, SHOW,
     NULL},
    {"drop_arm", "to_jsonb(cohort.drop_arm($1, " TEXT("variant") ", " TEXT("reason") "))", 200, KEY_BODY,
     SHOW, NULL},
    {"ship",
     "to_jsonb(cohort.ship($1, " TEXT("variant") ", coalesce(" NUMBER("holdback_ppm") ", 0), " TEXT(
         "reason") "))",
     200, KEY_BODY, SHOW, NULL},
    {"clone", "cohort.clone($1, " TEXT("key") ")", 201, KEY_BODY, NULL, NULL},
    {"validate",
     "(select jsonb_build_object('startable', count(*) = 0, 'problems', coalesce(jsonb_agg(to_jsonb(v)), "
     "'[]')) from cohort.validate($1) v)",
     200, KEY_BODY, NULL, NULL},
    /* Pulled, not pushed: a key may write into its own environment only. */
    {"promote", "cohort.promote($1, " TEXT("from") ", cohort.current_environment())", 201, KEY_BODY, NULL,
     NULL},
    {"rotate", "cohort.rotate_key($1)", 201, KEY_BODY, NULL, NULL},
    {"map",
     "(select jsonb_agg(jsonb_build_object('experiment', m.experiment, 'slots', cohort.slots_json(m.slots), "
     "'ppm', m.ppm)) from cohort.layer_map($1) m)",
     200, KEY_BODY, NULL, NULL},
    {"results", "cohort.results_json($1)", 200, KEY_BODY, NULL, NULL},
    {"get_challengers", "cohort.get_challengers($1)", 200, KEY_BODY, NULL, NULL},
    {"put_challengers", "cohort.put_challengers($1, $2::jsonb)", 200, KEY_BODY, NULL, NULL},
    {"promote_challenger",
     "to_jsonb(cohort.promote_challenger($1, " TEXT("challenger") ", " TEXT("reason") "))", 200, KEY_BODY,
     SHOW, NULL},
    {"models", "cohort.list_models($1)", 200, KEY_BODY, NULL, NULL},
    {"use_model", "to_jsonb(cohort.use_model($1, " NUMBER("version") ", " TEXT("reason") "))", 200, KEY_BODY,
     SHOW, NULL},
    {"test", "cohort.test_%1$s($1)", 202, KEY_BODY, NULL, NULL},
    {"deliveries", "cohort.%1$s_deliveries($1)", 200, KEY_BODY, NULL, NULL},
    {"plan", "cohort.planning($1::jsonb)", 200, BODY_ONLY, NULL, NULL},
    {"series", "cohort.results_series_json($1)", 200, KEY_BODY, NULL, NULL},
    {"audit_head", "cohort.get_audit_head()", 200, KEY_BODY, NULL, NULL},
};

const struct call_op *call_op_find(const char *name)
{
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (strcmp(ops[i].name, name) == 0)
            return &ops[i];
    }
    return NULL;
}

/* One call on its way. */
struct run {
    struct pg *pg;
    const struct call_op *op;
    const struct call_request *q;
    struct pg_error *e;
    PGresult *rows;             /* what the answer points into */
    struct call_result refusal; /* status 0: none yet */
    char etag[80];
};

static const char *or_null(const char *s)
{
    return s && *s ? s : NULL;
}

/* An expression as a statement with the parameters it names: its value (or what is picked of it), and the
 * value's entity tag. */
static int query(struct run *r, const char *expression, enum args args, const char *pick)
{
    char with_thing[SQL_BYTES], sql[2 * SQL_BYTES], limit[16];
    const char *params[] = {r->q->key, r->q->body};
    int n = pick || strstr(expression, "$2") ? 2 : strstr(expression, "$1") ? 1 : 0;
    snprintf(limit, sizeof limit, "%d", r->q->limit);
    if (args == LIMIT_AFTER) {
        params[0] = limit;
        params[1] = r->q->after;
    } else if (args == BODY_ONLY) {
        params[0] = r->q->body;
    }
    snprintf(with_thing, sizeof with_thing, expression, r->q->thing);
    snprintf(sql, sizeof sql, "select %s, cohort.etag(d) from (select %s as d offset 0) q", pick ? pick : "d",
             with_thing);
    PQclear(r->rows);
    r->rows = NULL;
    return pg_exec(r->pg, sql, n, params, &r->rows, r->e);
}

static bool nothing(const struct run *r)
{
    return PQntuples(r->rows) != 1 || PQgetisnull(r->rows, 0, 0) ||
           strcmp(PQgetvalue(r->rows, 0, 0), "false") == 0;
}

/* History and row security see who calls. A key that was revoked a moment ago may do nothing any more. */
static int introduce(struct run *r)
{
    char id[16];
    const char *params[] = {id};
    PGresult *res = NULL;
    snprintf(id, sizeof id, "%d", (int)r->q->api_key);
    int rc = pg_exec(r->pg, "select cohort.act_as_api_key($1::int)", 1, params, &res, r->e);
    if (rc == ERR_OK && strcmp(PQgetvalue(res, 0, 0), "t") != 0)
        r->refusal = (struct call_result){.status = 401,
                                          .title = "Who are you?",
                                          .detail = "This API key was revoked.",
                                          .code = "unauthorized"};
    PQclear(res);
    return rc;
}

/* Is the tag in a header's list of quoted tags? A weak tag never is: it does not promise sameness. */
static bool tag_listed(const char *list, const char *tag)
{
    size_t n = strlen(tag);
    for (const char *p = list; *p;) {
        p += strspn(p, " \t,");
        size_t len = strcspn(p, ",");
        const char *next = p + len;
        while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t'))
            len--;
        if ((len == 1 && *p == '*') ||
            (len == n + 2 && p[0] == '"' && p[len - 1] == '"' && memcmp(p + 1, tag, n) == 0))
            return true;
        p = next;
    }
    return false;
}

/* If-Match and If-None-Match: *. */
static int check_tags(struct run *r)
{
    if (!r->q->if_match && !r->q->if_none)
        return ERR_OK;
    int rc = query(r, SHOW, KEY_BODY, NULL);
    if (rc != ERR_OK)
        return rc;
    if (nothing(r)) {
        if (r->q->if_match)
            r->refusal = (struct call_result){
                .status = 412,
                .title = "It has changed",
                .detail = "If-Match names a version, but there is nothing with this key.",
                .hint = "Leave If-Match out to create it.",
                .code = "precondition_failed"};
        return ERR_OK;
    }
    snprintf(r->etag, sizeof r->etag, "%s", PQgetvalue(r->rows, 0, 1));
    if (r->q->if_match ? tag_listed(r->q->if_match, r->etag) : strcmp(r->q->if_none, "*") != 0)
        return ERR_OK;
    r->refusal = (struct call_result){
        .status = 412,
        .title = "It has changed",
        .etag = r->etag,
        .detail = r->q->if_match ? "It is not the version that If-Match names: somebody changed it meanwhile."
                                 : "If-None-Match says that it must not exist, but it does.",
        .hint =
            "Get it again (the answer's ETag is its version now), repeat your change on that, and send it "
            "with that tag.",
        .code = "precondition_failed"};
    return ERR_OK;
}

static int not_found(struct run *r)
{
    r->refusal = (struct call_result){.status = 404,
                                      .title = "Not found",
                                      .detail = "There is nothing with this key.",
                                      .hint = "GET the path without the key lists what there is.",
                                      .code = "not_found"};
    return ERR_OK;
}

/* Everything between BEGIN and COMMIT. */
static int work(struct run *r)
{
    int rc = introduce(r);
    if (rc == ERR_OK && r->refusal.status == 0)
        rc = check_tags(r);
    if (rc != ERR_OK || r->refusal.status != 0)
        return rc;
    if ((rc = query(r, r->op->sql, r->op->args, r->op->pick)) != ERR_OK)
        return rc;
    if (nothing(r))
        return not_found(r);
    if (r->op->show && (rc = query(r, r->op->show, KEY_BODY, r->op->pick)) == ERR_OK && nothing(r))
        return not_found(r);
    return rc;
}

/* What was read (a tag, what a patch starts from) holds until COMMIT: what another transaction changes
 * meanwhile makes this one fail and be tried again, on what there is then. */
static int transaction(struct run *r)
{
    struct pg_error ignored;
    bool reads_first = r->q->if_match || r->q->if_none || strcmp(r->op->sql, PATCH) == 0;
    r->refusal.status = 0;
    int rc =
        pg_exec(r->pg, reads_first ? "begin isolation level repeatable read" : "begin", 0, NULL, NULL, r->e);
    if (rc == ERR_OK)
        rc = work(r);
    /* Deferred rules (shares that must sum) speak at COMMIT. */
    if (rc == ERR_OK && r->refusal.status == 0)
        return pg_exec(r->pg, "commit", 0, NULL, NULL, r->e);
    if (pg_alive(r->pg))
        pg_exec(r->pg, "rollback", 0, NULL, NULL, &ignored);
    return rc;
}

/* Title and status of a broken rule come from the same table that psql users' hints come from. */
static PGresult *look_up_rule(struct pg *pg, const char *constraint)
{
    PGresult *res = NULL;
    struct pg_error ignored;
    const char *params[] = {constraint};
    if (pg_exec(pg,
                "select http_status, title, hint from cohort.error_message"
                " where constraint_name = $1",
                1, params, &res, &ignored) != ERR_OK)
        return NULL;
    if (PQntuples(res) == 1)
        return res;
    PQclear(res);
    return NULL;
}

static void answer_error(const struct run *r, call_done_fn *done, void *arg)
{
    const struct pg_error *e = r->e;
    PGresult *rule = e->constraint[0] ? look_up_rule(r->pg, e->constraint) : NULL;
    bool forbidden = strcmp(e->sqlstate, "42501") == 0;
    struct call_result a = {
        .status = rule        ? atoi(PQgetvalue(rule, 0, 0))
                  : forbidden ? 403
                              : 400,
        .title = rule        ? PQgetvalue(rule, 0, 1)
                 : forbidden ? "Not allowed"
                             : "The database refused this",
        .detail = e->error.text,
        .hint = or_null(e->hint),
        .constraint = or_null(e->constraint),
        .pointer = or_null(e->detail),
        .code = rule        ? e->constraint
                : forbidden ? "forbidden"
                            : "refused",
    };
    if (!a.hint && rule)
        a.hint = or_null(PQgetvalue(rule, 0, 2));
    if (!rule && strncmp(e->sqlstate, "XX", 2) == 0)
        a.status = 500;
    done(arg, &a);
    PQclear(rule);
}

static bool worth_another(const struct pg_error *e)
{
    return strcmp(e->sqlstate, "40001") == 0 || strcmp(e->sqlstate, "40P01") == 0;
}

int call_op_run(struct pg *pg, const struct call_op *op, const struct call_request *q, call_done_fn *done,
                void *arg, struct pg_error *e)
{
    struct run r = {.pg = pg, .op = op, .q = q, .e = e};
    int rc = transaction(&r);
    for (int i = 1; i < ATTEMPTS && rc != ERR_OK && pg_alive(pg) && worth_another(e); i++)
        rc = transaction(&r);
    if (rc == ERR_OK && r.refusal.status != 0)
        done(arg, &r.refusal);
    else if (rc == ERR_OK)
        done(arg, &(struct call_result){.status = op->status,
                                        .body = PQgetvalue(r.rows, 0, 0),
                                        .etag = PQgetvalue(r.rows, 0, 1)});
    else if (pg_alive(pg) && e->error.code != ERR_UNAVAILABLE)
        answer_error(&r, done, arg);
    else
        rc = ERR_UNAVAILABLE;
    PQclear(r.rows);
    return rc == ERR_UNAVAILABLE ? rc : ERR_OK;
}
