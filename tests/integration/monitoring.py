#!/usr/bin/env python3
"""What an operator sees: every metric of a real server is in docs/operations.md and the other way round; the dashboard and the
alerts of packaging/ use metrics there are; each alert fires when it should, not in health, and has its chapter in the runbook."""
import json
import os
import re
import subprocess
import sys
import tempfile

from cohort_server import Checks, Server
from proxies import program

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
NAME = re.compile(r"\b(?:cohortd?|process)_[a-z0-9_]+\b")


def text_of(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as f:
        return f.read()


def promtool(*words, stdin=None):
    binary, environment = program("promtool")
    r = subprocess.run([binary, *words], input=stdin, capture_output=True, text=True, env=environment, timeout=120, check=False)
    return r.returncode == 0, r.stdout + r.stderr


# For whoever asks: what is configured, what costs something, and moments whose age is a metric too.
UNWATCHED = {"cohort_spool_conflict_records_total", "cohortd_monitor_heard_microseconds", "cohortd_plan_confirmed_microseconds",
             "cohortd_plan_loads_total", "cohortd_rate_failed_auth", "cohortd_rate_per_address", "cohortd_rate_per_key",
             "cohortd_shipped_batches_total", "cohortd_spool_commits_total", "cohortd_spool_groups", "cohortd_stopping"}

# Two nodes in health; a scenario gives series other values. "a+bxn": a, then n times b more, a minute each.
HEALTH = {
    "up": "1+0x70", "process_start_time_seconds": "1000+0x70", "cohortd_monitor_age_seconds": "1+0x70", "cohortd_plan_age_seconds": "1+0x70",
    "cohortd_plan_version": "7+0x70", "cohort_spool_records": "20+0x70", "cohortd_spool_unshipped_bytes": "1000+0x70", "cohortd_spool_max_bytes": "4000000+0x70",
    "cohortd_ship_errors_total": "3+0x70", "cohortd_decision_records_lost_total": "0+0x70", "cohort_spool_accepted_records_total": "1020+1000x70",
    "cohort_spool_stored_records_total": "1000+990x70", "cohort_spool_duplicate_records_total": "0+9x70", "cohort_spool_dead_letter_records_total": "0+1x70",
    "cohort_spool_damaged_groups_total": "0+0x70", "cohortd_http_responses_5xx_total": "0+1x70", "cohortd_http_requests_total": "0+1000x70",
    "cohortd_http_overloaded_total": "0+1x70", "cohortd_http_connections_refused_total": "0+0x70", "cohortd_rate_limited_keys_total": "0+1x70", "cohortd_rate_limited_addresses_total": "0+1x70",
    "cohortd_rate_limited_failed_auth_total": "0+1x70", "cohortd_quarantined_experiments": "0+0x70", "cohortd_guardrail_stops_total": "1+0x70",
    "cohortd_guardrail_alerts_total": "1+0x70", "cohortd_tls_certificate_expiry_seconds": "10000000+0x70", "cohortd_tls_handshakes_failed_total": "0+1x70",
}
LEADERS = {"a": "1+0x70", "b": "0+0x70"}

# What node a (or, with "*", each) shows instead, and what then fires after 66 minutes.
SCENARIOS = [
    ({}, []),
    ({"up": "1+0x60 0+0x10"}, ["CohortdDown"]),
    ({"process_start_time_seconds": "1000+0x50 1100+60x20"}, ["CohortdRestarting"]),
    ({"cohortd_monitor_age_seconds": "1+60x70"}, []),  # one node hears nothing: another does
    ({"*cohortd_monitor_age_seconds": "1+0x60 60+60x10"}, ["CohortdGuardrailsUnwatched"]),
    ({"cohortd_leader": "1+0x60 0+0x10"}, ["CohortdNoLeader"]),
    ({"cohortd_plan_age_seconds": "1+0x60 60+60x10"}, ["CohortdPlanStale"]),
    ({"cohortd_plan_version": "7+0x65 8+0x5"}, []),  # just now
    ({"cohortd_plan_version": "7+0x60 8+0x10"}, ["CohortdNodesDisagree"]),
    ({"cohort_spool_records": "5000+0x70", "cohort_spool_accepted_records_total": "6000+1000x70"}, []),  # many, but no more
    ({"cohort_spool_records": "5000+10x70", "cohort_spool_accepted_records_total": "6000+1010x70"}, ["CohortdEventsWait"]),
    ({"cohortd_spool_unshipped_bytes": "1000+0x60 2100000+1000x10"}, ["CohortdSpoolHalfFull"]),
    ({"cohortd_ship_errors_total": "3+0x60 10+10x10"}, ["CohortdShipErrors"]),
    ({"cohortd_decision_records_lost_total": "0+0x62 5+0x8"}, ["CohortdRecordsLost"]),
    ({"cohort_spool_stored_records_total": "999+990x70"}, ["CohortdBooksDiffer"]),
    ({"cohort_spool_damaged_groups_total": "0+0x40 1+0x30"}, ["CohortdSpoolDamaged"]),
    ({"cohort_spool_dead_letter_records_total": "0+31x70", "cohort_spool_stored_records_total": "1000+960x70"}, ["CohortdDeadLetters"]),
    ({"cohortd_http_responses_5xx_total": "0+30x70"}, ["CohortdErrors"]),
    ({"cohortd_http_overloaded_total": "0+0x60 0+100x10"}, ["CohortdOverloaded"]),
    ({"cohortd_http_connections_refused_total": "0+0x60 0+10x10"}, ["CohortdConnectionsRefused"]),
    ({"cohortd_tls_certificate_expiry_seconds": "0+0x70"}, []),  # no TLS
    ({"cohortd_tls_certificate_expiry_seconds": "1200000+0x70"}, ["CohortdCertificateExpires"]),
    ({"cohortd_tls_handshakes_failed_total": "0+20x70"}, ["CohortdHandshakesFail"]),
    ({"cohortd_rate_limited_addresses_total": "0+30x70"}, ["CohortdRateLimited"]),
    ({"cohortd_rate_limited_failed_auth_total": "0+20x70"}, ["CohortdKeysGuessed"]),
    ({"cohortd_quarantined_experiments": "0+0x60 1+0x10"}, ["CohortdQuarantined"]),
    ({"cohortd_guardrail_stops_total": "1+0x60 2+0x10"}, ["CohortdExperimentStopped"]),
    ({"cohortd_guardrail_alerts_total": "1+0x60 2+0x10"}, ["CohortdGuardrailAlert"]),
]


def scenario(changes, fires):
    series = {(m, node): v for m, v in HEALTH.items() for node in "ab"}
    series.update({("cohortd_leader", node): v for node, v in LEADERS.items()})
    for m, v in changes.items():
        for node in "ab" if m[0] == "*" else "a":
            series[(m.lstrip("*"), node)] = v
    return {"interval": "1m",
            "input_series": [{"series": f'{m}{{job="cohortd",instance="{node}"}}', "values": v} for (m, node), v in series.items()],
            "promql_expr_test": [{"expr": 'count by (alertname) (ALERTS{alertstate="firing"})', "eval_time": "66m",
                                  "exp_samples": [{"labels": f'{{alertname="{a}"}}', "value": 1} for a in fires]}]}


def alerts_fire(c, rules):
    """promtool reads YAML, and JSON is YAML."""
    path = os.path.abspath(os.path.join(TOP, "packaging", "prometheus-rules.yml"))
    c.check("promtool check rules", *promtool("check", "rules", path))
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as f:
        json.dump({"rule_files": [path], "evaluation_interval": "1m", "tests": [scenario(*s) for s in SCENARIOS]}, f)
        f.flush()
        c.check(f"{len(SCENARIOS)} scenarios: what should fire does, and nothing else", *promtool("test", "rules", f.name))
    tried = {a for _, fires in SCENARIOS for a in fires}
    c.equal("each alert is tried", sorted(set(re.findall(r"alert: (\w+)", rules)) - tried), [])


def expressions_parse(c, dashboard):
    """The dashboard's expressions as rules, which promtool can read."""
    known = {"$__rate_interval": "5m", "$instance": ".*"}
    exprs = [t["expr"] for p in dashboard["panels"] for t in p.get("targets", [])] + [a["expr"] for a in dashboard["annotations"]["list"]]
    for word, value in known.items():
        exprs = [e.replace(word, value) for e in exprs]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as f:
        json.dump({"groups": [{"name": "x", "rules": [{"record": f"x:{i}", "expr": e} for i, e in enumerate(exprs)]}]}, f)
        f.flush()
        c.check(f"{len(exprs)} expressions of the dashboard are PromQL", *promtool("check", "rules", f.name))


def main():
    c = Checks()
    with Server("--workers", "1") as s:
        s.until(lambda: "cohort_spool_records" in s.request("GET", "/metrics").body.decode(), "the books are known")
        metrics = s.request("GET", "/metrics").body.decode()
    exported = set(re.findall(r"^# TYPE (\w+)", metrics, re.M))
    manual, rules, panels = text_of("docs", "operations.md"), text_of("packaging", "prometheus-rules.yml"), text_of("packaging", "grafana-dashboard.json")
    table = set(re.findall(r"^\| `(\w+)` \|", manual[manual.index("### Every metric"):], re.M)) & (exported | set(NAME.findall(manual)))
    c.equal("the table of metrics in docs/operations.md is what /metrics has", sorted(table ^ exported), [])
    for what, text in (("alerts", rules), ("dashboard", panels)):
        c.equal(f"the {what} use metrics there are", sorted(set(NAME.findall(re.sub(r"#.*", "", text))) - exported), [])
    unseen = exported - set(NAME.findall(panels)) - set(NAME.findall(rules))
    c.equal("no other metric is in neither", sorted(unseen - UNWATCHED), [])
    chapters = re.findall(r"^#### (\w+)", manual, re.M)
    c.equal("each alert has its chapter in the runbook, in the order of the file", chapters, re.findall(r"alert: (\w+)", rules))
    if not program("promtool"):
        print("skipped: promtool is not here (Debian's package prometheus): whether the alerts fire")
        c.failed or sys.exit(77)
    else:
        alerts_fire(c, rules)
        expressions_parse(c, json.loads(panels))
        _, said = promtool("check", "metrics", stdin=metrics)
        c.equal("promtool check metrics", [line for line in said.splitlines() if line and "_microseconds use base unit" not in line], [])
    c.done()


main()
