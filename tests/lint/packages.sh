#!/bin/sh
# How quickstart and run-tests install packages (.ci/packages.sh), on a machine that is made up: as root, with sudo only, with
# neither, where apt-get fails, where nothing is missing, and on no Debian at all.
set -u
top=$(cd "${srcdir:-$(dirname "$0")/../..}" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

# A machine: PATH has nothing but these and what a shell needs. Every program writes down how it was called.
machine() { # uid "programs"
    rm -rf "$work/bin"
    mkdir "$work/bin"
    : >"$work/calls"
    for tool in sh cat mktemp rm tail env; do ln -s "$(command -v $tool)" "$work/bin/$tool"; done
    put id "echo $1"
    for program in $2; do
        case $program in
        sudo) put sudo "echo sudo \"\$@\" >>$work/calls; exec \"\$@\"" ;;
        apt-get) put apt-get "echo apt-get \"\$@\" >>$work/calls" ;;
        broken-apt-get) put apt-get "echo 'no network'; exit 100" ;;
        dpkg-query) put dpkg-query "case \"\$*\" in *gcc) echo 'install ok installed' ;; *) exit 1 ;; esac" ;;
        esac
    done
}
put() { # name script
    printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1"
    chmod +x "$work/bin/$1"
}
installs() { # packages…: its status, what it says in out
    env PATH="$work/bin" sh -c '. "$1"; shift; install_packages "$@"' sh "$top/.ci/packages.sh" "$@" >"$work/out" 2>&1
}
expect() { # what, condition…
    what=$1
    shift
    if "$@"; then
        echo "ok: $what"
    else
        echo "FAILED: $what"
        cat "$work/out" "$work/calls"
        failed=1
    fi
}
called() { [ "$(cat "$work/calls")" = "$1" ]; }
says() { grep -q -- "$1" "$work/out"; }

want="apt-get update
apt-get install -y --no-install-recommends check valgrind"
sudo_want="sudo apt-get update
apt-get update
sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends check valgrind
apt-get install -y --no-install-recommends check valgrind"

machine 0 "dpkg-query apt-get"
installs gcc check valgrind
expect "root installs what is missing, without sudo" called "$want"
expect "and says what" says "Installing: check valgrind"
machine 1000 "dpkg-query apt-get sudo"
installs gcc check valgrind
expect "a user with sudo installs by it" called "$sudo_want"
machine 1000 "dpkg-query apt-get"
installs gcc check valgrind
expect "a user without sudo is told what to ask for" says "Install them as root: apt-get install --no-install-recommends check valgrind"
expect "and nothing was tried" called ""
machine 0 "dpkg-query broken-apt-get"
installs gcc check
expect "a failure is shown, and ends it" [ $? = 1 ]
expect "with apt-get's words" says "no network"
machine 1000 "dpkg-query apt-get sudo"
installs gcc
expect "where nothing is missing nothing is asked for" called ""
machine 1000 ""
installs gcc check
expect "no Debian: it goes on, and says what is needed" says "Needed are the equivalents of: gcc check"
exit "$failed"
