#!/bin/sh
# CPU per request of the request layer (http_hello) beside nginx's `return 200` with the same body, in one run.
# Usage: http_hello.sh PATH/TO/http_hello [SECONDS]. Needs nginx, wrk and curl. Prints microseconds of CPU a request.
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

cat >"$dir/nginx.conf" <<'END'
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
        listen 127.0.0.1:18481;
        location / { return 200 '{"key":"checkout_cta","value":"Buy now","reason":"SPLIT"}\n'; }
    }
}
END
"$hello" 127.0.0.1:18480 &
hello_pid=$!
nginx -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf" &
nginx_pid=$!

ready() { # port
    curl -fsS -o /dev/null --retry 10 --retry-connrefused --retry-max-time 20 "http://127.0.0.1:$1/"
}
ticks() { # pid: utime + stime
    sed 's/.*) //' "/proc/$1/stat" | awk '{print $12 + $13}'
}
measure() { # name pid port
    before=$(ticks "$2")
    requests=$(wrk -t1 -c16 -d"$seconds" "http://127.0.0.1:$3/" | awk '/requests in/ {print $1}')
    after=$(ticks "$2")
    awk -v name="$1" -v t=$((after - before)) -v hz="$(getconf CLK_TCK)" -v n="$requests" \
        'BEGIN {printf "%s %.2f us/request (%d requests)\n", name, t * 1e6 / hz / n, n}'
}
ready 18480
ready 18481
measure cohortd "$hello_pid" 18480 | tee "$dir/a"
measure nginx "$nginx_pid" 18481 | tee "$dir/b"
cat "$dir/a" "$dir/b" | awk '{v[NR] = $2} END {printf "ratio %.2f\n", v[1] / v[2]}'
