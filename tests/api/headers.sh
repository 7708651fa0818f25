#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Each public header compiles alone, without a warning, as C99, C17 and C++17, with each compiler
# that is there. Included twice, to see that its guard works.
set -euo pipefail

include=${FB_SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}/libfb/include
checked=0
for compiler in "gcc c c99" "gcc c gnu17" "g++ c++ c++17" \
	"clang c c99" "clang c c17" "clang++ c++ c++17"; do
	read -r program language standard <<<"$compiler"
	if ! command -v "$program" >/dev/null; then
		echo "SKIP: no $program for $standard"
		continue
	fi
	for header in "$include"/libfb/*.h; do
		name=libfb/${header##*/}
		printf '#include <%s>\n#include <%s>\nextern int unit;\n' "$name" "$name" |
			"$program" -x "$language" -std="$standard" -Wall -Wextra -Wpedantic -Wshadow \
				-Wconversion -Werror -fsyntax-only -I"$include" - ||
			{
				echo "$name does not compile alone as $standard with $program"
				exit 1
			}
		checked=$((checked + 1))
	done
done
echo "$checked compilations"
((checked > 0))
