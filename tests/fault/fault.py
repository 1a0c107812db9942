"""The harness of the fault tests: a PostgreSQL of our own, clients that keep a ledger of every id they sent and every
answer they got, and a checker that compares the ledger with the spools and the database.

An event that was answered 202 and is not stored is lost; one that is stored twice is doubled. Counts are asserted;
seconds are only reported. Each fault is a program of its own: run() gives it its length (short in `make check`, long
with FAULTS=long, as ./run-tests --faults sets it) and writes a row of the table into $FAULT_TABLE.
"""
import http.client
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))
from cohort_server import BUILD, PATIENCE, Checks, Server, copy_cluster, experiment, now  # noqa: E402

PG_BINDIR = os.environ.get("PG_BINDIR", "/usr/lib/postgresql/15/bin")
LONG = os.environ.get("FAULTS") == "long"
REFUSED = -1
HUNG = "hung"  # a 503 because the spool has not been written for 5 s: so it is, rightly, when the machine or its disk stands still
SEED = int(os.environ.get("FAULT_SEED", "20240607"))


def skip(why):
    print(f"skipped: {why}", flush=True)
    sys.exit(77)


def until(condition, what, patience=PATIENCE):
    """Waits until condition() is true and returns it; an OSError in it means "not yet"."""
    end = time.monotonic() + patience
    pause = threading.Event()
    while True:
        try:
            got = condition()
        except OSError:
            got = None
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience} s in vain: {what}")
        pause.wait(0.02)


class Postgres:
    """A cluster under /tmp with a unix socket only, as tests/integration/pg.sh makes it for the shell. Its database "cohort"
    is migrated already, or, of kind "empty", has nothing in it."""

    def __init__(self, *options, kind="migrated"):
        if not os.access(os.path.join(PG_BINDIR, "postgres"), os.X_OK):
            skip(f"no PostgreSQL server in {PG_BINDIR} (set PG_BINDIR)")
        self.kind = kind
        self.dir = tempfile.mkdtemp(prefix="cohort-pg.", dir="/tmp")
        self.data, self.socket = self.dir + "/data", self.dir + "/socket"
        self.options = ["listen_addresses=", "unix_socket_directories=" + self.socket, "fsync=off", *options]
        self.dsn = f"host={self.socket} user=postgres dbname=cohort"

    def run(self, program, *args, check=True):
        command = [os.path.join(PG_BINDIR, program), *args]
        if os.geteuid() == 0:
            command = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups", *command]
        r = subprocess.run(command, cwd=self.dir, env=dict(os.environ, HOME=self.dir), stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=180, check=False)
        if check and r.returncode != 0:
            raise AssertionError(f"{program}: {r.stdout.decode()}")
        return r.returncode

    def __enter__(self):
        os.chmod(self.dir, 0o711)
        os.mkdir(self.socket, 0o755)
        if os.geteuid() == 0:
            for path in (self.dir, self.socket):
                shutil.chown(path, "postgres", "postgres")
        copy_cluster(self.kind, self.data)
        with open(self.data + "/postgresql.auto.conf", "a") as f:
            f.writelines(f"{name} = '{value}'\n" for name, value in (o.split("=", 1) for o in self.options))
        self.start()
        if self.kind == "empty":
            self.psql("create database cohort", "postgres")
        return self

    def __exit__(self, *exc):
        self.stop("immediate")
        shutil.rmtree(self.dir, ignore_errors=True)

    def start(self):
        def started():
            return self.run("pg_ctl", "-D", self.data, "-l", self.dir + "/log", "-w", "-t", "60", "-s", "start", check=False) == 0
        until(started, "PostgreSQL starts")  # after a SIGKILL its children must be gone first

    def stop(self, mode="fast"):
        if os.path.exists(self.data + "/postmaster.pid"):
            self.run("pg_ctl", "-D", self.data, "-m", mode, "-w", "-t", "120", "-s", "stop", check=False)

    def owner(self):
        """Who owns its files."""
        return os.stat(self.data).st_uid

    def postmaster(self):
        with open(self.data + "/postmaster.pid") as f:
            return int(f.readline())

    def kill(self):
        """SIGKILL of the postmaster; its children end by themselves."""
        os.kill(self.postmaster(), signal.SIGKILL)

    def psql(self, script, database="cohort", check=True):
        r = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-f", "-",
                            f"host={self.socket} user=postgres dbname={database}"],
                           input=script.encode(), capture_output=True, timeout=600, check=False)
        if r.returncode != 0:
            # Away is an answer; a mistake in the script is not.
            if not check and not (r.returncode == 3 and re.search(rb"ERROR:.*(syntax|does not exist|invalid)", r.stderr)):
                return None
            raise AssertionError(f"psql: {r.stderr.decode()}\n{script[:2000]}")
        return r.stdout.decode().strip()

    def value(self, script):
        return self.psql(script)

    def mutate(self, changes):
        """Changes functions of this database for the worse: (function, old words, new words). Words that are not there
        are an error, not a mutant that was caught."""
        for function, old, new in changes:
            text = self.psql(f"select pg_get_functiondef(to_regprocedure('{function}'))")
            if old not in text:
                raise RuntimeError(f"a mutant changes nothing: {function} has no {old!r}")
            self.psql("set search_path = cohort;\n" + text.replace(old, new) + ";")

    def true(self, script):
        """For until(): false while the database is away, too."""
        return self.psql(script, check=False) == "t"

    def hold(self, script, check=True):
        """A psql session that has run the script and stays open; communicate() ends it. Without check, None when the script
        failed."""
        p = subprocess.Popen(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", self.dsn], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        p.stdin.write((script + "\n;select 'held';\n").encode())
        p.stdin.flush()
        said = line = p.stdout.readline()
        while line and line != b"held\n":
            line = p.stdout.readline()
            said += line
        if not line:
            p.communicate()
            assert not check, f"the session that should hold something ended: {said.decode()}"
            return None
        return p


class Node(Server):
    """A cohortd on a database that outlives it. program: another binary, a mutant. It refuses nobody for what a request has
    to wait: on a machine that stands still at times that says nothing of the fault."""

    def __init__(self, pg, name="node-a", *options, program=None, environment=None, data=None):
        super().__init__("--database", pg.dsn, "--node-name", name, "--workers", "2", "--max-wait-ms", "0", *options, data=data)
        self.name, self.pg = name, pg
        self.program = program or self.program
        self.environment = environment or {}

    def begin(self, key, **changes):
        """Defines and starts an experiment; it is served then. A 503 is asked again: a machine that stands still for seconds
        looks like a database that is away."""
        def answered(a):
            assert a.status in (200, 201), a
            return True
        self.until(lambda: answered(self.put("/v1/experiments/" + key, experiment(**changes))), key + " is defined")
        self.until(lambda: answered(self.post(f"/v1/experiments/{key}/start")), key + " is started")
        self.until(lambda: self.evaluate(key, "w")["reason"] == "SPLIT", key + " runs")

    def drained(self):
        """Everything in this node's spool is stored."""
        spool, last = self.spooled()
        return last == 0 or self.pg.true(f"select watermark >= {last} from cohort.spool where spool_id = '{spool}'")

    def spooled(self):
        """The spool's id and the number of its last group."""
        path = os.path.join(self.data, "spool.db")
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        try:
            spool = db.execute("select value from meta where key = 'spool_id'").fetchone()[0]
            last = db.execute("select coalesce(max(seq), 0) from sqlite_sequence where name = 'grp'").fetchone()[0]
        finally:
            db.close()
        return bytes(spool)[:16].hex(), last  # a seal may follow the id

    def metric(self, name):
        text = self.request("GET", "/metrics").body.decode()
        found = re.search(rf"^{name} (\S+)$", text, re.M)
        return float(found.group(1)) if found else None

    def memory_kb(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return int(re.search(r"^VmRSS:\s+(\d+)", f.read(), re.M).group(1))


class Batch:
    """Events with neighbouring ids, sent together, again and again where need be, and always the same."""

    __slots__ = ("path", "first", "count", "bad", "ts", "sent", "answered", "body", "units")

    def __init__(self, path, first, count, bad, ts):
        self.path, self.first, self.count, self.bad, self.ts = path, first, count, bad, ts
        self.sent = self.answered = 0
        self.body = self.units = None


class Ledger:
    """What one client sent and what it was told. Ids are the client's prefix and a running number."""

    def __init__(self, seed, client):
        self.prefix = (seed << 64) | (client << 40)
        self.batches, self.decisions = [], []
        self.made = 0

    def id(self, n):
        h = "%032x" % (self.prefix + n)
        return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"

    def rows(self):
        """event_id, what, answered, sent: for COPY."""
        for b in self.batches:
            for i in range(b.count):
                what = "refused" if i < b.bad else "exposure" if b.units else "outcome"
                yield f"{self.id(b.first + i)}\t{what}\t{b.answered}\t{b.sent}\n"


class Client(threading.Thread):
    """Sends batches to one of its nodes until told to stop, or until its share is answered.

    retry: a batch without an answer is sent again until there is one. Without it, it is given up: such events may be
    stored or not, but never twice."""

    def __init__(self, load, number, nodes, retry, share):
        super().__init__(daemon=True)
        self.load, self.nodes, self.retry, self.share = load, nodes, retry, share
        self.random = random.Random(f"{load.seed} {number}")
        self.ledger = Ledger(load.seed, number)
        self.pending, self.connections = [], {}
        self.answers, self.errors, self.slowest = {}, [], 0.0

    def run(self):
        try:
            while not self.load.ending.is_set() and (self.share is None or self.ledger.made < self.share):
                self.load.permitted.wait()
                self.step()
            end = time.monotonic() + PATIENCE
            while self.pending and not self.load.abandon.is_set() and time.monotonic() < end:
                self.send(self.pending.pop(0))
        except Exception as e:  # noqa: BLE001 - told by Load.finish()
            self.errors.append(repr(e))

    def step(self):
        again = bool(self.pending)
        self.send(self.pending.pop(0) if again else self.fresh())
        if not again and self.load.repeat and self.random.random() < self.load.repeat:
            self.send(self.random.choice(self.ledger.batches))
        if self.load.decide:
            self.decide()

    def fresh(self):
        made, count = self.ledger.made, self.load.batch
        if self.share is not None:
            count = min(count, self.share - made)
        exposures = self.load.units and self.random.random() < 0.3
        b = Batch("/v1/exposures" if exposures else "/v1/outcomes", made, count, min(self.load.bad, count - 1), now())
        if exposures:
            b.units = [self.random.randrange(len(self.load.units)) for _ in range(count)]
        self.ledger.made += count
        self.ledger.batches.append(b)
        return b

    def body(self, b):
        events = []
        for i in range(b.count):
            e = {"id": self.ledger.id(b.first + i), "ts": b.ts}
            if b.units:
                user, variant, phase = self.load.units[b.units[i]]
                e.update(experiment=self.load.reported, variant=variant, phase=phase, units={"user": user})
            else:
                e.update(name="unsubscribe", units={"user": "u-%d" % ((b.first + i) % self.load.people)})
            if i < b.bad:
                e["name" if not b.units else "variant"] = "nobody_declared_this"
            events.append(e)
        return json.dumps({"events": events}).encode()

    def send(self, b):
        b.sent += 1
        status, answer = self.post(self.random.choice(self.nodes), b.path, self.body(b), "events")
        if status == REFUSED:
            b.sent, status = b.sent - 1, None
        if status == 202:
            refused = sum(1 for r in answer["results"] if r["status"] == "rejected")
            if refused != b.bad or len(answer["results"]) != b.count:
                self.errors.append(f"{b.bad} of {b.count} should have been refused: {str(answer)[:400]}")
            if not b.answered:
                self.load.count(b.count)
            b.answered = 1
        else:
            if status not in (None, 503, 429):
                self.errors.append(f"{b.path}: {status} {str(answer)[:300]}")
            if self.retry and not b.answered and b not in self.pending:
                self.pending.append(b)

    def decide(self):
        user = "d-%d" % self.random.randrange(self.load.people)
        status, answer = self.post(self.nodes[0], "/ofrep/v1/evaluate/flags/" + self.load.decide,
                                   json.dumps({"context": {"targetingKey": user}}).encode(), "client")
        if status == 200:
            self.ledger.decisions.append(answer["metadata"]["decisionId"])
        elif status not in (None, REFUSED):
            self.errors.append(f"decision: {status} {str(answer)[:300]}")

    def post(self, node, path, body, key):
        """(status, JSON); None when no answer came, REFUSED when not even the request left. A little patience, so as not to spin at a dead server."""
        started = time.monotonic()
        try:
            c = self.connections.get(node)
            if c is None or self.connections.get((node, "at")) != node.address:
                c = http.client.HTTPConnection(node.address, timeout=30)
                self.connections[node], self.connections[(node, "at")] = c, node.address
            c.request("POST", path, body, {"Content-Type": "application/json", "Authorization": "Bearer " + node.keys[key]})
            r = c.getresponse()
            text = r.read()
            answer = json.loads(text) if text else None
        except (OSError, http.client.HTTPException, ValueError) as e:
            self.connections.pop(node, None)
            self.note(None, path, started)
            self.load.pause.wait(0.01)
            return (REFUSED if isinstance(e, ConnectionRefusedError) else None), None
        self.note(HUNG if r.status == 503 and "queue can't be written" in str(answer) else r.status, path, started)
        if r.status in (429, 503):
            self.load.pause.wait(0.02)
        return r.status, answer

    def note(self, status, path, started):
        took = time.monotonic() - started
        what = ("decision" if path.startswith("/ofrep") else "events", status)
        self.answers[what] = self.answers.get(what, 0) + 1
        if status is not None:
            self.slowest = max(self.slowest, took)
            if what[0] == "decision":
                self.load.decision_times.append(took)


class Load:
    """Clients at work. Their ledgers are checked by check() when they have finished."""

    def __init__(self, nodes, clients=3, batch=100, bad=1, repeat=0.2, people=500, share=None, decide=None, reported=None,
                 give_up=True, seed=SEED):
        self.nodes, self.batch, self.bad, self.repeat, self.people = nodes, batch, bad, repeat, people
        self.decide, self.reported, self.seed = decide, reported, seed
        self.ending, self.abandon, self.permitted = threading.Event(), threading.Event(), threading.Event()
        self.pause = threading.Event()
        self.permitted.set()
        self.lock = threading.Lock()
        self.answered, self.began, self.decision_times = 0, time.monotonic(), []
        self.units = self.draw() if reported else None
        self.clients = [Client(self, i, nodes, retry=not (give_up and i == 0), share=share) for i in range(clients)]

    def draw(self):
        """What the people of the reported experiment are assigned, asked once."""
        drawn = []
        for i in range(self.people):
            a = self.nodes[0].evaluate(self.reported, f"x-{i}")
            drawn.append((f"x-{i}", a["variant"], a["metadata"]["phase"]))
        return drawn

    def __enter__(self):
        for c in self.clients:
            c.start()
        return self

    def __exit__(self, *exc):
        self.abandon.set() if exc[0] else None
        self.finish()

    def count(self, n):
        with self.lock:
            self.answered += n

    def wait_for(self, more, patience=PATIENCE):
        """Waits until so many more events were answered."""
        goal = self.answered + more
        until(lambda: self.answered >= goal or self.finished(), f"{more} more events are answered", patience)

    def finished(self):
        return not any(c.is_alive() for c in self.clients)

    def finish(self):
        self.ending.set()
        self.permitted.set()
        for c in self.clients:
            if c.ident:
                c.join(PATIENCE * 2)
        self.seconds = time.monotonic() - self.began

    def answers(self):
        total = {}
        for c in self.clients:
            for k, n in c.answers.items():
                total[k] = total.get(k, 0) + n
        return total

    def errors(self):
        return [e for c in self.clients for e in c.errors]

    def check_answered(self, checks):
        """Of a fault that clients must not notice."""
        answers, logs = self.answers(), "".join(n.log() for n in self.nodes)
        checks.check("every decision was answered 200 and every batch 202",
                     {status for _, status in answers} <= {200, 202, HUNG} and "nothing is accepted until" not in logs, answers)


class Result:
    """A row of the table: what is asserted, and what is only told."""

    def __init__(self, name):
        self.name = name
        self.cycles = self.acknowledged = self.lost = self.doubled = 0
        self.recovery = 0.0
        self.notes = []

    def recovered(self, seconds):
        self.recovery = max(self.recovery, seconds)

    def row(self):
        return "\t".join([self.name, str(self.cycles), str(self.acknowledged), str(self.lost), str(self.doubled),
                          f"{self.recovery:.1f}", "; ".join(self.notes)])


def drain(nodes, patience=PATIENCE * 2):
    """Waits until every spool is stored; returns the seconds it took."""
    began = time.monotonic()
    for n in nodes:
        until(n.drained, f"{n.name}: everything in the spool is stored", patience)
    return time.monotonic() - began


CHECK = """
create temp view lost as
 select l.event_id, l.what from ledger l
  where l.answered and l.what = 'outcome' and not exists (select from cohort.outcome o where o.event_id = l.event_id)
 union all
 select l.event_id, l.what from ledger l
  where l.answered and l.what = 'refused' and not exists (select from cohort.dead_letter d where d.event_id = l.event_id);
create temp view doubled as
 select o.event_id, 'outcome' as what from cohort.outcome o where o.event_id in (select event_id from ledger)
  group by 1 having count(*) > 1
 union all
 select l.event_id, 'refused' from ledger l join cohort.dead_letter d on d.event_id = l.event_id
  where l.what = 'refused' group by l.event_id, l.sent having count(*) > l.sent
 union all
 select event_id, what from ledger l where what = 'outcome'
    and exists (select from cohort.dead_letter d where d.event_id = l.event_id);
select (select count(*) from lost), (select count(*) from doubled),
       (select count(*) from ledger where answered),
       (select count(*) from cohort.outcome o where o.event_id::text like (select left(event_id::text, 18) from ledger limit 1) || '%'
           and not exists (select from ledger l where l.event_id = o.event_id)),
       (select count(*) from (select decision_id from cohort.decision group by 1 having count(*) > 1) d),
       (select count(*) from decisions l where not exists (select from cohort.decision d where d.decision_id = l.id));
"""


def check(pg, load, result, checks, decisions="once"):
    """Compares ledger and database after drain(). decisions: "all" were stored, or each at most "once"."""
    rows = "".join(r for c in load.clients for r in c.ledger.rows())
    decided = "".join(d + "\n" for c in load.clients for d in c.ledger.decisions)
    script = ("create temp table ledger (event_id uuid, what text, answered boolean, sent int);\ncopy ledger from stdin;\n"
              + rows + "\\.\ncreate temp table decisions (id uuid);\ncopy decisions from stdin;\n" + decided +
              "\\.\ncreate index on ledger (event_id); analyze ledger; set work_mem = '256MB';\n" + CHECK)
    lost, doubled, answered, invented, decided_twice, undecided = (int(x) for x in pg.psql(script).split("|"))
    result.acknowledged += answered
    result.lost += lost + (undecided if decisions == "all" else 0)
    result.doubled += doubled + decided_twice
    checks.check(f"clients understood every answer ({load.answers()})", not load.errors(), load.errors()[:3])
    checks.equal(f"of {answered} acknowledged events none is lost", lost, 0)
    checks.equal("none is stored twice", doubled, 0)
    checks.equal("nothing is stored that nobody sent", invented, 0)
    checks.equal("no decision is stored twice", decided_twice, 0)
    if decisions == "all":
        checks.equal("every decision is stored", undecided, 0)
    if load.units:
        check_exposures(pg, load, result, checks)
    check_audit(pg, checks)


def check_exposures(pg, load, result, checks):
    """Every person whose exposure was acknowledged is exposed, by the least (time, id) of all that arrived."""
    first = {}
    for c in load.clients:
        for b in c.ledger.batches:
            for i, u in enumerate(b.units or []):
                if b.answered and i >= b.bad:
                    key = (b.ts, c.ledger.id(b.first + i))
                    first[u] = min(first.get(u, key), key)
    rows = "".join(f"{load.units[u][0]}\t{ts}\t{i}\n" for u, (ts, i) in first.items())
    lost = int(pg.psql(
        "create temp table seen (user_id text, ts timestamptz, event_id uuid);\ncopy seen from stdin;\n" + rows +
        "\\.\nselect count(*) from seen s where not exists (select from cohort.exposure e join cohort.experiment x"
        f" on x.id = e.experiment_id where x.key = '{load.reported}' and e.unit_id = cohort.unit_id('user', s.user_id)"
        " and (e.first_ts, e.event_id) <= (s.ts, s.event_id));"))
    result.lost += lost
    checks.equal(f"of {len(first)} people whose exposure was acknowledged none is missing or counted late", lost, 0)


def check_audit(pg, checks):
    """The database's own books balance to the last record."""
    if pg.value("select to_regclass('cohort.ingest_audit') is not null") == "t":
        def balanced():
            return pg.true("select coalesce(bool_and(balance = 0), true) from cohort.ingest_audit")
        try:
            until(balanced, "cohort.ingest_audit balances", 20 if isinstance(checks, Quiet) else PATIENCE)
            ok = True
        except AssertionError:
            ok = False
        checks.check("accepted = stored + duplicates + dead letters + spooled", ok,
                     "" if ok else pg.value("select string_agg(a::text, ' ') from cohort.ingest_audit a"))


def mutant(name):
    """A cohortd with one change for the worse, as tests/fault/mutant.sh makes it; the path of the binary."""
    r = subprocess.run([os.path.join(HERE, "mutant.sh"), name], capture_output=True, timeout=300, check=False)
    if r.returncode != 0:
        raise AssertionError(f"mutant {name}: {r.stderr.decode()}")
    return r.stdout.decode().strip()


def run(name, fault, *mutants):
    """The main program of one fault: the fault itself, then each mutant, which must fail a check."""
    checks, result = Checks(), Result(name)
    fault(checks, result)
    table = os.environ.get("FAULT_TABLE")
    if table:
        with open(table, "a") as f:
            f.write(result.row() + "\n")
    print("fault cycles acknowledged lost doubled worst_recovery_s: " + result.row().replace("\t", " "), flush=True)
    for what, name_or_sql, trial in mutants:
        survive(what, name_or_sql, trial, checks)
    checks.done()


def survive(what, change, trial, checks):
    """trial(checks, result, change) runs a mutant; change: a name of mutant.sh, which becomes the binary's path, or a list
    for Postgres.mutate(). A mutant that passes every check means that the test would not notice."""
    if isinstance(change, str):
        change = mutant(change)
    silent, result = Quiet(), Result("mutant")
    try:
        trial(silent, result, change)
        caught = silent.failures
    except AssertionError as e:
        caught = [str(e).splitlines()[0]]
    checks.check(f"a mutant is caught: {what} ({'; '.join(caught)[:160]})", bool(caught))


class Quiet(Checks):
    """Checks of a mutant, whose failures are what is wanted."""

    def __init__(self):
        super().__init__()
        self.failures = []

    def check(self, what, ok, detail=""):
        if not ok:
            self.failures.append(f"not true: {what} {str(detail)[:80]}".replace("\n", " "))


class Shim:
    """tests/fault/shim.c in front of a node's libc: a broken disk, a wrong clock, switched while it runs."""

    HANGS = -1  # for set(broken): writes and syncs of the spool don't come back

    def __init__(self, directory):
        self.file, self.library = os.path.join(directory, "shim"), os.path.join(directory, "shim.so")
        compiler = os.environ.get("CC", "cc").split()
        r = subprocess.run([*compiler, "-O1", "-fPIC", "-shared", "-o", self.library, os.path.join(HERE, "shim.c"), "-ldl"],
                           capture_output=True, check=False, timeout=120)
        if r.returncode != 0:
            skip(f"the shim does not compile: {r.stderr.decode()[:500]}")
        self.set()

    def environment(self, program):
        """A sanitizer's library must come before ours."""
        linked = subprocess.run(["ldd", program], capture_output=True, check=True, timeout=60).stdout.decode()
        sanitizers = re.findall(r"(\S*/lib(?:asan|ubsan)\.so\S*) ", linked)
        return {"LD_PRELOAD": " ".join([*sanitizers, self.library]), "FAULT_SHIM": self.file}

    def set(self, broken=0, shift=0):
        with open(self.file + ".new", "w") as f:
            f.write(f"{broken} {shift}\n")
        os.rename(self.file + ".new", self.file)


class SmallDisk:
    """A file system of its own that can be filled up. path is None where none can be mounted."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="cohort-test.", dir="/tmp")
        mounted = os.geteuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", self.path],
                                                       capture_output=True, check=False).returncode == 0
        if not mounted:
            os.rmdir(self.path)
            self.path = None
            print("skipped: a real full disk: no file system can be mounted here (needs root)", flush=True)
        return self

    def __exit__(self, *exc):
        if self.path:
            subprocess.run(["umount", "-l", self.path], check=False)
            os.rmdir(self.path)

    def fill(self):
        """To the last byte, by somebody else's file."""
        with open(self.path + "/hog", "wb", buffering=0) as f:
            try:
                while f.write(b"x" * 4096):
                    pass
            except OSError:
                pass

    def free(self):
        os.unlink(self.path + "/hog")
