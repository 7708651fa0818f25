#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The spec can be parsed, with and without its parts; its version and packages are the right ones, its changelog's too,
# and each macro in it has a meaning. No package is built: script/package-rpm.
set -euo pipefail

if ! command -v rpmspec >/dev/null; then
	echo "SKIP: no rpmspec (script/bootstrap rpm)"
	exit 77
fi
if ! git -c safe.directory='*' -C "$FB_SOURCE_DIR" rev-parse HEAD >/dev/null 2>&1; then
	echo "SKIP: this source is no git checkout, whose last commit gives the changelog's date"
	exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
complaints=0
load=()
[[ ! -e /etc/debian_version ]] || load=(--load "$FB_SOURCE_DIR/rpm/macros.debian")

complain() {
	printf '%s\n' "$*"
	complaints=$((complaints + 1))
}

# spec OPTION...: what rpmspec says of it.
spec() {
	HOME=$work rpmspec "${load[@]}" "$@" "$work/libfb.spec"
}

# packages EXPECTED OPTION...: those that a build with these options makes.
packages() {
	local expected=$1 found
	shift
	found=$(spec -q --qf '%{NAME} ' "$@" | tr ' ' '\n' | grep -v -- '-debug' | sort | xargs)
	[[ $found == "$expected" ]] || complain "with '$*': packages '$found', not '$expected'"
}

"$FB_SOURCE_DIR/script/package-rpm" --spec >"$work/libfb.spec"
! grep -n '@[A-Z]*@' "$work/libfb.spec" || complain "not filled in"
packages "fbfsd libfb libfb-devel libfb-doc python3-libfb"
packages "fbfsd libfb libfb-devel libfb-doc" --without python
packages "fbfsd libfb libfb-devel libfb-doc python3-libfb" --without manual --without systemd --without check

versions=$(spec -q --srpm --qf '%{VERSION} %{CHANGELOGNAME}' | sed 's/ .* - / /')
[[ $versions == "$FB_VERSION $FB_VERSION-1" ]] || complain "versions: $versions, not $FB_VERSION"

spec -P >"$work/whole"
known='global|package|description|prep|build|install|check|preun|post|postun|files|dir|doc|license|changelog'
! grep -nE '%[{]|^%[a-z_]' "$work/whole" | grep -vE "^[0-9]+:%($known)( |\$)" || complain "macros without a meaning"
spec -P --without systemd --without manual --without python --without check >"$work/bare"
for option in FB_SYSTEMD FB_MANUAL FB_PYTHON FB_TESTS; do
	grep -q "D$option:[A-Z]*=ON" "$work/whole" || complain "no $option=ON"
	grep -q "D$option:[A-Z]*=OFF" "$work/bare" || complain "no $option=OFF without its part"
done
echo "libfb.spec $versions: $complaints complaints"
((complaints == 0))
