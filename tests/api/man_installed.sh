#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every public function has a man page of its own name among the installed ones: the page that
# documents it, or one line that leads there.
set -euo pipefail

if [[ ! -d ${FB_BUILD_DIR:?}/man ]]; then
	echo "SKIP: man pages were not built (no scdoc)"
	exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
complaints=0

complain() {
	printf '%s\n' "$*"
	complaints=$((complaints + 1))
}

DESTDIR=$work cmake --install "$FB_BUILD_DIR" --component dev >/dev/null
man=$(find "$work" -type d -name man3)
man=${man%/man3}

# page FILE: the page that this one is or leads to.
page() {
	local to
	to=$(sed -n '1s/^\.so //p' "$1")
	printf '%s\n' "${to:+$man/}${to:-$1}"
}

mapfile -t names < <(sed -n 's/^[[:space:]]*\(fb_[a-z0-9_]*\);$/\1/p' "$FB_SOURCE_DIR/libfb/libfb.map")
for name in "${names[@]}"; do
	file=$man/man3/$name.3
	if [[ ! -f $file ]]; then
		complain "$name: no page"
	elif ! grep -q "\<$name(" "$(page "$file")"; then
		complain "$name: its page does not document it"
	fi
done
for file in "$man"/man3/*; do
	[[ -f $(page "$file") ]] || complain "${file##*/} leads to no page"
done
echo "installed man pages: ${#names[@]} functions, $complaints complaints"
((complaints == 0 && ${#names[@]} > 0))
