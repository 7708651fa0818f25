#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Usage: upgrade.sh OLD NEW "FILE.deb..."
#
# In a clean root: install the packages in OLD, upgrade to those in NEW, of which the third argument has the
# names, while a mount and a server for virtual machines are in use, and purge. The mount and the server go
# on meanwhile, and nothing is left behind.
set -euo pipefail

old=$1 new=$2
read -ra files <<<"$3"
work=$(mktemp -d)
pids=()
# Invoked by the trap.
# shellcheck disable=SC2317
clean() {
	local pid
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	! mountpoint -q "$work/mnt" || umount -l "$work/mnt"
	rm -rf "$work"
}
trap clean EXIT

fail() {
	echo "$*"
	exit 1
}

apt_install() {
	apt-get -q -y install --no-install-recommends "$@"
}

# All that there is, but what package managers write about what they did.
snapshot() {
	find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /var/cache -o -path /var/log \
		-o -path /var/lib/dpkg -o -path /var/lib/apt \) -prune -o -print | sort
}

# What they need comes from elsewhere, and stays.
needs=$(for file in "${files[@]}"; do dpkg-deb -f "$new/$file" Depends; done |
	tr , '\n' | grep -vE 'libfb|fbfsd' | sed 's/^ *//; /^$/d' | sort -u | paste -sd,)
apt-get -q -y satisfy --no-install-recommends "$needs"
snapshot >"$work/before"

apt_install "$old"/*.deb
version=$(dpkg-query -W -f '${Version}' fbfsd)
[[ $version == 0.0.9-1 ]] || fail "the old version is $version"

# Shares are set up as people do, without systemd there.
mkdir -p /etc/systemd/system/sockets.target.wants
cp /usr/share/doc/fbfsd/examples/share.conf /etc/fbfsd/data.conf
ln -s /usr/lib/systemd/system/fbfsd@.socket /etc/systemd/system/sockets.target.wants/fbfsd@data.socket

mkdir "$work/dir" "$work/mnt"
fbfsd --socket-path="$work/share.sock" --shared-dir="$work/dir" --sandbox=chroot --keep-listening &
pids+=($!)
if [[ -c /dev/fuse ]]; then
	fbfsd --foreground "$work/dir" "$work/mnt" &
	pids+=($!)
	for _ in {1..100}; do
		! mountpoint -q "$work/mnt" || break
		sleep 0.1
	done
	exec 5>"$work/mnt/open"
	echo before >&5
else
	echo "SKIP: no mount is in use meanwhile: there is no /dev/fuse"
fi

apt_install "${files[@]/#/$new/}"
version=$(dpkg-query -W -f '${Version}' fbfsd)
[[ $version != 0.0.9-1 ]] || fail "nothing was upgraded"
[[ -z $(find /usr/lib -name 'libfb.so.0.0.9') ]] || fail "the old library is still there"
fbfsd --version

for pid in "${pids[@]}"; do
	kill -0 "$pid" || fail "process $pid did not survive the upgrade"
done
[[ -S $work/share.sock ]] || fail "the server's socket is gone"
if [[ -c /dev/fuse ]]; then
	echo after >&5
	exec 5>&-
	[[ $(paste -sd' ' "$work/dir/open") == "before after" ]] || fail "the open file lost something"
	echo more >"$work/mnt/more"
	[[ $(<"$work/dir/more") == more ]] || fail "the mount does not work any more"
	umount "$work/mnt"
	fbfsd "$work/dir" "$work/mnt" # the new one
	[[ $(<"$work/mnt/more") == more ]] || fail "the new version does not mount"
	umount "$work/mnt"
fi
kill "${pids[@]}" 2>/dev/null || true
wait

apt-get -q -y purge "${files[@]%%_*}"
for file in "${files[@]}"; do
	! dpkg-query -W "${file%%_*}" 2>/dev/null || fail "${file%%_*} is still known to dpkg"
done
rmdir --ignore-fail-on-non-empty /etc/systemd/system/sockets.target.wants
snapshot >"$work/after"
diff "$work/before" "$work/after" || fail "purged, and yet not as before"
[[ ! -c /dev/fuse ]] || exit 0
exit 77
