#!/usr/bin/env python3
"""cohortctl and a server that speaks TLS: its unix socket is used where there is one, a certificate must be one to trust,
and what is said when it is not."""
import json
import os
import ssl
import subprocess
import sys
import tempfile
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from cohort_server import BUILD, Answer, Checks, Server, experiment  # noqa: E402


class TlsServer(Server):
    def __init__(self, ca, *options):
        super().__init__(*options)
        self.trust = ssl.create_default_context(cafile=ca)

    def request(self, method, path, body=None, key=None, headers=None):
        with urllib.request.urlopen(urllib.request.Request(self.info["url"] + path), context=self.trust) as r:
            return Answer(r.status, r.headers, r.read())


def ctl(*words, env=None):
    p = subprocess.run([os.path.join(BUILD, "cohortctl"), *words], capture_output=True, text=True, check=False,
                       env=dict(os.environ, **(env or {})))
    return p.returncode, p.stdout, p.stderr


def certificate(tmp, name):
    made = os.path.join(tmp, name + ".pem"), os.path.join(tmp, name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "90",
                    "-keyout", made[1], "-out", made[0], "-subj", "/CN=" + name,
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return made


def over_tls(s, c, ca, other):
    url = s.info["url"]
    key = s.keys["admin"]
    rc, out, err = ctl("--server", url, "--key", key, "--ca-file", ca, "status")
    c.check("with the CA it is reached", rc == 0 and url in out, err)
    rc, out, err = ctl("--server", url, "--key", key, "status", env={"COHORTCTL_CA_FILE": ca})
    c.check("from the environment too", rc == 0 and url in out, err)
    rc, out, err = ctl("--server", url, "--key", key, "status")
    c.check("without it the certificate is not one to trust, and what to do is said", rc == 1 and "--ca-file" in err, err)
    rc, out, err = ctl("--server", url, "--key", key, "--ca-file", other, "status")
    c.check("another CA does not do", rc == 1 and "not one to trust" in err, err)
    rc, out, err = ctl("--server", url, "--key", key, "--ca-file", s.data + "/none.pem", "status")
    c.check("a CA file that is not there is the user's mistake", rc == 2 and "--ca-file" in err, err)
    rc, out, err = ctl("--server", url.replace("https", "http"), "--key", key, "experiments")
    c.check("plain HTTP is told to speak TLS", rc != 0 and "https://" in err, err)
    rc, out, err = ctl("--data", s.data, "--server", url, "--ca-file", ca, "simulate", "--flag", "cta", "--customers", "20")
    c.check("customers are played over TLS", rc == 0, err)


def main():
    c = Checks()
    with tempfile.TemporaryDirectory(prefix="cohort-ctl.", dir="/tmp") as tmp:
        os.chmod(tmp, 0o755)
        ca, key = certificate(tmp, "ours")
        other, _ = certificate(tmp, "other")
        socket = os.path.join(tmp, "cohortd.sock")
        with TlsServer(ca, "--listen", "127.0.0.1:0 unix:" + socket, "--tls-cert", ca, "--tls-key", key) as s:
            rc, out, err = ctl("--data", s.data, "status")
            c.check("on the server's machine its socket needs no certificate", rc == 0 and "unix:" + socket in out, err)
            definition = os.path.join(tmp, "cta.json")
            with open(definition, "w") as f:
                f.write(json.dumps(dict(experiment(), key="cta")))
            rc, out, err = ctl("--server", "unix:" + socket, "--data", s.data, "apply", definition)
            c.check("definitions go over the socket", rc == 0, err)
            rc, out, err = ctl("--data", s.data, "start", "cta")
            c.check("and actions", rc == 0, err)
            rc, out, err = ctl("--server", "unix:" + tmp + "/none", "--key", "x", "status")
            c.check("a socket where nobody listens", rc == 1 and "is cohortd running there?" in err, err)
            rc, out, err = ctl("--server", "unix:" + socket, "--data", s.data, "simulate", "--flag", "cta", "--customers", "1")
            c.check("a command that can't use a socket says so", rc == 2 and "can't use" in err, err)
            over_tls(s, c, ca, other)
    c.done()


if __name__ == "__main__":
    main()
