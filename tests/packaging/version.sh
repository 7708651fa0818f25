#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Debian's changelog begins with the version that CMakeLists.txt says.
set -eu

changelog=$FB_SOURCE_DIR/debian/changelog
if [ ! -e "$changelog" ]; then
	echo "SKIP: this source has no debian/changelog"
	exit 77
fi
first=$(sed -n '1s/^libfb (\([^)]*\)-[^-)]*) .*/\1/p' "$changelog")
echo "CMakeLists.txt: $FB_VERSION, debian/changelog: $first"
[ "$first" = "$FB_VERSION" ]
