"""What the tests of the JavaScript client share: the workspace built in the build directory, a cohortd with definitions, and
Node's test runner. Without npm, or where its packages can't be had, a test is skipped, aloud.
"""
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(HERE)
TOP = os.path.dirname(os.path.dirname(SOURCE))
sys.path[:0] = [os.path.join(TOP, "tests", "integration"), os.path.join(TOP, "clients", "tests")]
from cohort_server import BUILD, Checks, Server, experiment  # noqa: E402
from trouble_server import Port  # noqa: E402

PLACE = os.path.join(BUILD, "clients-js")
OFFLINE = re.compile(r"ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|ENOTCACHED|ERR_SOCKET_TIMEOUT")

FLAGS = """
begin;
insert into cohort.flag (key, type, default_value) values
  ('on', 'boolean', 'true'), ('price', 'number', '5.0'), ('count', 'number', '5'), ('layout', 'object', '{"a":[1,2]}'),
  ('greeting', 'string', '"grüß dich"'), ('bare', 'string', null);
insert into cohort.flag_rule (flag, position, kind, condition, value) values
  ('greeting', 1, 'force', '{"country": "FR"}', '"salut"');
commit;
"""


def skip(why):
    print(f"skipped: {why}", flush=True)
    sys.exit(77)


def command(*args):
    """A step in the workspace; what it said, when it went wrong."""
    r = subprocess.run(args, cwd=PLACE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False)
    return None if r.returncode == 0 else r.stdout.decode(errors="replace")


def install():
    """Packages of the lock file, once for each of its versions."""
    with open(os.path.join(SOURCE, "package-lock.json"), "rb") as f:
        lock = hashlib.sha256(f.read()).hexdigest()
    stamp = os.path.join(PLACE, "node_modules", ".cohort-lock")
    if os.path.exists(stamp):
        with open(stamp) as f:
            if f.read() == lock:
                return
    said = command("npm", "ci", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts")
    if said and OFFLINE.search(said):
        skip(f"npm can't get the packages here: {OFFLINE.search(said).group()}")
    assert not said, said
    with open(stamp, "w") as f:
        f.write(lock)


def prepare():
    """The workspace, copied and built; tests that run at the same time wait for the first."""
    if not shutil.which("npm") or not shutil.which("node"):
        skip("npm and node are not installed")
    os.makedirs(PLACE, exist_ok=True)
    with open(os.path.join(PLACE, ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ignore = shutil.ignore_patterns("node_modules", "dist", "*.tsbuildinfo", "__pycache__")
        shutil.copytree(SOURCE, PLACE, ignore=ignore, dirs_exist_ok=True)
        install()
        said = command("npx", "--no-install", "tsc", "-b")
        assert not said, said


def define(s):
    """The flags and experiments that the tests use; returns when they are served."""
    s.psql(FLAGS)
    assert s.put("/v1/metrics/buy", {"event": "buy", "kind": "binary"}).status == 200
    # The holdout before its experiments: one that is started later holds nobody from those that run.
    a = s.put("/v1/holdouts/all_q4", {"variants": [
        {"key": "in", "share_ppm": 500000, "gives": "everything", "control": True},
        {"key": "out", "share_ppm": 500000, "gives": "nothing"}], "scope": "tag", "scope_key": "q4"})
    assert a.status == 200, a
    s.post("/v1/holdouts/all_q4/start")
    for key, changes in (("cta", {}), ("seen", {"exposure": "reported"}), ("held", {"tags": ["q4"]}), ("checkout_cta", {}),
                         ("stays", {"sticky": True, "exposure": "reported"})):
        a = s.put(f"/v1/experiments/{key}", experiment(guardrails=[], **changes))
        assert a.status == 200, a
        assert s.post(f"/v1/experiments/{key}/start").status == 200

    a = s.post("/v1/overrides", {"experiment": "seen", "unit": "forced", "variant": "treatment"})
    assert a.status < 300, a

    def served():
        bulk = s.post("/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "w"}}, "client").json["flags"]
        reasons = {f["key"]: f["metadata"]["reason"] for f in bulk}
        return len(reasons) == 11 and reasons["checkout_cta"] == reasons["seen"] == reasons["stays"] == "VARIANT" and any(
            "holdouts" in f["metadata"] for f in bulk)

    s.until(served, "the definitions are served")


def node_tests(*files, server=None, **environment):
    """Node's test runner on files of test/, of which one takes ports; its exit status."""
    env = dict(os.environ, TROUBLE_SERVER=os.path.join(TOP, "clients", "tests", "trouble_server.py"), TOP=TOP, **environment)
    if server:
        env["COHORTD"] = json.dumps({"url": server.info["url"], "keys": server.keys, "database": server.info["database"]})
    args = ["node", "--test", "--test-reporter=spec", *files]
    with Port() as one, Port() as other:
        env["PORTS"] = f"{one.number} {other.number}"
        return subprocess.run(args, cwd=os.path.join(PLACE, "test"), env=env, timeout=600, check=False).returncode
