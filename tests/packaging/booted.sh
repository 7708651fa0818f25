#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# In a container that systemd has booted: a share as people set it up, a monitor that connects to it twice,
# and the example of a mount unit. Writes "ok" to /var/log/booted.result when all of it went well.
set -euo pipefail

fail() {
	echo "$*"
	journalctl -b --no-pager -u 'fbfsd@*' -u mnt-data.mount
	exit 1
}

# A monitor's first question, "GET_FEATURES". Who answers it is in the sandbox. What the second process of
# the service may do, and sees, is printed while the monitor is connected.
monitor() {
	python3 - "$1" <<'PYTHON'
import pathlib
import socket
import struct
import subprocess
import sys

connection = socket.socket(socket.AF_UNIX)
connection.settimeout(20)
connection.connect(sys.argv[1])
connection.sendall(struct.pack("III", 1, 1, 0))
request, flags, size, _ = struct.unpack("=IIIQ", connection.recv(20, socket.MSG_WAITALL))
assert (request, flags, size) == (1, 5, 8), (request, flags, size)
parent = subprocess.check_output(["systemctl", "show", "-P", "MainPID", "fbfsd@data"], text=True).strip()
server = pathlib.Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0]
status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{server}/status").read_text().splitlines())
seen = sorted(path.name for path in pathlib.Path(f"/proc/{server}/root").iterdir())
print(f"server: capabilities {status['CapEff']}, seccomp {status['Seccomp']}, sees {seen}")
assert int(status["CapEff"], 16) & ~0x8800_00DF == 0 and status["Seccomp"] == "2", status
assert seen == ["a file"], seen
PYTHON
}

mkdir -p /srv/data /mnt/data
touch "/srv/data/a file"
cp /usr/share/doc/fbfsd/examples/share.conf /etc/fbfsd/data.conf
systemctl enable --now fbfsd@data.socket
for time in first second; do
	monitor /run/fbfsd/data.sock || fail "the $time monitor is not served"
	for _ in {1..100}; do
		[[ $(systemctl is-active fbfsd@data) != inactive ]] || break
		sleep 0.1
	done
	[[ $(systemctl show -P Result fbfsd@data) == success ]] || fail "the service did not end well"
	[[ -S /run/fbfsd/data.sock ]] || fail "the socket went with the service"
done
systemctl stop fbfsd@data.socket
[[ ! -e /run/fbfsd/data.sock ]] || fail "a stopped socket is still there"

if [[ -c /dev/fuse ]]; then
	cp /usr/share/doc/fbfsd/examples/mnt-data.mount /etc/systemd/system
	systemctl daemon-reload
	systemctl start mnt-data.mount || fail "the mount unit does not start"
	[[ -e "/mnt/data/a file" ]] || fail "the mount unit shows nothing"
	systemctl stop mnt-data.mount
	! mountpoint -q /mnt/data || fail "the mount unit stays mounted"
fi
echo ok >/var/log/booted.result
