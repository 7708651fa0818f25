#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Usage: union.sh INSTALLED PACKAGE.deb...
#
# The packages together have each file that cmake --install wrote (INSTALLED lists them), and nothing
# else but what Debian adds; no file is in two of them.
set -euo pipefail

installed=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
complaints=0

complain() {
	printf '%s\n' "$*"
	complaints=$((complaints + 1))
}

# What debhelper adds to a package, and what it compresses.
added() {
	local name=$1
	printf '%s\n' "./usr/share/doc/$name/copyright" "./usr/share/doc/$name/changelog.Debian.gz" \
		"./usr/share/lintian/overrides/$name" "./usr/share/doc-base/$name.libfb"
}

for package in "$@"; do
	name=$(dpkg-deb -f "$package" Package)
	added "$name" | sort >"$work/added"
	dpkg-deb --fsys-tarfile "$package" | tar -t | grep -v '/$' | sort | comm -23 - "$work/added"
done | sort >"$work/all"
twice=$(uniq -d "$work/all")
[[ -z $twice ]] || complain "in two packages: $twice"

# Debian's licence texts are in debian/copyright.
grep -v '/doc/libfb/LICENSE$' "$installed" | sort >"$work/wanted"
while read -r file; do
	if [[ $file == *.gz ]] && grep -qxF "${file%.gz}" "$work/wanted"; then
		file=${file%.gz}
	fi
	printf '%s\n' "$file"
done <"$work/all" | sort >"$work/have"
diff -u --label "cmake --install" --label packages "$work/wanted" "$work/have" >"$work/diff" ||
	complain "$(<"$work/diff")"
echo "$(wc -l <"$work/wanted") files in $# packages, $complaints complaints"
((complaints == 0))
