#!/bin/sh
# The request layer (http_hello) over TLS beside nginx's `return 200` with the same body, in one run: microseconds of CPU a
# request and a handshake, and the memory of an idle connection.
# Usage: http_tls.sh PATH/TO/http_hello [SECONDS]. Needs nginx, wrk, curl, openssl and python3.
set -eu
hello=$1
seconds=${2:-5}
dir=$(mktemp -d)
hello_pid=""
nginx_pid=""
cleanup() {
    [ -z "$hello_pid" ] || kill "$hello_pid" 2>/dev/null || true
    [ -z "$nginx_pid" ] || kill "$nginx_pid" 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT INT TERM

cert=$dir/cert.pem
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost -keyout "$dir/key.pem" \
    -out "$cert" 2>/dev/null
cat "$dir/key.pem" >>"$cert"
chmod 600 "$cert"
cat >"$dir/nginx.conf" <<END
daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
error_log error.log;
events { worker_connections 256; }
http {
    access_log off;
    keepalive_requests 1000000000;
    default_type application/json;
    server {
        listen 127.0.0.1:18481 ssl;
        ssl_certificate $cert;
        ssl_certificate_key $cert;
        ssl_session_tickets off;
        location / { return 200 '{"key":"checkout_cta","value":"Buy now","reason":"SPLIT"}\n'; }
    }
}
END
"$hello" 127.0.0.1:18480 "$cert" &
hello_pid=$!
nginx -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf" &
nginx_pid=$!

ready() { # port
    curl -fsS -o /dev/null --retry 10 --retry-connrefused --retry-max-time 20 -k "https://127.0.0.1:$1/"
}
ticks() { # pid: utime + stime
    sed 's/.*) //' "/proc/$1/stat" | awk '{print $12 + $13}'
}
measure() { # name pid port
    before=$(ticks "$2")
    requests=$(wrk -t1 -c16 -d"$seconds" "https://127.0.0.1:$3/" | awk '/requests in/ {print $1}')
    after=$(ticks "$2")
    awk -v name="$1" -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" -v n="$requests" \
        'BEGIN {printf "%s %.2f us/request (%d requests)\n", name, t * 1e6 / hz / n, n}'
}
ready 18480
ready 18481
measure cohortd "$hello_pid" 18480 | tee "$dir/a"
measure nginx "$nginx_pid" 18481 | tee "$dir/b"
cat "$dir/a" "$dir/b" | awk '{v[NR] = $2} END {printf "ratio %.2f\n", v[1] / v[2]}'

handshakes() { # name pid port
    before=$(ticks "$2")
    n=$(openssl s_time -connect "127.0.0.1:$3" -new -time "$seconds" 2>/dev/null | sed -n 's/^\([0-9]*\) connections in [0-9]* real.*/\1/p')
    after=$(ticks "$2")
    awk -v name="$1" -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" -v n="$n" \
        'BEGIN {printf "%s %.0f us/handshake (%d)\n", name, t * 1e6 / hz / n, n}'
}
memory() { # name pid port
    python3 - "$1" "$2" "$3" <<'PY'
import socket, ssl, sys
name, pid, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
def rss():
    return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS"))
def connect():
    c = context.wrap_socket(socket.create_connection(("127.0.0.1", port)))
    c.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert c.recv(4096)
    return c
keep = [connect() for _ in range(50)]
before = rss()
keep += [connect() for _ in range(200 if name == "nginx" else 500)]
print(f"{name} {(rss() - before) / (len(keep) - 50):.1f} KB/idle connection")
PY
}
handshakes cohortd "$hello_pid" 18480
handshakes nginx "$nginx_pid" 18481
memory cohortd "$hello_pid" 18480
memory nginx "$nginx_pid" 18481
