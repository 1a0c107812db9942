#!/bin/sh
# systemd_boot.sh DIR BUILD: to be started as process 1 of its own pid, mount, network and cgroup namespaces. It installs the build
# into a copy of this system that lives in memory at DIR and vanishes with the namespaces, and becomes systemd there. What
# this system would start stays out: only what it is told.
set -eu
dir=$1
build=$2
mount -t tmpfs -o mode=755 cohort "$dir"
mkdir "$dir/changed" "$dir/work" "$dir/root"
mount -t overlay -o "lowerdir=/,upperdir=$dir/changed,workdir=$dir/work" overlay "$dir/root"
root=$dir/root
make -s -C "$build" install DESTDIR="$root" >"$dir/installed" 2>&1
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t sysfs -o ro sysfs "$root/sys"
mountpoint -q "$root/sys/fs/cgroup" || mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs tmp "$root/tmp"
ip link set lo up

units=$root/etc/systemd/system
printf '[Unit]\nDefaultDependencies=no\n' >"$units/nothing.target"
ln -sf /dev/null "$units/network-online.target"
# It needs nothing of a whole boot. What it says is read here.
for unit in service socket; do
    mkdir -p "$units/cohortd.$unit.d"
    printf '[Unit]\nDefaultDependencies=no\n' >"$units/cohortd.$unit.d/test.conf"
done
printf '[Service]\nWatchdogSec=2\nStandardError=append:/run/cohortd.log\nEnvironment=ASAN_OPTIONS=detect_leaks=0\n' \
    >>"$units/cohortd.service.d/test.conf"
cd "$root"
mkdir -p "$root/run/before"
pivot_root . run/before
umount -l /run/before
rmdir /run/before
systemd-sysusers
echo "systemd begins"
exec env -i container=other PATH="$PATH" /lib/systemd/systemd --unit=nothing.target --log-target=console --show-status=no
