#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Every row of the attack table has a test that names it: R1 to R16 for rings, F1 to F28 for FUSE
# requests, M1 to M14 for messages. Prints which tests each row has.
set -eu

cd "$(dirname "$0")"
missing=

rows() {
	for number in $(seq "$2"); do
		tests=$(grep -ohE "TEST\(test_$1${number}_[A-Za-z0-9_]+\)" ./*_test.c |
			sed 's/TEST(\(.*\))/\1/' | paste -sd ' ')
		if [ -n "$tests" ]; then
			echo "$1$number: $tests"
		else
			missing="$missing $1$number"
		fi
	done
}

rows R 16
rows F 28
rows M 14
[ -z "$missing" ] || {
	echo "rows without a test:$missing"
	exit 1
}
