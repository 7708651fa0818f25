#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Each C sample in README.md is the file that the line before it names, without that file's licence
# line; the files are compiled with the library and run by the tests. With --update, README.md is
# changed to match. In README.md:
#
#	<!-- sample: libfb/examples/hello.c -->
#	```c
#	...
#	```
set -euo pipefail

cd "${FB_SOURCE_DIR:-$(dirname "$0")/../..}"
made=$(mktemp)
trap 'rm -f "$made"' EXIT

samples=$(sed -n 's/^<!-- sample: \(.*\) -->$/\1/p' README.md)
[[ -n $samples ]] || {
	echo "README.md has no sample"
	exit 1
}
for file in $samples; do
	[[ -f $file ]] || {
		echo "SKIP: $file does not exist yet"
		exit 77
	}
done

awk '
	sample != "" && /^```c$/ {
		print
		while ((getline line < sample) > 0)
			if (line !~ /SPDX-License-Identifier/)
				print line
		inside = 1
		sample = ""
		next
	}
	inside && /^```$/ { inside = 0 }
	inside { next }
	/^<!-- sample: .* -->$/ { sample = $3 }
	{ print }
' README.md >"$made"

if [[ ${1-} == --update ]]; then
	cat "$made" >README.md
	exit
fi
diff -u README.md "$made" || {
	echo "README.md differs from the example: tests/api/readme_sample.sh --update"
	exit 1
}
