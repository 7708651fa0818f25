#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Usage: tests/packaging/rpm_install.sh NEW OLD
#
# NEW and OLD are where rpmbuild has built two versions. In a root and a database of their own, made for it: installs
# the old packages, upgrades to the new ones, uses them from outside, erases them.
set -euo pipefail

((EUID == 0)) || exec unshare --map-root-user "$0" "$@"

new=$1
old=$2
source=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
export HOME=$work # where Debian's rpm makes a database, whatever it is asked
root=$work/root
count=0
failures=0

cleanup() {
	! mountpoint -q "$work/mnt" || umount -l "$work/mnt"
	rm -rf "$work"
}
trap cleanup EXIT

# test_that WHAT COMMAND...: one line of TAP.
test_that() {
	local what=$1 status=0
	shift
	count=$((count + 1))
	("$@") >"$work/output" 2>&1 || status=$?
	if ((status)); then
		failures=$((failures + 1))
		sed 's/^/# /' "$work/output"
		printf 'not '
	fi
	printf 'ok %d - %s\n' "$count" "$what"
}

skip() {
	count=$((count + 1))
	printf 'ok %d # SKIP %s: %s\n' "$count" "$1" "$2"
}

# packages DIR: what is installed from there; what is for debuggers needs no test of ours.
packages() {
	find "$1/RPMS" -name '*.rpm' ! -name '*-debuginfo-*' ! -name '*-debugsource-*'
}

# Debian's rpm wants to be told that it is meant.
in_root() {
	rpm --root "$root" --dbpath /var/lib/rpm ${debian:+--force-debian} "$@"
}

# listed FILE-PATTERN: the path that ends like this in the new packages.
listed() {
	rpm -qpl "${new_packages[@]}" | grep -E "$1"
}

# ---- what stands for the rest of Fedora -------------------------------------------------------------

# The requirements that our packages do not meet themselves.
requirements() {
	local -A ours=()
	local name
	while read -r name; do
		ours[$name]=yes
	done < <(rpm -qp --provides "${new_packages[@]}" "${old_packages[@]}" | sed 's/ = .*//')
	rpm -qp --requires "${new_packages[@]}" "${old_packages[@]}" | sort -u | while read -r name; do
		[[ $name == rpmlib\(* || ${ours[${name%% = *}]-} ]] || printf '%s\n' "$name"
	done
}

# Those that Fedora's packages meet.
known='^(/bin/sh|/usr/bin/pkg-config|systemd|rtld[(]GNU_HASH[)]|python[(]abi[)] = .*|
ld-linux-.*[.]so[.][0-9]+[(].*|lib(c|gcc_s|uring|cap-ng|seccomp|systemd)[.]so[.].*)$'
known=${known//$'\n'/}

strangers() {
	! requirements | grep -vE "$known"
}

# A package with those requirements, the folders of basic packages, a shell, and in place of systemd's helper a
# script that notes what it is asked for.
make_base() {
	cat >"$work/base.spec" <<-SPEC
		Name: base
		Version: 1
		Release: 1
		Summary: Stands for the rest of Fedora
		License: None
		AutoReqProv: no
		$(requirements | sed 's/^/Provides: /')
		%description
		%install
		cd %{buildroot}
		mkdir -p bin etc usr/bin usr/sbin usr/include usr/lib/systemd/system var/log var/tmp var/lib/rpm
		mkdir -p .$libdir/cmake .$libdir/pkgconfig .${sitearch:-/usr/lib}
		mkdir -p usr/share/doc usr/share/licenses usr/share/man/man3 usr/share/man/man8
		mkdir -p usr/share/bash-completion/completions usr/share/zsh/site-functions
		mkdir -p usr/share/fish/vendor_completions.d
		cp $(command -v busybox) bin/sh
		echo 'echo "\$*" >>/var/log/units' >usr/lib/systemd/systemd-update-helper
		sed -i '1i #!/bin/sh' usr/lib/systemd/systemd-update-helper
		chmod 755 usr/lib/systemd/systemd-update-helper
		%files
		/*
	SPEC
	rpmbuild -bb --quiet --define "_topdir $work/base" --define '_build_id_links none' \
		--define '__os_install_post %{nil}' "$work/base.spec" &&
		in_root -i "$work"/base/RPMS/*/*.rpm
}

# What lies in the root, but for the database and the notes.
tree() {
	(cd "$root" && find . -path ./var/lib/rpm -prune -o -path ./var/log/units -o -print | sort)
}

# ---- what users do ----------------------------------------------------------------------------------

says_version() {
	[[ $(LD_LIBRARY_PATH=$root$libdir "$root/usr/bin/fbfsd" --version) == "fbfsd $1" ]]
}

serve() {
	mkdir "$work/mnt" "$work/share"
	echo first >"$work/share/file"
	LD_LIBRARY_PATH=$root$libdir "$root/usr/bin/fbfsd" "$work/share" "$work/mnt" &&
		[[ $(<"$work/mnt/file") == first ]]
}

serves_still() {
	echo second >"$work/mnt/other" && [[ $(<"$work/share/other") == second ]] && umount "$work/mnt"
}

imports() {
	PYTHONPATH=$root$sitearch LD_LIBRARY_PATH=$root$libdir PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 \
		/usr/bin/python3 - "$root" <<-PYTHON
		import importlib.metadata, runpy, sys
		import libfb, libfb.testing
		assert libfb.__file__.startswith(sys.argv[1]), libfb.__file__
		assert importlib.metadata.version("libfb") == "$version"
		hello = runpy.run_path(sys.argv[1] + "/usr/share/doc/libfb/examples/python/hello_path.py")["Hello"]
		with libfb.testing.Client(hello()) as client:
		    assert client.read_bytes("/hello") == b"Hello, world!\n"
	PYTHON
}

# The packages' libfb.pc first, those of what it needs where they always are.
pkg_config() {
	PKG_CONFIG_PATH=$root$libdir/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root pkg-config "$@"
}

compiles() {
	# shellcheck disable=SC2046 # flags are several words
	cc -Wall -Wextra -Werror -o "$work/by-pkg-config" "$consumer/main.c" $(pkg_config --cflags --libs libfb) &&
		LD_LIBRARY_PATH=$root$libdir "$work/by-pkg-config" "$(pkg_config --modversion libfb)" | grep "libfb $version:"
}

compiles_by_cmake() {
	cmake -G Ninja -S "$consumer" -B "$work/build" "-Dlibfb_DIR=$root$libdir/cmake/libfb" && cmake --build "$work/build" &&
		LD_LIBRARY_PATH=$root$libdir "$work/build/by-cmake" "$version"
}

# What the scripts of the packages asked systemd for since the last time.
asked() {
	local expected=$1
	[[ $(cat "$root/var/log/units" 2>/dev/null) == "$expected" ]] || {
		cat "$root/var/log/units"
		return 1
	}
	rm -f "$root/var/log/units"
}

refuses() {
	! in_root "$@"
}

installed_are() {
	diff <(in_root -qa | grep -v '^base-' | sort) <(rpm -qp "$@" | sort)
}

verify_all() {
	in_root -qa --qf '%{NAME}\n' | grep -v '^base$' | while read -r package; do
		in_root -V "$package" || return 1
	done
}

# ---- the tests --------------------------------------------------------------------------------------

mapfile -t new_packages < <(packages "$new")
mapfile -t old_packages < <(packages "$old")
((${#new_packages[@]} && ${#old_packages[@]})) || { echo "no packages in $new or $old"; exit 2; }
mkdir "$root"
libdir=$(listed '/libfb\.so\.0$')
libdir=${libdir%/*}
sitearch=$(listed '/libfb/__init__\.py$') || true
sitearch=${sitearch%/libfb/*}
version=$(rpm -qp --qf '%{VERSION}' "$(printf '%s\n' "${new_packages[@]}" | grep '/libfb-[0-9]')")
old_version=$(rpm -qp --qf '%{VERSION}' "$(printf '%s\n' "${old_packages[@]}" | grep '/libfb-[0-9]')")
consumer=$source/tests/api/consumer
added='' removed=''
if listed '/fbfsd@\.service$' >/dev/null; then
	added='install-system-units fbfsd@.service fbfsd@.socket'
	removed='remove-system-units fbfsd@.service fbfsd@.socket'
fi

test_that "what the packages require is known" strangers
test_that "a root to install in" make_base
tree >"$work/before"
test_that "the old packages can be installed" in_root -i "${old_packages[@]}"
test_that "the old ones alone are there" installed_are "${old_packages[@]}"
test_that "all is as packed" verify_all
test_that "the scripts ask systemd for: ${added:-nothing}" asked "$added"
test_that "fbfsd is $old_version" says_version "$old_version"
if [[ -e /dev/fuse && $(</proc/self/uid_map) == *4294967295 ]]; then
	test_that "the old fbfsd serves a mount" serve
else
	skip "the old fbfsd serves a mount" "needs root and /dev/fuse"
fi
test_that "a part of another version is refused" refuses -U "$(printf '%s\n' "${new_packages[@]}" | grep -- -devel-)"
test_that "the new packages take their place" in_root -U "${new_packages[@]}"
test_that "the new ones alone are there" installed_are "${new_packages[@]}"
test_that "all is as packed" verify_all
test_that "the scripts ask systemd for nothing" asked ""
test_that "fbfsd is $version" says_version "$version"
if mountpoint -q "$work/mnt"; then
	test_that "the mount is served still" serves_still
else
	skip "the mount is served still" "there is none"
fi
test_that "a program compiles by pkg-config, and runs" compiles
test_that "a program compiles by CMake, and runs" compiles_by_cmake
if [[ $sitearch == */python$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')/* ]]; then
	test_that "an example in Python serves" imports
else
	skip "an example in Python serves" "no package for this Python"
fi
test_that "what others need can not be erased" refuses -e libfb
mapfile -t names < <(rpm -qp --qf '%{NAME}\n' "${new_packages[@]}")
test_that "all can be erased" in_root -e "${names[@]}"
test_that "the scripts ask systemd for: ${removed:-nothing}" asked "$removed"
tree >"$work/after"
test_that "nothing is left" diff "$work/before" "$work/after"
echo "1..$count"
((failures == 0))
