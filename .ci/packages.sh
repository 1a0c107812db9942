# Debian packages that quickstart and run-tests need, and how they get there. Sourced by both.
PACKAGES_BUILD="gcc libc6-dev make autoconf automake pkg-config libsodium-dev libpcre2-dev libjansson-dev libevent-dev
    libpq-dev libsqlite3-dev libcurl4-openssl-dev libssl-dev zlib1g-dev"
PACKAGES_RUN="postgresql-15 postgresql-client-15"
PACKAGES_TEST="check clang-format python3 strace valgrind openssl chromium clang libclang-rt-dev clang-tidy"
# Node for the JavaScript client; one that is there already, of another source, brings npm along.
command -v npm >/dev/null || PACKAGES_TEST="$PACKAGES_TEST nodejs npm"

# The ones of "$@" that are not installed.
missing_packages() {
    for package; do
        case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) in
        *' installed') ;;
        *) printf '%s ' "$package" ;;
        esac
    done
}

# Installs what is missing of "$@" with apt-get, as root or by sudo; says what it does.
install_packages() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "This is no Debian system; going on with what is installed. Needed are the equivalents of: $*"
        return 0
    fi
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || {
            echo "These packages are missing: $missing" >&2
            echo "Install them as root: apt-get install --no-install-recommends $missing" >&2
            exit 1
        }
        as_root=sudo
    fi
    echo "Installing: $missing"
    apt_log=$(mktemp)
    if $as_root apt-get update >"$apt_log" 2>&1 &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing \
            >>"$apt_log" 2>&1 </dev/null; then
        rm -f "$apt_log"
        return 0
    fi
    tail -n 20 "$apt_log" >&2
    rm -f "$apt_log"
    echo "The packages could not be installed; the lines above say why." >&2
    exit 1
}

has_program() { # root name
    [ -x "$1/usr/sbin/$2" ] || [ -x "$1/usr/bin/$2" ]
}

# A program of a package whose installation would start a service and take a port: unpacked into $1, never
# installed, and only where the system has none. Never fatal: a test that needs it is skipped and says so.
unpack_program() {
    into=$1
    name=$2
    shift 2
    ! has_program "" "$name" && ! has_program "$into" "$name" && ! command -v "$name" >/dev/null || return 0
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 0
    echo "Unpacking $name into $into"
    debs=$(mktemp -d) || return 0
    if ! (cd "$debs" && apt-get download "$@") >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        apt-get update >/dev/null 2>&1
        (cd "$debs" && apt-get download "$@") >/dev/null 2>&1 || :
    fi
    for deb in "$debs"/*.deb; do
        [ ! -f "$deb" ] || dpkg-deb -x "$deb" "$into"
    done
    rm -rf "$debs"
    has_program "$into" "$name" || echo "$name could not be had ($*): the tests that need it are skipped."
}

# The proxies that cohortd is tested behind, and what tries the alerts. Tests find them by tests/integration/proxies.py.
unpack_proxies() {
    unpack_program "$1" nginx nginx
    unpack_program "$1" haproxy haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1
    unpack_program "$1" promtool prometheus
}
