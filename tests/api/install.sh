#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Installs into an empty folder and builds the small project in consumer/ against it from outside,
# through pkg-config and through the CMake package; both programs run.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stage=$work/stage
consumer=$FB_SOURCE_DIR/tests/api/consumer

fail() {
	printf '%s\n' "$*"
	exit 1
}

for component in runtime dev; do
	if ! cmake --install "$FB_BUILD_DIR" --prefix "$stage" --component "$component" \
		>"$work/log" 2>&1; then
		cat "$work/log"
		fail "component $component can not be installed"
	fi
done
pc=$(find "$stage" -name libfb.pc)
[[ -n $pc ]] || fail "no libfb.pc was installed"
export PKG_CONFIG_PATH=${pc%/*}
export LD_LIBRARY_PATH=${pc%/pkgconfig/*}

# shellcheck disable=SC2046 # flags are several words
cc -Wall -Wextra -Werror -o "$work/by-pkg-config" "$consumer/main.c" \
	$(pkg-config --define-variable=prefix="$stage" --cflags --libs libfb)
"$work/by-pkg-config" "$(pkg-config --modversion libfb)"

if ! { cmake -G Ninja -S "$consumer" -B "$work/build" -DCMAKE_PREFIX_PATH="$stage" &&
	cmake --build "$work/build"; } >"$work/log" 2>&1; then
	cat "$work/log"
	fail "the CMake package does not work"
fi
"$work/build/by-cmake" "$(pkg-config --modversion libfb)"

# A program built today must ask for libfb.so.0 and nothing more exact.
readelf -d "$work/by-pkg-config" | grep -q 'NEEDED.*\[libfb\.so\.0\]' ||
	fail "the program does not need libfb.so.0"
