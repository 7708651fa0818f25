# SPDX-License-Identifier: BSD-3-Clause
"""A real guest with open files migrates to a second QEMU and a second fbfsd. Needs QEMU 8.2."""
import json
import re
import socket
import subprocess
import time

import pytest

from guest import need

SECONDS = 120
TICKS = 12

SCRIPT = f"""
cd /mnt/dir
exec 3</mnt/lines 4>/mnt/out 5<>/mnt/gone
echo secret >&5; rm /mnt/gone
inode=$(stat -c %i /mnt/dir/inner)
i=1
while [ $i -le {TICKS} ]; do
    read line <&3 || exit 10
    echo "written $i" >&4 || exit 11
    echo "tick $i: $line"
    sleep 0.5; i=$((i+1))
done
[ "$inode" = "$(stat -c %i inner)" ] || exit 12
[ "$(dd if=/proc/self/fd/5 bs=6 count=1 2>/dev/null)" = secret ] || echo "gone is lost"
mv inner /mnt/moved && [ "$(cat /mnt/moved)" = inside ] || exit 13
"""


def need_migration():
    said = subprocess.run([need("qemu-system-x86_64"), "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"version (\d+)\.(\d+)", said)
    if tuple(map(int, version.groups())) < (8, 2):
        pytest.skip(f"QEMU {version[1]}.{version[2]} can not migrate a share: 8.2 is needed")


class Monitor:
    """QEMU's control socket."""

    def __init__(self, path):
        end = time.monotonic() + SECONDS
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(str(path))
                break
            except OSError:
                self.socket.close()
                assert time.monotonic() < end, "QEMU does not listen"
                time.sleep(0.1)
        self.file = self.socket.makefile("rw")
        assert "QMP" in json.loads(self.file.readline())
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if "event" not in answer:
                return answer["return"]

    def close(self):
        self.file.close()
        self.socket.close()


def wait_for(guest, text):
    end = time.monotonic() + SECONDS
    while text not in guest.console:
        assert guest.process.poll() is None and time.monotonic() < end, guest.console[-3000:]
        time.sleep(0.05)


@pytest.fixture
def machine(boot, area):
    """machine(server, *options) boots a guest that runs SCRIPT; returns it and its monitor."""
    monitors = []

    def make(server, *options):
        path = area / f"monitor{len(monitors)}"
        guest = boot(server, SCRIPT, options=("-qmp", f"unix:{path},server=on,wait=off", *options))
        monitors.append(Monitor(path))
        monitors[-1]("migrate-set-capabilities", capabilities=[{"capability": "return-path", "state": True}])
        return guest, monitors[-1]

    yield make
    for monitor in monitors:
        monitor.close()


def migrate(monitor, uri):
    monitor("migrate", uri=uri)
    end = time.monotonic() + SECONDS
    while (status := monitor("query-migrate").get("status")) not in ("completed", "failed"):
        assert time.monotonic() < end, status
        time.sleep(0.1)
    return status


def fill(source):
    (source / "dir").mkdir()
    (source / "dir" / "inner").write_text("inside")
    (source / "lines").write_text("".join(f"line {i}\n" for i in range(1, TICKS + 1)))


def written(source):
    return (source / "out").read_text().splitlines() == [f"written {i}" for i in range(1, TICKS + 1)]


@pytest.mark.parametrize("options", [(), ("--migration-mode=file-handles", "--cache=always")], ids=" ".join)
def test_moves(serve, machine, area, options):
    """Nothing is missing and nothing comes twice, neither in files nor on the console."""
    need_migration()
    first = serve(*options)
    second = serve(*options, source=first.source)
    fill(first.source)
    guest, monitor = machine(first)
    wait_for(guest, "tick 3")
    arrived, _ = machine(second, "-incoming", f"unix:{area}/way")
    assert migrate(monitor, f"unix:{area}/way") == "completed", second.log
    assert arrived.wait(SECONDS) == 0
    ticks = re.findall(r"tick (\d+): line (\d+)", guest.console + arrived.console)
    assert ticks == [(str(i), str(i)) for i in range(1, TICKS + 1)]
    assert written(first.source) and (first.source / "moved").read_text() == "inside"


def test_stays_when_it_is_refused(serve, machine, area):
    """A file without a name is found by its handle alone, which is not allowed here."""
    need_migration()
    first = serve("--inode-file-handles=never")
    second = serve("--inode-file-handles=never", source=first.source)
    fill(first.source)
    guest, monitor = machine(first)
    wait_for(guest, "tick 3")
    arrived, _ = machine(second, "-incoming", f"unix:{area}/way")
    assert migrate(monitor, f"unix:{area}/way") == "failed"
    assert arrived.process.wait(SECONDS) == 1
    assert "is not found again" in second.log
    assert guest.wait(SECONDS) == 0
    assert "gone is lost" not in guest.console
    assert written(first.source)
