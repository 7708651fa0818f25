#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Each component installs what belongs to it and nothing else; all of them together are the whole
# installation, and no file is in two.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
complaints=0

complain() {
	printf '%s\n' "$*"
	complaints=$((complaints + 1))
}

# install_to NAME ARGUMENT...: install into $work/NAME; what was written is listed in $work/NAME.list.
install_to() {
	local name=$1
	shift
	DESTDIR=$work/$name cmake --install "$FB_BUILD_DIR" "$@" >"$work/$name.log"
	(cd "$work/$name" && find . ! -type d) | sort >"$work/$name.list"
	# The log names a file each time that it is written.
	sed -n "s,^-- [A-Z][a-z-]*: $work/$name,.,p" "$work/$name.log" | sort | uniq -d |
		while read -r file; do echo "$name: $file is installed twice"; done >"$work/$name.twice"
	[[ ! -s $work/$name.twice ]] || complain "$(<"$work/$name.twice")"
}

# component NAME PATTERN...: each file matches a pattern, each pattern a file.
component() {
	local name=$1 pattern file
	local -A used=()
	shift
	install_to "$name" --component "$name"
	while read -r file; do
		for pattern in "$@" ""; do
			# shellcheck disable=SC2053 # a pattern it is
			[[ $file != $pattern ]] || break
		done
		[[ -n $pattern ]] || complain "$name: $file does not belong there"
		used[${pattern:-none}]=yes
	done <"$work/$name.list"
	for pattern in "$@"; do
		[[ -n ${used[$pattern]-} ]] || complain "$name: no file like $pattern"
	done
}

man3=() man8=() units=() examples=() manual=()
if [[ -d $FB_BUILD_DIR/man ]]; then
	man3=('*/man/man3/*.3')
	man8=('*/man/man8/fbfsd.8' '*/man/man8/mount.fuse.fbfsd.8')
fi
grep -q '^LIBSYSTEMD_FOUND:INTERNAL=1' "$FB_BUILD_DIR/CMakeCache.txt" &&
	units=('*/systemd/system/fbfsd@.service' '*/systemd/system/fbfsd@.socket'
		'*/doc/fbfsd/examples/share.conf' '*/doc/fbfsd/examples/mnt-data.mount')
[[ ! -d $FB_BUILD_DIR/examples ]] || examples=('*/doc/libfb/examples/*.c')
[[ ! -d $FB_BUILD_DIR/html ]] || manual=('*/doc/libfb/html/*')

component runtime '*/libfb.so.0' '*/libfb.so.0.*'
component dev '*/include/libfb/*.h' '*/libfb.so' '*/pkgconfig/libfb.pc' '*/cmake/libfb/*.cmake' \
	"${man3[@]}" "${examples[@]}"
component daemon '*/bin/fbfsd' '*/mount.fuse.fbfsd' '*/bash-completion/completions/fbfsd' \
	'*/zsh/*/_fbfsd' '*/fish/vendor_completions.d/fbfsd.fish' '*/qemu/vhost-user/60-fbfsd.json' "${man8[@]}" \
	"${units[@]}"
component doc '*/doc/libfb/README.md' '*/doc/libfb/NEWS.md' '*/doc/libfb/SECURITY.md' \
	'*/doc/libfb/LICENSE' "${manual[@]}"
[[ ! -d $FB_BUILD_DIR/py ]] || component python '*/doc/libfb/examples/python/*.py' \
	'*/libfb/*.py' '*/libfb/_*.pyi' '*/libfb/_fbc.*.so' '*/libfb/py.typed' '*/libfb-*.dist-info/*'

install_to whole
touch "$work/python.list" # without the binding
sort "$work"/{runtime,dev,daemon,python,doc}.list >"$work/sum"
twice=$(uniq -d "$work/sum")
[[ -z $twice ]] || complain "in two components: $twice"
diff -u "$work/whole.list" "$work/sum" >"$work/diff" ||
	complain "the components (+) are not the whole installation (-):" "$(<"$work/diff")"

# What leads elsewhere arrives.
dangling=$(find "$work/whole" -xtype l)
[[ -z $dangling ]] || complain "links that lead nowhere: $dangling"

# Every header, not just some.
for header in "$FB_SOURCE_DIR"/libfb/include/libfb/*.h; do
	grep -q "/include/libfb/${header##*/}$" "$work/dev.list" ||
		complain "dev: ${header##*/} is missing"
done
echo "components: $(wc -l <"$work/whole.list") files, $complaints complaints"
((complaints == 0))
