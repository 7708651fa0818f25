#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The library carries its two static probes where the build had <sys/sdt.h>.
set -euo pipefail

library=${FB_BUILD_DIR:?}/lib/libfb.so
if ! echo '#include <sys/sdt.h>' | cc -fsyntax-only -x c - 2>/dev/null; then
	echo "SKIP: no <sys/sdt.h> (package systemtap-sdt-dev)"
	exit 77
fi
notes=$(readelf -n "$library")
for probe in request_begin request_end; do
	if ! grep -A1 'Provider: libfb' <<<"$notes" | grep -q "Name: $probe"; then
		echo "$library has no probe libfb:$probe"
		exit 1
	fi
done
