#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Usage: tests/packaging/rpm_files.sh DIR
#
# DIR is where rpmbuild has built, with its build tree. The packages together are what "cmake --install" installs,
# no file is in two of them, and each folder below which nobody else has files belongs to one of them.
set -euo pipefail

dir=$1
work=$(mktemp -d)
export HOME=$work # where Debian's rpm makes a database, whatever it is asked
trap 'rm -rf "$work"' EXIT
complaints=0

complain() {
	printf '%s\n' "$*"
	complaints=$((complaints + 1))
}

# What rpm packs that CMake does not install: the licence where rpm wants it, beside the copy in libfb-doc; links by
# build ids; byte code.
own='^/usr/share/licenses/libfb/LICENSE$|^/usr/lib/[.]build-id|/__pycache__/'

mapfile -t packages < <(find "$dir/RPMS" -name '*.rpm' ! -name '*-debuginfo-*' ! -name '*-debugsource-*')
rpm -qp --qf '[%{FILEMODES:perms} %{FILENAMES}\n]' "${packages[@]}" | grep -v '^d' |
	sed -e 's/^[^ ]* //' -e '/man\/man/s/\.gz$//' | sort >"$work/packed"
twice=$(uniq -d "$work/packed")
[[ -z $twice ]] || complain "in two packages: $twice"

cache=$(find "$dir/BUILD" -maxdepth 4 -name CMakeCache.txt)
[[ $cache ]] || complain "no build tree below $dir/BUILD"
DESTDIR=$work/stage cmake --install "${cache%/*}" >"$work/log"
(cd "$work/stage" && find . ! -type d) | sed 's/^\.//' | sort >"$work/installed"
grep -vE "$own" "$work/packed" | diff -u "$work/installed" - >"$work/diff" ||
	complain "the packages (+) are not what is installed (-):" "$(<"$work/diff")"

# A folder that is no part of Fedora's basic ones, or of those of Python, CMake, pkg-config and systemd.
others='^/(etc|usr(/(bin|sbin|include|lib|lib64|share)(/(cmake|pkgconfig|man|doc|licenses))?)?)?$
^/usr/share/man/man[0-9]$
^/usr/lib/systemd(/system)?$
^/usr/lib64/python[0-9.]*(/site-packages)?$
^/usr/share/(bash-completion(/completions)?|fish(/vendor_completions[.]d)?|zsh(/site-functions)?)$'
rpm -qp --qf '[%{FILEMODES:perms} %{FILENAMES}\n]' "${packages[@]}" | sed -n 's/^d[^ ]* //p' | sort -u >"$work/owned"
while read -r folder; do
	while [[ $folder == /*/* ]]; do
		folder=${folder%/*}
		echo "$folder"
	done
done <"$work/installed" | sort -u | grep -vE "$others" | comm -23 - "$work/owned" >"$work/unowned"
[[ ! -s $work/unowned ]] || complain "folders of no package: $(<"$work/unowned")"

echo "${#packages[@]} packages: $(wc -l <"$work/packed") files, $complaints complaints"
((complaints == 0 && ${#packages[@]} > 0))
