#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Usage: tests/bench/compare.sh [--rounds N] [--count N] [--megabytes N] [--fbfsd OPTIONS]
#                               [--peer NAME='COMMAND {source} {mountpoint}']...
#
# Compares fbfsd with other file-system servers over the same folder, by tests/bench/fsops.c. The
# first peer is libfuse's passthrough_ll, built from Debian's libfuse3-dev unless that is missing: as
# it comes, which leaves permissions to the host, and ("checking_ll") with default_permissions, which
# fbfsd has by default: the kernel then asks for a folder's attributes after each change in it.
#
#   --rounds N         take turns N times (7); the table shows medians
#   --count N          operations in one measurement (2000)
#   --megabytes N      size of the file for sequential data (256)
#   --fbfsd OPTIONS    options for fbfsd (none; -o allow_other is not given)
#   --peer NAME='…'    another server, which goes into the background or stays in front
#
# Needs root or fusermount3, and an idle machine. FB_BUILD_DIR says where fbfsd is (build/release).
# TMPDIR should be on the file system that matters.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
build=${FB_BUILD_DIR:-$root/build/release}
rounds=7
count=2000
megabytes=256
names=(native fbfsd)
commands=("" "$build/bin/fbfsd {source} {mountpoint}")

die() {
	printf 'compare.sh: %s\n' "$*" >&2
	exit 2
}

peers=()
while (($#)); do
	[[ $1 == -h || $1 == --help ]] && sed -n '4,21s/^# \{0,1\}//p' "$0" && exit
	(($# > 1)) || die "$1 wants a value"
	case $1 in
	--rounds) rounds=$2 ;;
	--count) count=$2 ;;
	--megabytes) megabytes=$2 ;;
	--fbfsd) commands[1]="$build/bin/fbfsd $2 {source} {mountpoint}" ;;
	--peer)
		[[ $2 == *=*"{source}"*"{mountpoint}"* ]] || die "--peer NAME='COMMAND {source} {mountpoint}'"
		peers+=("$2")
		;;
	*) die "unknown argument $1" ;;
	esac
	shift 2
done
[[ -x $build/bin/fbfsd ]] || die "$build/bin/fbfsd is not built: cmake --preset release && cmake --build --preset release"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/fb-compare-XXXXXX")
source=$work/source
mountpoint=$work/mountpoint
server=
mkdir "$source" "$mountpoint"

unmount() {
	local tries
	for tries in 1 2 3 4 5 6 7 8 9 10; do
		mountpoint -q "$mountpoint" || break
		if ((EUID == 0)); then umount "$mountpoint"; else fusermount3 -u "$mountpoint"; fi 2>/dev/null &&
			break
		sleep 0.2
	done
	if [[ -n $server ]]; then
		wait "$server" || true
		server=
	fi
}

cleanup() {
	unmount
	mountpoint -q "$mountpoint" && umount -l "$mountpoint"
	rm -rf --one-file-system "$work"
}
trap cleanup EXIT

cc -O2 -std=gnu17 -D_GNU_SOURCE -pthread -o "$work/fsops" "$root/tests/bench/fsops.c"

# libfuse's example is compiled where nobody commits it.
build_passthrough_ll() {
	local examples=/usr/share/doc/libfuse3-dev/examples file
	for file in passthrough_ll.c passthrough_helpers.h; do
		if [[ -e $examples/$file ]]; then
			cp "$examples/$file" "$work/"
		elif [[ -e $examples/$file.gz ]]; then
			zcat "$examples/$file.gz" >"$work/$file"
		else
			return 1
		fi
	done
	# shellcheck disable=SC2046
	cc -O2 -DHAVE_UTIMENSAT -DHAVE_POSIX_FALLOCATE -DHAVE_COPY_FILE_RANGE -o "$work/passthrough_ll" \
		"$work/passthrough_ll.c" $(pkg-config --cflags --libs fuse3) 2>"$work/cc.log" || {
		cat "$work/cc.log" >&2
		return 1
	}
}

if build_passthrough_ll; then
	names+=(passthrough_ll checking_ll)
	commands+=("$work/passthrough_ll -o source={source} {mountpoint}"
		"$work/passthrough_ll -o default_permissions -o source={source} {mountpoint}")
else
	echo "compare.sh: no passthrough_ll: install libfuse3-dev (with its documentation), pkg-config" >&2
fi
for peer in "${peers[@]}"; do
	names+=("${peer%%=*}")
	commands+=("${peer#*=}")
done

start() {
	local command=$1 tries
	command=${command//\{source\}/$source}
	command=${command//\{mountpoint\}/$mountpoint}
	# shellcheck disable=SC2086
	$command >"$work/server.log" 2>&1 </dev/null &
	server=$!
	for ((tries = 0; tries < 100; tries++)); do
		mountpoint -q "$mountpoint" && return
		sleep 0.05
	done
	cat "$work/server.log" >&2
	die "not mounted: $command"
}

: >"$work/results"
for ((round = 1; round <= rounds; round++)); do
	for index in "${!names[@]}"; do
		[[ ! -t 2 ]] || printf '\rround %d of %d: %-20s' "$round" "$rounds" "${names[index]}" >&2
		place=$source
		if [[ -n ${commands[index]} ]]; then
			start "${commands[index]}"
			place=$mountpoint
		fi
		"$work/fsops" "$place" "$count" "$((megabytes << 20))" >"$work/output"
		[[ $place == "$source" ]] || unmount
		sed "s/^/${names[index]} /" "$work/output" >>"$work/results"
	done
done
[[ ! -t 2 ]] || printf '\r%-40s\r' '' >&2

/usr/bin/python3 - "$work/results" "$rounds" "${names[@]}" <<'PYTHON'
import statistics
import sys

path, rounds, *names = sys.argv[1:]
values, units = {}, {}
for line in open(path):
    name, operation, value, unit = line.split()
    values.setdefault(operation, {}).setdefault(name, []).append(float(value))
    units[operation] = unit

print(f"Medians of {rounds} rounds, +- half the range between the quartiles. The ratio is fbfsd's speed by")
print("the other's: above 1 fbfsd is faster.\n")
print(f"{'operation':<22}" + "".join(f"{name:>24}" for name in names) + "".join(
    f"{'ratio ' + name:>22}" for name in names if name != "fbfsd"))
for operation, by_name in values.items():
    row = f"{operation + ', ' + units[operation]:<22}"
    medians = {}
    for name in names:
        sample = sorted(by_name[name])
        medians[name] = statistics.median(sample)
        quartiles = statistics.quantiles(sample, n=4) if len(sample) > 1 else [sample[0]] * 3
        spread = (quartiles[2] - quartiles[0]) / 2 / medians[name] * 100
        row += f"{medians[name]:>16.2f} +-{spread:3.0f} %"
    for name in names:
        if name != "fbfsd":
            ratio = medians[name] / medians["fbfsd"]
            row += f"{ratio if units[operation] == 'us' else 1 / ratio:>22.2f}"
    print(row)
PYTHON
