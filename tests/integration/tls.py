#!/usr/bin/env python3
"""cohortd over TLS and on a unix socket, with those who use it: curl, openssl, Python, the clients of this project, nginx and
HAProxy. Certificates that are no good, at the start and at SIGHUP. The certificates are made here, by openssl."""
import json
import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.normpath(os.path.join(HERE, "..", ".."))
sys.path[:0] = [os.path.join(TOP, "clients", d) for d in ("python/src", "c/tests", "js/test")]
from cohort_server import BUILD, PATIENCE, Checks, Server, experiment, now  # noqa: E402
from proxies import Haproxy, Nginx, program  # noqa: E402

c = Checks()
s_program = os.environ.get("COHORTD", os.path.join(BUILD, "cohortd"))


def openssl(*words, **more):
    return subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=PATIENCE, **more).stdout


class Certificates:
    """An authority, and chains that it signed."""

    def __init__(self, place):
        self.place = place
        self.ca, self.ca_key = self.path("ca.pem"), self.path("ca.key")
        openssl("req", "-x509", *self.key(self.ca_key), "-out", self.ca, "-days", "30", "-subj", "/CN=Test authority",
                "-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=critical,keyCertSign")

    def path(self, name):
        return os.path.join(self.place, name)

    @staticmethod
    def key(path):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path]

    def make(self, name, days="30", to=None):
        """Writes name.pem (a chain) and name.key; returns both paths. to: put them in the place of those."""
        cert, key, request = self.path("new.pem"), self.path("new.key"), self.path("new.csr")
        openssl("req", *self.key(key), "-out", request, "-subj", "/CN=" + name)
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial", "-days", days, "-out", cert,
                "-extfile", "/dev/stdin", input=b"subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        with open(cert, "ab") as f, open(self.ca, "rb") as authority:
            f.write(authority.read())
        os.chmod(key, 0o600)
        target = to or (self.path(name + ".pem"), self.path(name + ".key"))
        os.replace(key, target[1])
        os.replace(cert, target[0])
        return target


def raw(s, context, *more):
    """A connection over TLS, of the version that context allows."""
    plain = socket.create_connection(s.address.split(":"), timeout=PATIENCE)
    return context.wrap_socket(plain, server_hostname="localhost", *more)


def read_all(connection):
    got = b""
    while piece := connection.recv(65536):
        got += piece
    return got


def refusals(made):
    """Files that are no good end the start with one sentence, before anything is made."""
    good, other = made.make("good"), made.make("other")
    locked, empty = made.path("locked.key"), made.path("empty.pem")
    openssl("pkey", "-in", good[1], "-aes256", "-passout", "pass:x", "-out", locked)
    open(empty, "w").close()
    rows = [((made.path("none"), good[1]), "tls_cert " + made.path("none") + ": No such file or directory"),
            ((good[0], made.path("none")), "tls_key " + made.path("none") + ": No such file or directory"),
            ((empty, good[1]), "there is no certificate in PEM form in it"),
            ((good[0], empty), "there is no private key in PEM form in it"),
            ((good[0], locked), "the key in it has a passphrase, which cohortd can't ask for"),
            ((good[0], other[1]), "the key in it is not that of the certificate in " + good[0]),
            (("", good[1]), "tls_key is given without tls_cert")]
    for (cert, key), says in rows:
        r = subprocess.run([s_program, "--data", made.path("nothing"), "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key],
                           capture_output=True, text=True, check=False, timeout=PATIENCE)
        c.check(f"refused: {says.replace(made.place, '…')}", r.returncode == 1 and says in r.stderr
                and r.stderr.count("cohortd: ") == 1 and not os.path.exists(made.path("nothing")), r)
    return good


def spoken(s, trust):
    with raw(s, trust) as t:
        c.equal("TLS 1.3 with a client that can", (t.version(), t.session_reused), ("TLSv1.3", False))
    old = ssl.create_default_context(cafile=s.ca)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_alpn_protocols(["h2", "http/1.1"])
    with raw(s, old) as t:
        c.check("TLS 1.2, with forward secrecy", t.version() == "TLSv1.2" and t.cipher()[0].startswith("ECDHE-"), t.cipher())
        c.equal("HTTP/1.1 by ALPN", t.selected_alpn_protocol(), "http/1.1")
        t.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        read_all(t)
        c.check("and no ticket", not t.session.has_ticket)
    said = subprocess.run(["openssl", "s_client", "-connect", s.address, "-CAfile", s.ca, "-verify_return_error", "-ign_eof", "-servername", "localhost"],
                          input=b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", capture_output=True, check=False, timeout=PATIENCE)
    c.check("openssl verifies the chain and is answered",
            b"Verify return code: 0 (ok)" in said.stdout and b'{"status":"ok"}' in said.stdout, said)
    for words, good in ((["--http1.1"], True), (["--http2"], True), (["--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"], False)):
        r = subprocess.run(["curl", "-sS", "--cacert", s.ca, *words, s.info["url"] + "/healthz"], capture_output=True, text=True, check=False)
        c.equal(f"curl {' '.join(words)}", r.stdout == '{"status":"ok"}', good)
    r = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", s.info["url"].replace("https", "http") + "/healthz"],
                       capture_output=True, text=True, check=False)
    c.equal("plain HTTP on its port is told so", r.stdout, "400")


def carried(s, trust):
    """What goes over it arrives whole: many requests at once, large bodies, answers that come before the end."""
    event = {"name": "buy", "units": {"user": "c-1"}, "ts": now()}
    events = [dict(event, id=str(uuid.uuid4())) for _ in range(1000)]
    a = s.post("/v1/outcomes", {"events": events}, "events")
    c.check("a thousand events in one body", a.status == 202 and len(a.json["results"]) == 1000
            and all(r["status"] == "accepted" for r in a.json["results"]), a)
    one = b"GET /v1/metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + s.keys["admin"].encode() + b"\r\n"
    with raw(s, trust) as t:
        t.sendall((one + b"\r\n") * 300 + one + b"Connection: close\r\n\r\n")
        got = read_all(t)
        c.equal("301 requests in one piece", (got.count(b"HTTP/1.1 200 OK"), got.count(b'"buy"')), (301, 602))
    with raw(s, trust) as t:
        t.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        t.recv(65536)
        c.equal("an end that TLS announces is answered by one", t.unwrap().recv(1), b"")


def python_client(s, trust):
    from cohort_client import Client
    client = Client(s.info["url"], s.keys["events"], ssl_context=trust, timeout=30)
    c.check("the Python client", client.value("cta", "none", "c-7") in ("Buy now", "Hurry!"))
    client.close()
    client = Client(s.info["url"], s.keys["events"])
    d = client.details("cta", "none", "c-7")
    c.check("which does not trust just anybody", d.value == "none" and "certificate" in str(d), d)
    client.close()


def c_client(s):
    from leash import Client
    with Client(s.info["url"], s.keys["events"], ca_file=s.ca, timeout_ms=30000) as client:
        c.check("the C client", client.value("cta", "none", user="c-7")["value"] in ("Buy now", "Hurry!"))
        client.end()
    with Client(s.info["url"], s.keys["events"]) as client:
        c.equal("which does not trust just anybody", client.value("cta", "none", user="c-7")["value"], "none")
        client.end(100)


def node_client(s):
    try:
        import js
        js.prepare()
    except SystemExit:
        return
    program = """
import { CohortProvider } from '@cohortd/openfeature-server';
import { OpenFeature } from '@openfeature/server-sdk';
await OpenFeature.setProviderAndWait(new CohortProvider({ baseUrl: process.env.URL_, apiKey: process.env.KEY, timeoutMs: 30000 }));
console.log(await OpenFeature.getClient().getStringValue('cta', 'none', { targetingKey: 'c-7' }));
await OpenFeature.close();
"""
    for trust, values in (({"NODE_EXTRA_CA_CERTS": s.ca}, ("Buy now", "Hurry!")), ({}, ("none",))):
        r = subprocess.run(["node", "--input-type=module", "-e", program], cwd=os.path.join(js.PLACE, "test"), capture_output=True, text=True,
                           env=dict(os.environ, URL_=s.info["url"], KEY=s.keys["events"], **trust), check=False, timeout=PATIENCE)
        c.check("the Node client" if trust else "which does not trust just anybody", r.stdout.strip().split("\n")[-1] in values, r)


def serial(s, trust):
    with raw(s, trust) as t:
        return t.getpeercert()["serialNumber"]


def renewed(s, trust, made, files):
    """SIGHUP: a new certificate for new connections; a bad one for nobody."""
    with raw(s, trust) as before:
        old = serial(s, trust)
        s.process.send_signal(signal.SIGHUP)
        s.until(lambda: "reload: no option has changed" in s.log())
        c.equal("a reload without a change changes nothing", serial(s, trust), old)
        made.make("renewed", to=files)
        s.process.send_signal(signal.SIGHUP)
        s.until(lambda: serial(s, trust) != old, "the new certificate")
        new = serial(s, trust)
        before.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        c.check("a connection from before goes on", read_all(before).startswith(b"HTTP/1.1 200"))
    with open(files[0], "w") as f:
        f.write("-----BEGIN CERTIFICATE-----\nAAAA\n")
    s.process.send_signal(signal.SIGHUP)
    s.until(lambda: f"reload: nothing was changed: tls_cert {files[0]}:" in s.log())
    c.equal("with a bad file the good one stays", serial(s, trust), new)
    made.make("expired", days="-1", to=files)
    os.chmod(files[1], 0o644)
    s.process.send_signal(signal.SIGHUP)
    s.until(lambda: "has expired on" in s.log())
    s.until(lambda: f"{files[1]} can be read by every user" in s.log(), "a key that others can read is warned of")

    def expires():
        return int(re.search(r"^cohortd_tls_certificate_expiry_seconds (\d+)", s.get_metrics(), re.M).group(1))
    s.until(lambda: 0 < expires() < time.time(), "the metric says when it ended")


def unix_socket(s, path):
    mode = os.stat(path)
    c.equal("the socket has its mode", stat.filemode(mode.st_mode), "srw-rw-rw-")
    r = subprocess.run(["curl", "-sS", "--unix-socket", path, "http://localhost/healthz"], capture_output=True, text=True, check=False)
    c.equal("curl --unix-socket, in plain", r.stdout, '{"status":"ok"}')
    for refused, says in ((path, "in use by another program"), (os.path.join(s.data, "keys.json"), "is no socket"), ("x.sock", "not an absolute path"),
                          (s.data + "/none/x.sock", "the directory"), ("/" + "x" * 200, "may have 107 bytes")):
        r = subprocess.run([s_program, "--data", s.data + "/other", "--listen", "unix:" + refused], capture_output=True, text=True, check=False,
                           timeout=PATIENCE)
        c.check(f"refused: {says}", r.returncode == 1 and says in r.stderr and not os.path.exists(s.data + "/other"), r)
    c.check("who was refused took nothing away", os.stat(path).st_ino == mode.st_ino)
    configurations = ((Nginx, "server { listen @LISTEN@; location / { proxy_pass http://unix:@PATH@:; } }"),
                      (Haproxy, "defaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n"
                                "frontend f\n bind @LISTEN@\n default_backend b\nbackend b\n server a unix@@PATH@\n"))
    for kind, config in configurations:
        if not program(kind.name):
            print(f"skipped: {kind.name} is not here")
            continue
        with kind(config, PATH=path) as p:
            body = json.dumps({"context": {"targetingKey": "c-9"}})
            r = subprocess.run(["curl", "-sS", "-d", body, "-H", "Content-Type: application/json", "-H", "Authorization: Bearer " + s.keys["client"],
                                f"http://{p.address}/ofrep/v1/evaluate/flags/cta"], capture_output=True, text=True, check=False, timeout=PATIENCE)
            c.check(f"{kind.name} in front of the socket", '"value":' in r.stdout, r)


class TlsServer(Server):
    def get_metrics(self):
        r = subprocess.run(["curl", "-sS", "--unix-socket", self.path, "http://localhost/metrics"], capture_output=True, text=True, check=True)
        return r.stdout


def main():
    with tempfile.TemporaryDirectory(prefix="cohort-tls.", dir="/tmp") as place:
        made = Certificates(place)
        files = refusals(made)
        s = TlsServer("--workers", "2")
        s.path, s.ca = s.data + "/http.sock", made.ca
        s.tls = trust = ssl.create_default_context(cafile=made.ca)
        s.options = ("--workers", "2", "--listen", "127.0.0.1:0 unix:" + s.path, "--socket-mode", "0666", "--tls-cert", files[0], "--tls-key", files[1])
        with s:
            c.check("server.json says https", s.info["url"].startswith("https://127.0.0.1:"), s.info)
            spoken(s, trust)
            assert s.put("/v1/metrics/buy", {"event": "buy", "kind": "binary"}).status == 200
            assert s.put("/v1/experiments/cta", experiment(guardrails=[])).status == 200
            assert s.post("/v1/experiments/cta/start").status == 200
            s.until(lambda: s.evaluate("cta", "c-1")["metadata"]["reason"] == "VARIANT", "it is served over TLS")
            carried(s, trust)
            python_client(s, trust)
            c_client(s)
            node_client(s)
            unix_socket(s, s.path)
            s.process.kill()  # its socket stays, and the next one takes its place
            s.process.wait(PATIENCE)
            c.check("a dead server's socket", os.path.exists(s.path))
            s.start()
            c.check("is replaced", s.get_metrics())
            renewed(s, trust, made, files)
            c.equal("it ends", s.stop(), 0)
            c.check("and removes its socket", not os.path.exists(s.path))


main()
c.done()
