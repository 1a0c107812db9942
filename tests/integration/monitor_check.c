/* monitor_pass() against the database of COHORT_TEST_DSN, which monitor.sh made. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "stats/evt.h"
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
    static char answer[8192];
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

/* Somebody edits the experiment in psql and goes to lunch. */
START_TEST(open_edits_do_not_delay_a_stop)
{
    define("edited", UP);
    arrive("edited", 1, 2000, 20, 2000, 120);
    run(person, "begin; update cohort.experiment set description = 'thinking' where key = 'edited'");
    run(leader, "set lock_timeout = '2s'");
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
    tcase_set_timeout(t, 120);
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
