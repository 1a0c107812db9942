#!/usr/bin/env python3
"""Webhooks against a real receiver: signed, repeated until they are taken, not lost with a leader, never showing their secret."""
import hashlib
import hmac
import http.server
import json
import os
import signal
import subprocess
import threading
import time

from cohort_server import BUILD, Checks, Server, experiment

SECRET = "c0rrect-horse-battery-staple"


class Receiver:
    """Keeps what is posted; answers are taken from a list, then 200. hold: an answer waits for it."""

    def __init__(self):
        outer = self
        self.got, self.answers, self.lock = [], [], threading.Lock()
        self.hold = threading.Event()
        self.hold.set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with outer.lock:
                    outer.got.append((self.path, dict(self.headers), body))
                    status = outer.answers.pop(0) if outer.answers else 200
                outer.hold.wait(30)
                try:
                    self.send_response(status)
                    if status == 302:
                        self.send_header("Location", "/elsewhere")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    pass  # the sender went away

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path="/hook"):
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def of(self, **fields):
        """The posts whose JSON has these fields."""
        with self.lock:
            posts = list(self.got)
        return [p for p in posts if all(json.loads(p[2]).get(k) == v for k, v in fields.items())]


def signed(headers, body, secret=SECRET):
    parts = dict(p.split("=", 1) for p in headers["Cohort-Signature"].split(","))
    good = hmac.new(secret.encode(), parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(good, parts["v1"]) and abs(int(parts["t"]) - time.time()) < 60


def put(s, key, url, **fields):
    return s.request("PUT", f"/v1/webhooks/{key}", dict({"url": url, "secret": SECRET}, **fields), "admin")


def alert(s, key, sentence):
    """An event as the monitor leaves it."""
    s.sql(f"""insert into cohort.alert_event (experiment_id, iteration, guardrail_id, treatment_id, epoch, sentence, evidence)
              select id, iteration, (select coalesce(max(guardrail_id), 0) + 1 from cohort.alert_event), 1, 1, '{sentence}',
                     '{{"ln_e": 7.5}}' from cohort.experiment where key = '{key}'""")


def deliveries(s, key):
    return s.request("GET", f"/v1/webhooks/{key}/deliveries", None, "admin").json["items"]


def rules(s, c):
    for what, key, body, status, code in (
            ("no address", "x", {"secret": SECRET}, 400, "document_field_missing"),
            ("an address of ftp", "x", {"url": "ftp://a/", "secret": SECRET}, 422, "webhook_url_format"),
            ("an address with a password", "x", {"url": "http://a:b@c/", "secret": SECRET}, 422, "webhook_url_format"),
            ("an address with a blank", "x", {"url": "http://a/ b", "secret": SECRET}, 422, "webhook_url_format"),
            ("no secret", "x", {"url": "http://a/"}, 422, "webhook_secret_missing"),
            ("a short secret", "x", {"url": "http://a/", "secret": "short"}, 422, "webhook_secret_length"),
            ("an event nobody knows", "x", {"url": "http://a/", "secret": SECRET, "events": ["stops"]}, 422, "webhook_events_known"),
            ("no events", "x", {"url": "http://a/", "secret": SECRET, "events": []}, 422, "webhook_events_known"),
            ("a key with a capital", "X", {"url": "http://a/", "secret": SECRET}, 422, "webhook_key_format"),
            ("an unknown field", "x", {"url": "http://a/", "secret": SECRET, "uri": 1}, 400, "document_field_unknown")):
        a = s.request("PUT", f"/v1/webhooks/{key}", body, "admin")
        c.check(f"{what}: {status} {code}", a.status == status and a.json["code"] == code, a)
        c.check(f"{what}: the secret is not repeated", SECRET not in a.body.decode(), a)
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/deliveries"), ("POST", "/test")):
        c.equal(f"{method} of a webhook that is not there: 404", s.request(method, f"/v1/webhooks/none{path}", None, "admin").status, 404)
    c.equal("a good one: 200", put(s, "x", "http://a/").status, 200)
    c.equal("analysts may not read them", s.request("GET", "/v1/webhooks", None, "analyst").status, 403)


def documents(s, c, r):
    a = put(s, "ops", r.url())
    c.check("made, the secret masked", a.status == 200 and a.json["secret"] == "********", a)
    back = s.request("PUT", "/v1/webhooks/ops", a.json, "admin")
    c.check("its own document put back changes nothing", back.status == 200 and back.json == a.json, back)
    c.equal("the secret stayed", s.value("select secret from cohort.webhook where key = 'ops'"), SECRET)
    c.equal("a list has it", [i["key"] for i in s.request("GET", "/v1/webhooks", None, "admin").json["items"]], ["ops", "x"])
    s.request("DELETE", "/v1/webhooks/x", None, "admin")
    c.equal("deleted", s.request("GET", "/v1/webhooks/x", None, "admin").status, 404)
    t = s.request("POST", "/v1/webhooks/ops/test", None, "admin")
    c.check("a test is queued: 202", t.status == 202 and t.json["state"] == "pending", t)
    s.until(lambda: r.of(event="test", id=t.json["id"]), "the test arrives")
    path, headers, body = r.of(event="test")[0]
    c.check("signed with the secret", signed(headers, body) and not signed(headers, body + b" "))
    c.check("its id and event are headers", headers["Cohort-Delivery"] == t.json["id"] and headers["Cohort-Event"] == "test")


def retried(s, c, r):
    r.answers[:] = [500, 302]
    s.sql("""insert into cohort.stop_event (experiment_id, iteration, guardrail_id, treatment_id, epoch, sentence, evidence)
             select id, iteration, 1, 1, 1, 'It did harm.', '{"ln_e": 9.5}' from cohort.experiment where key = 'cta'""")
    s.until(lambda: len(r.of(event="stop")) == 3, "two failures, then it is taken")
    posts = r.of(event="stop")
    c.equal("500, then a redirect, then 200: one id", len({p[1]["Cohort-Delivery"] for p in posts}), 1)
    c.equal("the same body each time", len({p[2] for p in posts}), 1)
    c.equal("attempts are numbered", [p[1]["Cohort-Attempt"] for p in posts], ["1", "2", "3"])
    c.check("each is signed", all(signed(p[1], p[2]) for p in posts))
    c.equal("the redirect was not followed", {p[0] for p in posts}, {"/hook"})
    doc = json.loads(posts[0][2])
    c.check("it says what, why and the evidence", doc["experiment"] == "cta" and doc["iteration"] == 1 and doc["sentence"] == "It did harm."
            and doc["evidence"]["ln_e"] == 9.5 and doc["environment"] == "production", doc)
    s.until(lambda: deliveries(s, "ops")[0]["state"] == "delivered", "delivered")
    c.equal("once: nothing is made anew", len([d for d in deliveries(s, "ops") if d["event"] == "stop"]), 1)


def slow(s, c, r):
    """A receiver that does not answer holds up neither another webhook nor the monitor."""
    dead = Receiver()
    dead.hold.clear()
    put(s, "dead", dead.url())
    before = s.value("select heartbeat from cohort.leader_state")
    alert(s, "cta", "For a dead one.")
    s.until(lambda: dead.of(event="alert"), "the dead one is called")
    s.until(lambda: r.of(event="alert", sentence="For a dead one."), "the other one hears at once")
    c.check("while the dead one has not answered", all(d["state"] == "pending" for d in deliveries(s, "dead")))
    s.until(lambda: s.value("select heartbeat from cohort.leader_state") > before, "the monitor goes on")
    s.until(lambda: deliveries(s, "dead")[0]["last_error"], "the time-out")
    d = deliveries(s, "dead")[0]
    c.check("it timed out and is to be tried again", "imeout" in d["last_error"] and d["state"] == "pending" and d["next_at"], d)
    dead.hold.set()
    s.until(lambda: deliveries(s, "dead")[0]["state"] == "delivered", "and is taken in the end")
    s.request("DELETE", "/v1/webhooks/dead", None, "admin")
    c.equal("with a webhook go its deliveries", s.value("select count(*) from cohort.webhook_delivery d where not exists "
                                                        "(select from cohort.webhook w where w.id = d.webhook_id)"), "0")


def killed(s, c, r):
    """The leader dies with one under way and others not begun: the next leader sends them all."""
    r.hold.clear()
    for i in range(5):
        alert(s, "cta", f"Before the kill {i}.")
    s.until(lambda: r.of(event="alert", sentence="Before the kill 0."), "one is under way")
    s.stop(signal.SIGKILL)
    r.hold.set()
    s.start()
    s.until(lambda: all(d["state"] == "delivered" for d in deliveries(s, "ops")) and len(deliveries(s, "ops")) >= 8, "all are delivered")
    for i in range(5):
        posts = r.of(sentence=f"Before the kill {i}.")
        c.check(f"alert {i} arrived, under one id", len(posts) >= 1 and len({p[1]["Cohort-Delivery"] for p in posts}) == 1)
    c.check("what was under way came twice: at least once", len(r.of(sentence="Before the kill 0.")) >= 2)


def off(s, c, r):
    put(s, "ops", r.url(), enabled=False)
    alert(s, "cta", "While it is off.")
    put(s, "ops", r.url(), enabled=True)
    alert(s, "cta", "On again.")
    s.until(lambda: r.of(sentence="On again."), "it hears again")
    c.equal("what happened while it was off is not sent", r.of(sentence="While it is off."), [])
    put(s, "ops", r.url(), events=["stop"])
    alert(s, "cta", "Not asked for.")
    put(s, "ops", r.url(), events=["stop", "alert"], secret=SECRET + "2")
    s.until(lambda: r.of(sentence="Not asked for."), "asked for later: it had not been told yet")
    p = r.of(sentence="Not asked for.")[0]
    c.check("signed with the new secret", signed(p[1], p[2], SECRET + "2"))


def given_up(s, c, r):
    r.answers[:] = [500] * 100  # the first attempt may come before the day is over
    t = s.request("POST", "/v1/webhooks/ops/test", None, "admin").json
    s.sql(f"update cohort.webhook_delivery set created_at = created_at - interval '25 hours' where id = '{t['id']}' and state = 'pending'")
    s.until(lambda: [d for d in deliveries(s, "ops") if d["id"] == t["id"] and d["state"] in ("failed", "delivered")], "given up")
    r.answers.clear()
    d = [d for d in deliveries(s, "ops") if d["id"] == t["id"]][0]
    c.check("after a day it is given up, visibly", d["state"] == "failed" and d["last_status"] == 500 and d["last_error"] == "answered 500", d)


def ctl(s, *words):
    p = subprocess.run([os.path.join(BUILD, "cohortctl"), "--data", s.data, "webhooks", *words], capture_output=True, text=True)
    return p.returncode, p.stdout.strip(), p.stderr.strip()


def by_hand(s, c, r):
    """cohortctl webhooks."""
    rc, secret, _ = ctl(s, "put", "pager", r.url("/pager"), "--events", "alert")
    c.check("put makes one and prints its secret", rc == 0 and len(secret) == 48, secret)
    rc, out, err = ctl(s, "put", "pager", r.url("/pager"), "--events", "stop,alert")
    c.check("once", rc == 0 and out == "" and secret not in err, (rc, out, err))
    rc, out, _ = ctl(s, "list")
    c.check("list shows both, no secret", rc == 0 and "pager" in out and "stop,alert" in out and "ops" in out and secret not in out, out)
    c.equal("test", ctl(s, "test", "pager")[0], 0)
    s.until(lambda: [p for p in r.of(event="test") if p[0] == "/pager"], "it arrives")
    p = [p for p in r.of(event="test") if p[0] == "/pager"][0]
    c.check("signed with the secret that was printed", signed(p[1], p[2], secret))
    s.until(lambda: "delivered" in ctl(s, "deliveries", "pager")[1], "deliveries tells so")
    c.check("an action it doesn't know", ctl(s, "tets")[0] != 0 and "test" in ctl(s, "tets")[2])
    c.equal("delete", ctl(s, "delete", "pager")[0], 0)
    c.check("and it is gone", ctl(s, "delete", "pager")[0] != 0)


def verdicts(s, c, r):
    """What stop conditions find, as the monitor records it; and results say it too."""
    s.put("/v1/experiments/plain", experiment(guardrails=[]), "admin")
    s.sql("select cohort.start('plain')")
    put(s, "ops", r.url(), events=["stop", "alert", "verdict"])

    def record(kind, action, sentence):
        return s.value(f"""select cohort.record_verdict(l.epoch, e.id, '{kind}', null, 7, null, 1, '{action}', '{sentence}', '{{"ln_e": 4.5}}')
                           from cohort.leader_state l, cohort.experiment e where e.key = 'plain'""")

    def decision():
        return s.get("/v1/experiments/plain/results").json["decision"]
    for kind, action, sentence in (("futility", "alert", "Alert: sales gain less than is worth having."),
                                   ("volume_drift", "hold", "Held: the volume drifted."),
                                   ("no_outcomes", "pause", "Paused: no outcome has been counted.")):
        c.equal(f"{kind}: recorded", record(kind, action, sentence), "t")
        s.until(lambda t=sentence: r.of(event="verdict", sentence=t), f"{kind} is told")
        path, headers, body = r.of(event="verdict", sentence=sentence)[0]
        doc = json.loads(body)
        c.check(f"{kind}: {action}, signed, with the evidence", doc["kind"] == kind and doc["action"] == action and doc["experiment"] == "plain"
                and doc["evidence"] == {"ln_e": 4.5} and headers["Cohort-Event"] == "verdict" and signed(headers, body, SECRET), doc)
        s.until(lambda t=sentence: t in decision(), f"results say: {sentence}")
    c.equal("a pause says why, and nothing else", decision(), "Paused: no outcome has been counted.")
    s.sql("select cohort.resume('plain')")
    s.until(lambda: "Running: " in decision() and "gain less" in decision(), "resumed: what was found stays told")
    c.equal("success stops", record("success", "stop", "Stopped: it is better."), "t")
    s.until(lambda: r.of(event="stop", kind="success"), "a stop says which condition it was")
    c.equal("once, not as a verdict too", r.of(event="verdict", kind="success"), [])
    s.until(lambda: decision() == "Stopped: it is better.", "and results say so")


def secrets(s, c):
    c.equal("no secret in the audit", s.value(f"select count(*) from cohort.audit where before::text || after::text like '%{SECRET}%' "
                                              f"or after::text like '%{SECRET}%'"), "0")
    c.check("changes are in the audit", int(s.value("select count(*) from cohort.audit where object = 'webhook'")) >= 3)
    c.check("no secret in the log", SECRET not in s.log())
    c.check("the log says what became of them", "webhooks: production: webhook ops was told of stop" in s.log()
            and "answered 500; trying again for a day" in s.log() and "given up" in s.log())
    c.equal("analysts can't read the table", s.value("select has_table_privilege('cohort_analyst', 'cohort.webhook', 'select')"), "f")


def main():
    c, r = Checks(), Receiver()
    with Server() as s:
        s.put("/v1/experiments/cta", experiment(), "admin")
        s.sql("select cohort.start('cta')")
        rules(s, c)
        documents(s, c, r)
        retried(s, c, r)
        slow(s, c, r)
        killed(s, c, r)
        off(s, c, r)
        given_up(s, c, r)
        by_hand(s, c, r)
        verdicts(s, c, r)
        secrets(s, c)
    c.done()


if __name__ == "__main__":
    main()
