#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Usage: check_man.sh [INCLUDE-DIR [MAN-DIR]]
#
# Checks that the pages of section 3 name every function and every driver operation that the public
# headers declare, and no function that they do not.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
include=${1:-$here/../include/libfb}
man=${2:-$here}
complaints=0

complain() {
	printf '%s\n' "$*"
	complaints=$((complaints + 1))
}

# Headers without comments, preprocessor lines and calls of macros in braces.
declarations() {
	cat "$include"/*.h | sed -e 's://.*::' -e '/^[ \t]*#/d' |
		awk '{ gsub(/\/\*[^*]*\*\//, "") } /\/\*/ { skip = 1 } !skip { print } /\*\// { skip = 0 }'
}

functions() {
	declarations | grep -v '^typedef' | grep -oE '\bfb_[a-z0-9_]+\(' | tr -d '(' | sort -u
}

operations() {
	sed -n '/^#define FB_DRIVER_OPS/,/[^\\]$/p' "$include/driver.h" |
		grep -oE 'X\([a-z_]+\)' | sed 's/X(\(.*\))/\1/'
}

pages=$(sed 's/\\//g' "$man"/*.3.scd)
documented=$(grep -v '^typedef' <<<"$pages" | grep -oE '\bfb_[a-z0-9_]+\(' | tr -d '(' | sort -u)
described=$(grep -oE '\*fb_[a-z0-9_]+\*\(' <<<"$pages" | tr -d '*(' | sort -u)
declared=$(functions)

while read -r name; do
	grep -qxF "$name" <<<"$documented" || complain "$name(): declared, but in no SYNOPSIS"
	grep -qxF "$name" <<<"$described" || complain "$name(): declared, but not described"
done <<<"$declared"

page_names=$(cd "$man" && printf '%s\n' *.3.scd | sed 's/\.3\.scd$//')
while read -r name; do
	grep -qxF "$name" <<<"$declared" || grep -qxF "$name" <<<"$page_names" ||
		complain "$name(): documented, but not declared"
done <<<"$documented"

while read -r name; do
	grep -qE "(^|, )\*$name\*\(_self_" <<<"$pages" || complain "operation $name: not described"
done < <(operations)

printf 'man pages: %d functions, %d operations, %d complaints\n' "$(wc -l <<<"$declared")" \
	"$(operations | wc -l)" "$complaints"
((complaints == 0))
