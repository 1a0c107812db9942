/* monitor_pass() against the database of COHORT_TEST_DSN, which monitor.sh made. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "stats/evt.h"
#include "stats/verdict.h"
#include "store/condition.h"
#include "store/leader.h"
#include "store/monitor.h"

#define UP "[{\"metric\":\"unsubscribe\"}]"

static struct pg *leader, *shipper, *person;
static int64_t epoch;
static struct counters counters;

static struct pg *connect_as(const char *name)
{
    struct pg *p = NULL;
    struct pg_error e;
    int code = pg_open(&p, getenv("COHORT_TEST_DSN"), name, 20000, &e);
    ck_assert_msg(code == ERR_OK, "%s", e.error.text);
    return p;
}

static void run(struct pg *p, const char *sql)
{
    struct pg_error e;
    int code = pg_exec(p, sql, 0, NULL, NULL, &e);
    ck_assert_msg(code == ERR_OK, "%s: %s %s", sql, e.error.text, e.detail);
}

/* The one value a query answers with; "" for null or no row. Valid until the next call. */
static const char *ask(const char *sql)
{
    static char answer[65536];
    struct pg_error e;
    PGresult *res = NULL;
    int code = pg_exec(shipper, sql, 0, NULL, &res, &e);
    ck_assert_msg(code == ERR_OK, "%s: %s %s", sql, e.error.text, e.detail);
    snprintf(answer, sizeof answer, "%s", PQntuples(res) ? PQgetvalue(res, 0, 0) : "");
    PQclear(res);
    return answer;
}

static void define(const char *key, const char *guardrails)
{
    char sql[1024];
    snprintf(sql, sizeof sql, "select monitor_test.experiment('%s', '%s')", key, guardrails);
    run(person, sql);
}

/* Units and unsubscribes of control and treatment in a phase, shipped as one batch. */
static void arrive(const char *key, int phase, int cu, int ce, int tu, int te)
{
    char sql[1024];
    snprintf(sql, sizeof sql,
             "begin; select monitor_test.arrive('%s', %d, 'control', %d, %d, 'unsubscribe');"
             "select monitor_test.arrive('%s', %d, 'treatment', %d, %d, 'unsubscribe');"
             "select monitor_test.ship(); commit",
             key, phase, cu, ce, key, phase, tu, te);
    run(shipper, sql);
}

static struct monitor_result pass(void)
{
    struct monitor_result r;
    struct pg_error e;
    int code = monitor_pass(leader, epoch, "test-node", NULL, &counters, &r, &e);
    ck_assert_msg(code == ERR_OK, "%s %s", e.error.text, e.detail);
    return r;
}

static json_t *evidence_of(const char *key, const char *table)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "select s.evidence from cohort.%s s join cohort.experiment e on e.id = s.experiment_id"
             " where e.key = '%s'",
             table, key);
    json_error_t e;
    json_t *doc = json_loads(ask(sql), 0, &e);
    ck_assert_msg(doc != NULL, "%s", e.text);
    return doc;
}

static double number(json_t *doc, const char *key)
{
    json_t *v = json_object_get(doc, key);
    ck_assert_msg(json_is_number(v), "%s is no number", key);
    return json_number_value(v);
}

/* E again, from nothing but the evidence's counts. */
static void recomputes(json_t *doc)
{
    struct evt_phase p[16];
    json_t *list = json_object_get(doc, "phases"), *item;
    size_t i;
    json_array_foreach(list, i, item) p[i] =
        (struct evt_phase){(int64_t)number(item, "treatment_events"), (int64_t)number(item, "control_events"),
                           number(item, "q")};
    bool up = strcmp(json_string_value(json_object_get(doc, "direction")), "up") == 0;
    double margin = number(doc, "margin"), ln_e = evt_log_e(p, i, margin, up ? EVT_UP : EVT_DOWN);
    ck_assert_double_eq_tol(ln_e, number(doc, "ln_e"), 1e-9);
    ck_assert_double_ge(ln_e, number(doc, "threshold_ln_e"));
    ck_assert_double_eq_tol(number(doc, "threshold_ln_e"),
                            log((number(doc, "arms") - 1) / (number(doc, "alpha") * number(doc, "weight"))),
                            1e-12);
    if (up)
        ck_assert_double_ge(number(doc, "risk_ratio_lower"), margin);
    else
        ck_assert_double_le(number(doc, "risk_ratio_upper"), margin);
}

START_TEST(harm_stops_once_with_evidence)
{
    define("harmful", UP);
    arrive("harmful", 1, 5010, 190, 4950, 310);
    struct monitor_result r = pass();
    ck_assert_int_eq(r.stops, 1);
    ck_assert_int_ge(r.batches, 1);
    ck_assert_str_eq(
        ask("select sentence from cohort.stop_event s join cohort.experiment e"
            " on e.id = s.experiment_id where e.key = 'harmful'"),
        "Stopped: unsubscribe rose 1.6 × with treatment against control (at least 1.18 ×; 310 of "
        "4,950 against 190 of 5,010). A harmless experiment is stopped like this at most 1 time in "
        "100.");
    json_t *doc = evidence_of("harmful", "stop_event");
    recomputes(doc);
    ck_assert_double_eq_tol(number(doc, "risk_ratio"), 310.0 / 190, 1e-9);
    ck_assert_double_eq(number(doc, "epoch"), (double)epoch);
    ck_assert_str_eq(json_string_value(json_object_get(doc, "node")), "test-node");
    json_decref(doc);
    ck_assert_str_eq(ask("select cohort.effective_status('harmful')"), "stopped");
    arrive("harmful", 1, 10, 0, 10, 9);
    ck_assert_int_eq(pass().stops, 0);
    ck_assert_int_eq(pass().stops, 0);
    ck_assert_str_eq(ask("select count(*) from cohort.stop_event s join cohort.experiment e"
                         " on e.id = s.experiment_id where e.key = 'harmful'"),
                     "1");
    ck_assert_int_eq(counter_get(&counters, guard_stops), 1);
    ck_assert_int_eq(counter_get(&counters, leader), 1);
}
END_TEST

START_TEST(harmless_runs_on)
{
    define("harmless", UP);
    arrive("harmless", 1, 5000, 201, 5000, 199);
    ck_assert_int_eq(pass().stops, 0);
    ck_assert_str_eq(ask("select cohort.effective_status('harmless')"), "running");
    ck_assert_str_eq(
        ask("select round(risk_ratio::numeric, 4) from cohort.guardrail_state s join cohort.guardrail g"
            " on g.id = s.guardrail_id where g.experiment = 'harmless'"),
        "0.9900");
}
END_TEST

/* Before the first event a guardrail says that it knows nothing; a quiet pass writes nothing. */
START_TEST(quiet_passes_write_nothing)
{
    define("quiet", UP);
    pass();
    ck_assert_str_eq(ask("select concat_ws(' ', ln_e, risk_ratio is null, lower is null, upper is null)"
                         " from cohort.guardrail_state s join cohort.guardrail g on g.id = s.guardrail_id"
                         " where g.experiment = 'quiet'"),
                     "0 t t t");
    arrive("quiet", 1, 100, 3, 100, 2);
    pass();
    char before[64];
    snprintf(
        before, sizeof before, "%s",
        ask("select string_agg(xmin::text, ',' order by xmin::text::bigint) from cohort.guardrail_state"));
    pass();
    ck_assert_str_eq(
        ask("select string_agg(xmin::text, ',' order by xmin::text::bigint) from cohort.guardrail_state"),
        before);
    ck_assert_str_eq(ask("select s.max_ln_e >= s.ln_e from cohort.guardrail_state s join cohort.guardrail g"
                         " on g.id = s.guardrail_id where g.experiment = 'quiet'"),
                     "t");
}
END_TEST

START_TEST(alerts_only_alert_and_once)
{
    define("alerting", "[{\"metric\":\"unsubscribe\",\"action\":\"alert\",\"margin\":1.25}]");
    arrive("alerting", 1, 1000, 20, 1000, 90);
    struct monitor_result r = pass();
    ck_assert_int_eq(r.stops, 0);
    ck_assert_int_eq(r.alerts, 1);
    arrive("alerting", 1, 100, 2, 100, 9);
    ck_assert_int_eq(pass().alerts, 0);
    ck_assert_str_eq(ask("select cohort.effective_status('alerting')"), "running");
    ck_assert_str_eq(
        ask("select sentence from cohort.alert_event"),
        "Alert: unsubscribe rose 4.5 × with treatment against control (at least 2.3 ×, where 1.25 × is "
        "tolerated; 90 of 1,000 against 20 of 1,000). A harmless experiment raises such an alert at "
        "most 1 time in 20.");
    json_t *doc = evidence_of("alerting", "alert_event");
    recomputes(doc);
    json_decref(doc);
}
END_TEST

START_TEST(falling_is_harm_too)
{
    run(person,
        "insert into cohort.metric (key, event, direction_good) values ('purchase', 'unsubscribe', 'up')"
        " on conflict do nothing");
    define("falling", "[{\"metric\":\"purchase\",\"direction\":\"down\",\"margin\":0.9}]");
    arrive("falling", 1, 2000, 400, 2000, 200);
    ck_assert_int_eq(pass().stops, 1);
    json_t *doc = evidence_of("falling", "stop_event");
    recomputes(doc);
    ck_assert(json_object_get(doc, "risk_ratio_lower") == NULL);
    json_decref(doc);
    ck_assert_str_eq(
        ask("select split_part(sentence, '.', 2) from cohort.stop_event s join cohort.experiment e"
            " on e.id = s.experiment_id where e.key = 'falling'"),
        "50 × with treatment against control (at most 0");
}
END_TEST

/* A metric whose window has closed for some units: at_maturity looks only at those. */
START_TEST(maturity_waits)
{
    define("mature", "[{\"metric\":\"unsubscribe\",\"count\":\"at_maturity\"}]");
    arrive("mature", 1, 1000, 20, 1000, 200);
    ck_assert_int_eq(pass().stops, 0);
    run(shipper,
        "begin; select monitor_test.arrive('mature', 1, 'control', 1000, 20, 'unsubscribe', '9 days');"
        "select monitor_test.arrive('mature', 1, 'treatment', 1000, 200, 'unsubscribe', '9 days');"
        "select monitor_test.ship(); commit");
    ck_assert_int_eq(pass().stops, 1);
    json_t *doc = evidence_of("mature", "stop_event"),
           *phase = json_array_get(json_object_get(doc, "phases"), 0);
    recomputes(doc);
    ck_assert_double_eq(number(phase, "treatment_units"), 1000);
    ck_assert_str_eq(json_string_value(json_object_get(doc, "count")), "at_maturity");
    json_decref(doc);
}
END_TEST

/* A ramp over a falling base rate: pooled it would look like a benefit, phase by phase it is harm. */
START_TEST(phases_are_judged_one_by_one)
{
    define("ramp", UP);
    run(person, "select monitor_test.phase('ramp', 2, 900000, 100000)");
    run(person, "select monitor_test.phase('ramp', 3, 1000000, 0)"); /* a share of 0 compares nothing */
    arrive("ramp", 1, 1000, 20, 1000, 60);
    arrive("ramp", 2, 9000, 1800, 1000, 300);
    arrive("ramp", 3, 500, 100, 0, 0);
    ck_assert_int_eq(pass().stops, 1);
    json_t *doc = evidence_of("ramp", "stop_event");
    recomputes(doc);
    ck_assert_uint_eq(json_array_size(json_object_get(doc, "phases")), 2);
    ck_assert_double_gt(number(doc, "risk_ratio"), 1.4);
    json_decref(doc);
}
END_TEST

/* E of overwhelming harm has hundreds of digits, which readers of JSON refuse: it is left out, ln E is not.
 */
START_TEST(overwhelming_harm_stays_readable)
{
    define("overwhelming", UP);
    arrive("overwhelming", 1, 3000, 20, 3000, 1500);
    ck_assert_int_eq(pass().stops, 1);
    json_t *doc = evidence_of("overwhelming", "stop_event");
    recomputes(doc);
    ck_assert_double_gt(number(doc, "ln_e"), 700);
    ck_assert(json_is_null(json_object_get(doc, "e")));
    json_decref(doc);
    json_t *results = json_loads(ask("select cohort.results_json('overwhelming')"), 0, NULL), *guardrail;
    ck_assert(results != NULL);
    guardrail = json_array_get(json_object_get(results, "guardrails"), 0);
    ck_assert(json_is_null(json_object_get(guardrail, "e")));
    ck_assert_double_gt(number(guardrail, "ln_e"), 700);
    json_decref(results);
}
END_TEST

/* Three guardrails share alpha, and so do two treatments. */
START_TEST(alpha_is_shared)
{
    run(person, "select monitor_test.experiment('shared', '[{\"metric\":\"unsubscribe\",\"weight\":2},"
                "{\"metric\":\"complaint\"},{\"metric\":\"refund\"},{\"metric\":\"complaint\",\"action\":"
                "\"alert\"}]',"
                " '{400000,300000,300000}')");
    arrive("shared", 1, 4000, 80, 3000, 180);
    ck_assert_int_eq(pass().stops, 1);
    json_t *doc = evidence_of("shared", "stop_event");
    recomputes(doc);
    ck_assert_double_eq(number(doc, "weight"), 0.5);
    ck_assert_double_eq(number(doc, "arms"), 3);
    ck_assert_double_eq_tol(number(doc, "threshold_ln_e"), log(2 / 0.005), 1e-12);
    json_decref(doc);
}
END_TEST

/* ---- metrics of other kinds ---- */

static void conditions(const char *key, const char *conditions_json, const char *metrics,
                       const char *guardrails)
{
    char sql[2048];
    snprintf(sql, sizeof sql, "select monitor_test.conditions('%s', '%s', '%s', '%s')", key, conditions_json,
             metrics, guardrails);
    run(person, sql);
}

static void spend(const char *key, const char *event, int cu, double c_first, double c_step, int tu,
                  double t_first, double t_step)
{
    char sql[2048];
    snprintf(sql, sizeof sql,
             "begin; select monitor_test.spend('%s', 1, 'control', %d, '%s', %g, %g);"
             "select monitor_test.spend('%s', 1, 'treatment', %d, '%s', %g, %g);"
             "select monitor_test.ship(); commit",
             key, cu, event, c_first, c_step, key, tu, event, t_first, t_step);
    run(shipper, sql);
}

static const char *verdict_of(const char *key, const char *what)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "select %s from cohort.verdict_event v join cohort.experiment e on e.id = v.experiment_id"
             " where e.key = '%s' order by v.id desc limit 1",
             what, key);
    return ask(sql);
}

static const char *status_of(const char *key)
{
    char sql[256];
    snprintf(sql, sizeof sql, "select cohort.effective_status('%s')", key);
    return ask(sql);
}

static struct bucket_count buckets[2][BUCKET_LAST * 2 + 1];

static struct arm_sums arm_in(const json_t *phase, const char *key, int which)
{
    struct arm_sums a = {.buckets = buckets[which]};
    for (int b = -BUCKET_LAST; b <= BUCKET_LAST; b++) {
        char name[16];
        snprintf(name, sizeof name, "%d", b);
        json_t *n = json_object_get(json_object_get(phase, key), name);
        if (n)
            buckets[which][a.bucket_count++] = (struct bucket_count){b, json_integer_value(n)};
    }
    return a;
}

/* The tilt's E again, from nothing but the evidence. */
static void recomputes_tilt(json_t *doc)
{
    json_t *s = json_object_get(doc, "scores"), *phase;
    struct scores scores = {number(s, "centre"), number(s, "scale"), number(s, "clip")};
    struct tilt tilt = {0};
    size_t i;
    json_array_foreach(json_object_get(doc, "phases"), i, phase)
    {
        struct arm_sums t = arm_in(phase, "treatment_buckets", 0), c = arm_in(phase, "control_buckets", 1);
        int64_t units = 0;
        for (size_t k = 0; k < t.bucket_count; k++)
            units += t.buckets[k].n;
        ck_assert_int_eq(units, (int64_t)number(phase, "treatment_units"));
        tilt_add_phase(&tilt, &scores, number(phase, "q"), &t, &c);
    }
    bool up = strcmp(json_string_value(json_object_get(doc, "direction")), "up") == 0;
    double ln_e = tilt_log_e(&tilt, up ? TILT_UP : TILT_DOWN);
    ck_assert_double_eq_tol(ln_e, number(doc, "ln_e"), 1e-9 * fmax(1, fabs(ln_e)));
    ck_assert_double_ge(ln_e, number(doc, "threshold_ln_e"));
}

/* A condition's verdict again, from its evidence alone. */
static void judges_again(const char *key)
{
    json_t *doc = json_loads(verdict_of(key, "v.evidence"), JSON_DECODE_INT_AS_REAL, NULL);
    ck_assert(doc != NULL);
    const char *metric = json_string_value(json_object_get(doc, "metric"));
    struct condition c = {.kind = json_string_value(json_object_get(doc, "kind")),
                          .action = json_string_value(json_object_get(doc, "action")),
                          .metric = metric ? metric : "",
                          .experiment = key,
                          .alpha = number(doc, "alpha"),
                          .weight = number(doc, "weight"),
                          .inputs = json_object_get(doc, "inputs")};
    struct condition_verdict v;
    condition_judge(&c, &v);
    ck_assert(v.reached);
    if (json_is_number(json_object_get(doc, "ln_e"))) {
        ck_assert_double_eq_tol(v.ln_e, number(doc, "ln_e"), 1e-9 * fmax(1, fabs(v.ln_e)));
        ck_assert_double_eq_tol(v.threshold, number(doc, "threshold_ln_e"), 1e-9);
        ck_assert_double_ge(v.ln_e, v.threshold);
    }
    condition_verdict_fini(&v);
    json_decref(doc);
}

static void define_money(void)
{
    run(person,
        "insert into cohort.metric (key, event, kind, window_end_s, direction_good) select v.* from (values"
        " ('tickets', 'ticket', 'mean', 604800, 'down'), ('spent', 'order', 'mean', 604800, 'up')) v"
        " where not exists (select from cohort.metric m where m.key = v.column1)");
}

START_TEST(values_are_judged_by_the_tilt)
{
    define_money();
    define("money", "[{\"metric\":\"tickets\"}]");
    spend("money", "ticket", 100, 1, 0.01, 100, 5, 0.01);
    ck_assert_int_eq(pass().stops, 0); /* too few for scores: it says so */
    ck_assert_str_eq(ask("select s.ln_e || ' ' || (s.detail->>'missing') from cohort.guardrail_state s join"
                         " cohort.guardrail g on g.id = s.guardrail_id where g.experiment = 'money'"),
                     "0 400 units whose time is over and that have an amount, to register scores");
    spend("money", "ticket", 900, 0, 0.01, 900, 0, 0.014);
    pass(); /* registers */
    ck_assert_int_eq(atoi(ask("select count(*) from cohort.tilt_score")), 1);
    ck_assert_int_eq(pass().stops, 1);
    json_t *doc = evidence_of("money", "stop_event");
    recomputes_tilt(doc);
    json_decref(doc);
    ck_assert(strstr(verdict_of("money", "v.sentence"),
                     "Stopped: values of tickets are higher with treatment than"
                     " with control (") != NULL);
    ck_assert_str_eq(verdict_of("money", "concat_ws(' ', v.kind, v.action, v.metric_version)"),
                     "harm stop 1");
}
END_TEST

START_TEST(equal_values_run_on)
{
    define_money();
    define("same", "[{\"metric\":\"tickets\"},{\"metric\":\"spent\",\"direction\":\"down\"}]");
    spend("same", "ticket", 900, 0, 0.01, 900, 0, 0.01);
    spend("same", "order", 900, 0, 1, 900, 0, 1.001);
    pass();
    ck_assert_int_eq(pass().stops, 0);
    ck_assert_str_eq(status_of("same"), "running");
    ck_assert_str_eq(
        ask("select bool_and(s.ln_e < 1) from cohort.guardrail_state s join cohort.guardrail g on"
            " g.id = s.guardrail_id where g.experiment = 'same'"),
        "t");
}
END_TEST

/* A new version of a metric is a new test: what the old one knew stands beside it. */
START_TEST(versions_are_tests_of_their_own)
{
    run(person,
        "insert into cohort.metric (key, event, direction_good) values ('grumble', 'unsubscribe', 'down')"
        " on conflict do nothing");
    define("versions", "[{\"metric\":\"grumble\"}]");
    arrive("versions", 1, 1000, 20, 1000, 30);
    pass();
    run(person, "update cohort.metric set event = 'complaint' where key = 'grumble'");
    pass();
    pass();
    ck_assert_str_eq(ask("select string_agg(s.metric_version || ':' || (s.max_ln_e > 0), ' ' order by "
                         "s.metric_version) from"
                         " cohort.guardrail_state s join cohort.guardrail g on g.id = s.guardrail_id where"
                         " g.experiment = 'versions'"),
                     "1:true 2:false");
}
END_TEST

/* ---- actions ---- */

START_TEST(a_pause_waits_for_a_person)
{
    define("pausing", "[{\"metric\":\"unsubscribe\",\"action\":\"pause\"}]");
    arrive("pausing", 1, 2000, 20, 2000, 120);
    run(person, "begin; update cohort.experiment set description = 'thinking' where key = 'pausing'");
    run(leader, "set lock_timeout = '15s'");
    char before[32];
    snprintf(before, sizeof before, "%s", ask("select stop_version from cohort.plan_versions()"));
    struct monitor_result r = pass();
    run(leader, "set lock_timeout = '20s'");
    run(person, "rollback");
    ck_assert_int_eq(r.pauses, 1);
    ck_assert_int_eq(r.stops, 0);
    ck_assert_str_eq(status_of("pausing"), "paused");
    ck_assert_str_ne(ask("select stop_version from cohort.plan_versions()"), before);
    ck_assert_str_eq(ask("select jsonb_path_query_first(cohort.plan_document(), '$.experiments[*] ? (@.key =="
                         " \"pausing\").paused')"),
                     "true");
    ck_assert_str_eq(ask("select cohort.get_experiment('pausing')->'history'->-1->>'status'"), "paused");
    ck_assert_str_eq(ask("select left(sentence, 7) from cohort.results_due() where experiment = 'pausing'"),
                     "Paused:");
    run(person, "select cohort.resume('pausing', 'looked at it')");
    ck_assert_str_eq(ask("select coalesce(sentence, '') from cohort.results_due() where experiment ="
                         " 'pausing'"),
                     "");
    ck_assert_str_eq(status_of("pausing"), "running");
    arrive("pausing", 1, 10, 0, 10, 9);
    ck_assert_int_eq(pass().pauses, 0); /* a person has decided: the same finding does not come again */
    ck_assert_str_eq(status_of("pausing"), "running");
    ck_assert_str_eq(
        ask("select concat_ws(' ', v->>'kind', v->>'action', v->>'metric', v ? 'resumed_at') from"
            " jsonb_array_elements(cohort.get_experiment('pausing')->'verdicts') v"),
        "harm pause unsubscribe t");
}
END_TEST

static void chores(void)
{
    char sql[128];
    snprintf(sql, sizeof sql, "select * from cohort.ramp_pass(%lld)", (long long)epoch);
    run(leader, sql);
}

START_TEST(a_roll_back_closes_the_last_phase)
{
    run(person, "select monitor_test.conditions('back', '[]', '[]',"
                " '[{\"metric\":\"unsubscribe\",\"action\":\"roll_back\"}]', '{500000,500000}', "
                "'{\"traffic_ppm\":100000}')");
    run(person, "select cohort.ramp('back', 300000)");
    arrive("back", 2, 2000, 20, 2000, 120);
    ck_assert_int_eq(pass().ramps, 1);
    chores();
    ck_assert_str_eq(ask("select cohort.open_ppm(id) from cohort.experiment where key = 'back'"), "100000");
    ck_assert_str_eq(status_of("back"), "running");
    chores(); /* once */
    ck_assert_str_eq(ask("select cohort.open_ppm(id) from cohort.experiment where key = 'back'"), "100000");
}
END_TEST

START_TEST(nothing_to_roll_back_is_a_stop)
{
    define("bare", "[{\"metric\":\"unsubscribe\",\"action\":\"roll_back\"}]");
    arrive("bare", 1, 2000, 20, 2000, 120);
    ck_assert_int_eq(pass().stops, 1);
    ck_assert_str_eq(status_of("bare"), "stopped");
    ck_assert(strstr(verdict_of("bare", "v.sentence"), "There is no earlier phase to roll back to.") != NULL);
}
END_TEST

START_TEST(a_hold_holds_the_ramp)
{
    run(person, "select monitor_test.conditions('held', '[]', '[]',"
                " '[{\"metric\":\"unsubscribe\",\"action\":\"hold\"}]', '{500000,500000}',"
                " '{\"traffic_ppm\":100000,\"ramp\":[{\"traffic_ppm\":500000,\"wait_s\":0}]}')");
    arrive("held", 1, 2000, 20, 2000, 120);
    ck_assert_int_eq(pass().ramps, 1);
    chores();
    ck_assert_str_eq(
        ask("select state || ' ' || (note like '%unsubscribe rose 6.0 ×%') from cohort.ramp_step where"
            " experiment = 'held'"),
        "held true");
    ck_assert_str_eq(status_of("held"), "running");
}
END_TEST

/* ---- stop conditions ---- */

START_TEST(srm_is_a_condition)
{
    conditions("uneven", "[{\"kind\":\"srm\"}]", "[]", "[]");
    arrive("uneven", 1, 5000, 0, 5050, 0);
    ck_assert_int_eq(pass().stops, 0);
    arrive("uneven", 1, 4000, 0, 5050, 0);
    ck_assert_int_eq(pass().stops, 1);
    judges_again("uneven");
    ck_assert(strstr(verdict_of("uneven", "v.sentence"),
                     "(control 9,000 where its share is 9,550, treatment 10,100 where its share is 9,550)") !=
              NULL);
    ck_assert_str_eq(
        ask("select condition_id is not null and guardrail_id is null from cohort.stop_event s join"
            " cohort.experiment e on e.id = s.experiment_id where e.key = 'uneven'"),
        "t");
}
END_TEST

START_TEST(units_and_time_run_out)
{
    conditions("sized", "[{\"kind\":\"max_units\",\"units\":1000}]", "[]", "[]");
    conditions("timed", "[{\"kind\":\"max_duration\",\"seconds\":86400,\"action\":\"pause\"}]", "[]", "[]");
    arrive("sized", 1, 499, 0, 500, 0);
    struct monitor_result r = pass();
    ck_assert_int_eq(r.stops + r.pauses, 0);
    arrive("sized", 1, 1, 0, 0, 0);
    run(person, "select monitor_test.wait('timed', '25 hours')");
    r = pass();
    ck_assert_int_eq(r.stops, 1);
    ck_assert_int_eq(r.pauses, 1);
    ck_assert_str_eq(verdict_of("sized", "v.sentence"),
                     "Stopped: 1,000 units are exposed, of 1,000 that it may have.");
    ck_assert_str_eq(verdict_of("timed", "v.sentence"), "Paused: it has run for 1 day, as long as it may.");
    judges_again("sized");
    judges_again("timed");
}
END_TEST

START_TEST(silence_is_trouble)
{
    conditions("silent", "[{\"kind\":\"no_outcomes\",\"minutes\":30,\"action\":\"alert\"}]",
               "[{\"metric\":\"unsubscribe\",\"role\":\"primary\"}]", "[]");
    pass();
    run(person, "select monitor_test.wait('silent', '29 minutes')");
    ck_assert_int_eq(pass().alerts, 0);
    arrive("silent", 1, 100, 3, 100, 3); /* one came: it begins anew */
    ck_assert_int_eq(pass().alerts, 0);
    run(person, "select monitor_test.wait('silent', '29 minutes')");
    ck_assert_int_eq(pass().alerts, 0);
    /* a clock that went back is no silence, and does not end the watch */
    run(person, "select monitor_test.wait('silent', '-3 hours')");
    ck_assert_int_eq(pass().alerts, 0);
    run(person, "select monitor_test.wait('silent', '31 minutes')");
    ck_assert_int_eq(pass().alerts, 1);
    ck_assert(strstr(verdict_of("silent", "v.sentence"),
                     "Alert: no outcome has been counted for 30 minutes") != NULL);
    judges_again("silent");
    ck_assert_str_eq(status_of("silent"), "running");
}
END_TEST

START_TEST(volume_drifts)
{
    conditions("volume", "[{\"kind\":\"volume_drift\",\"minutes\":10,\"ratio\":2,\"action\":\"alert\"}]",
               "[]", "[]");
    pass();
    for (int i = 0; i < 24; i++) {
        arrive("volume", 1, 10 + i % 3, 0, 10, 0);
        run(person, "select monitor_test.wait('volume', '10 minutes')");
        ck_assert_int_eq(pass().alerts, 0);
    }
    int alerts = 0;
    for (int i = 0; i < 5 && !alerts; i++) {
        arrive("volume", 1, 40, 0, 40, 0);
        run(person, "select monitor_test.wait('volume', '10 minutes')");
        alerts += pass().alerts;
    }
    ck_assert_int_eq(alerts, 1);
    judges_again("volume");
}
END_TEST

START_TEST(success_and_futility)
{
    run(person, "insert into cohort.metric (key, event, direction_good) values ('converted', 'bought', 'up')"
                " on conflict do nothing");
    const char *metrics = "[{\"metric\":\"converted\",\"role\":\"primary\",\"smallest_relative\":0.2}]";
    const char *both = "[{\"kind\":\"success\"},{\"kind\":\"futility\"}]";
    conditions("winner", both, metrics, "[]");
    conditions("loser", both, metrics, "[]");
    conditions("open", both, metrics, "[]");
    conditions("crooked", both, metrics, "[]");
    run(shipper, "begin;"
                 "select monitor_test.arrive('winner', 1, 'control', 3000, 300, 'bought');"
                 "select monitor_test.arrive('winner', 1, 'treatment', 3000, 420, 'bought');"
                 "select monitor_test.arrive('loser', 1, 'control', 9000, 900, 'bought');"
                 "select monitor_test.arrive('loser', 1, 'treatment', 9000, 840, 'bought');"
                 "select monitor_test.arrive('open', 1, 'control', 300, 30, 'bought');"
                 "select monitor_test.arrive('open', 1, 'treatment', 300, 31, 'bought');"
                 "select monitor_test.arrive('crooked', 1, 'control', 2500, 250, 'bought');"
                 "select monitor_test.arrive('crooked', 1, 'treatment', 3500, 490, 'bought');"
                 "select monitor_test.ship(); commit");
    ck_assert_int_eq(pass().stops, 2);
    ck_assert_str_eq(verdict_of("winner", "v.kind || ' ' || (v.treatment_id is not null)"), "success true");
    ck_assert_str_eq(verdict_of("loser", "v.kind"), "futility");
    judges_again("winner");
    judges_again("loser");
    ck_assert_str_eq(status_of("open"), "running");
    ck_assert_str_eq(status_of("crooked"), "running"); /* success is blocked while counts are broken */
    ck_assert_str_eq(
        ask("select s.detail->'found'->'treatments'->0->>'counts_broken' from cohort.condition_state s join"
            " cohort.stop_condition c on c.id = s.condition_id where c.experiment = 'crooked' and c.kind ="
            " 'success'"),
        "true");
}
END_TEST

/* Means: behind the gate nothing is claimed; beyond it a win is. */
START_TEST(a_mean_can_win)
{
    define_money();
    conditions("richer", "[{\"kind\":\"success\",\"action\":\"alert\"}]",
               "[{\"metric\":\"spent\",\"role\":\"primary\"}]", "[]");
    spend("richer", "order", 300, 1, 0.1, 300, 40, 0.1);
    ck_assert_int_eq(pass().alerts, 0);
    spend("richer", "order", 900, 1, 0.01, 900, 5, 0.01);
    ck_assert_int_eq(pass().alerts, 1);
    judges_again("richer");
}
END_TEST

/* No units, an empty arm, an arm of share 0, values of 1e15, events in one arm only: a pass goes on, and
 * nothing that is no number is written. */
START_TEST(bad_input_breaks_no_pass)
{
    define_money();
    const char *all =
        "[{\"kind\":\"srm\",\"action\":\"alert\"},{\"kind\":\"success\",\"action\":\"alert\"},"
        "{\"kind\":\"futility\",\"action\":\"alert\"},{\"kind\":\"no_outcomes\",\"minutes\":30,\"action\":"
        "\"alert\"},{\"kind\":\"volume_drift\",\"ratio\":2,\"action\":\"alert\"}]";
    const char *metrics = "[{\"metric\":\"spent\",\"role\":\"primary\",\"smallest_relative\":0.01}]";
    const char *guards =
        "[{\"metric\":\"tickets\",\"action\":\"alert\"},{\"metric\":\"spent\",\"direction\":\"down\","
        "\"action\":\"alert\"},{\"metric\":\"refund\",\"action\":\"alert\"}]";
    conditions("void", all, metrics, guards);
    conditions("lopsided", all, metrics, guards);
    conditions("huge", all, metrics, guards);
    run(person, "select monitor_test.phase('lopsided', 2, 1000000, 0)");
    pass();
    spend("lopsided", "order", 0, 1, 1, 500, 7, 0);
    run(shipper, "begin; select monitor_test.spend('lopsided', 2, 'treatment', 5, 'order', 3, 0);"
                 " select monitor_test.ship(); commit"); /* of share 0 */
    spend("huge", "order", 450, 1e12, 0, 450, -1e12, 0);
    spend("huge", "ticket", 450, 1, 0, 450, 9e12, 0);
    run(person, "select monitor_test.wait('huge', '-3 hours')");
    pass();
    pass();
    ck_assert_str_eq(
        ask("select count(*) from cohort.guardrail_state where 'NaN' in (ln_e, max_ln_e,"
            " coalesce(risk_ratio, 0), coalesce(lower, 0), coalesce(upper, 0), coalesce(threshold, 0))"),
        "0");
    ck_assert_str_eq(ask("select count(*) from cohort.condition_state where 'NaN' in (coalesce(ln_e, 0),"
                         " coalesce(threshold, 0)) or detail::text ~ '(NaN|Infinity)'"),
                     "0");
    ck_assert_str_eq(verdict_of("lopsided",
                                "(select string_agg(distinct x.kind, ' ') from cohort.verdict_event x where"
                                " x.experiment_id = e.id)"),
                     "srm");
    ck_assert_int_gt(atoi(ask("select count(*) from cohort.condition_state where detail->>'missing' <> ''")),
                     3);
}
END_TEST

/* Somebody edits the experiment in psql and goes to lunch. */
START_TEST(open_edits_do_not_delay_a_stop)
{
    define("edited", UP);
    arrive("edited", 1, 2000, 20, 2000, 120);
    run(person, "begin; update cohort.experiment set description = 'thinking' where key = 'edited'");
    run(leader, "set lock_timeout = '15s'");
    ck_assert_int_eq(pass().stops, 1);
    run(leader, "set lock_timeout = '20s'");
    run(person, "rollback");
}
END_TEST

START_TEST(one_leader_at_a_time)
{
    struct pg_error e;
    int64_t other = -1;
    ck_assert_int_eq(leader_try(person, "second", &other, &e), ERR_OK);
    ck_assert_int_eq((int)other, 0);
}
END_TEST

/* Last: a leader that was replaced while it slept must not write. */
START_TEST(stale_epoch_writes_nothing)
{
    struct monitor_result r;
    struct pg_error e;
    int64_t newer = 0;
    define("stale", UP);
    arrive("stale", 1, 2000, 20, 2000, 120);
    run(leader, "select pg_advisory_unlock_all()"); /* the session lost its lock and does not know */
    ck_assert_int_eq(leader_try(person, "second", &newer, &e), ERR_OK);
    ck_assert_int_eq((int)newer, (int)epoch + 1);
    ck_assert_int_eq(monitor_pass(leader, epoch, "test-node", NULL, &counters, &r, &e), ERR_STATE);
    ck_assert_int_eq(r.stops, 0);
    ck_assert_int_eq(counter_get(&counters, leader), 0);
    ck_assert_str_eq(ask("select cohort.effective_status('stale')"), "running");
    ck_assert_str_eq(ask("select count(*) from cohort.ingest_batch where applied_at is null"), "1");
    /* the new leader finds it */
    ck_assert_int_eq(monitor_pass(person, newer, "second", NULL, &counters, &r, &e), ERR_OK);
    ck_assert_int_eq(r.stops, 1);
}
END_TEST

static void open_all(void)
{
    struct pg_error e;
    leader = connect_as("monitor");
    shipper = connect_as("shipper");
    person = connect_as("person");
    run(shipper, "select cohort.ingest_prepare()");
    ck_assert_int_eq(leader_try(leader, "test-node", &epoch, &e), ERR_OK);
    ck_assert_int_gt((int)epoch, 0);
}

static void close_all(void)
{
    pg_close(leader);
    pg_close(shipper);
    pg_close(person);
}

int main(void)
{
    Suite *s = suite_create("monitor");
    TCase *t = tcase_create("monitor");
    tcase_set_timeout(t, 300);
    tcase_add_unchecked_fixture(t, open_all, close_all);
    tcase_add_test(t, harm_stops_once_with_evidence);
    tcase_add_test(t, harmless_runs_on);
    tcase_add_test(t, quiet_passes_write_nothing);
    tcase_add_test(t, alerts_only_alert_and_once);
    tcase_add_test(t, falling_is_harm_too);
    tcase_add_test(t, maturity_waits);
    tcase_add_test(t, phases_are_judged_one_by_one);
    tcase_add_test(t, overwhelming_harm_stays_readable);
    tcase_add_test(t, alpha_is_shared);
    tcase_add_test(t, values_are_judged_by_the_tilt);
    tcase_add_test(t, equal_values_run_on);
    tcase_add_test(t, versions_are_tests_of_their_own);
    tcase_add_test(t, a_pause_waits_for_a_person);
    tcase_add_test(t, a_roll_back_closes_the_last_phase);
    tcase_add_test(t, nothing_to_roll_back_is_a_stop);
    tcase_add_test(t, a_hold_holds_the_ramp);
    tcase_add_test(t, srm_is_a_condition);
    tcase_add_test(t, units_and_time_run_out);
    tcase_add_test(t, silence_is_trouble);
    tcase_add_test(t, volume_drifts);
    tcase_add_test(t, success_and_futility);
    tcase_add_test(t, a_mean_can_win);
    tcase_add_test(t, bad_input_breaks_no_pass);
    tcase_add_test(t, open_edits_do_not_delay_a_stop);
    tcase_add_test(t, one_leader_at_a_time);
    tcase_add_test(t, stale_epoch_writes_nothing);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK); /* one leader's connection for all of them */
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
