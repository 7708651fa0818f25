# SPDX-License-Identifier: BSD-3-Clause
"""Real guests: Linux 6.12 under QEMU mounts what fbfsd serves."""
import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from guest import BUILD, debian
from kernel_limits import KERNEL_LIMITS

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
pytestmark = needs_root

CONFORMANCE = BUILD / "tests" / "vm" / "conformance"

SECONDS = 20

# What the server's rights and options do not give a guest: a skipped check is a missing feature, and
# whatever else is missing is a failure.
OPTIONAL = {"trusted-xattr", "acl", "inode-flags"}


def conform(serve, boot, *options, words="", least=650, missing=frozenset(OPTIONAL), limits=frozenset(), seconds=400, **how):
    """Run the conformance program in a guest: it passes, but for the limits, and skips only what is missing."""
    features = subprocess.run([CONFORMANCE, "--list-features"], capture_output=True, text=True, check=True).stdout.split()
    assert missing < set(features)
    required = " ".join(f"--require {name}" for name in features if name not in missing)
    server = serve("--xattr", "--allow-direct-io", "--allow-mmap", "--preserve-noatime", *options)
    # With writeback new files have the host's time, later changes the guest's: it must not be behind.
    clock = 'touch /mnt/now && date -s "@$(($(stat -c %Y /mnt/now) + 2))" > /dev/null || exit 1\n'
    script = clock + f"mkdir /mnt/here && conformance /mnt/here --timeout 200 {required} {words} > /mnt/report 2>&1"
    guest = boot(server, script, programs=[CONFORMANCE], **how)
    status = guest.wait(seconds)
    text = (server.source / "report").read_text()
    failed = {line.split()[4]: line for line in text.splitlines() if line.startswith("not ok")}
    summary = re.search(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", text, re.M)
    assert summary, f"status {status}, no summary:\n{text[-3000:]}"
    print(summary[0])
    assert set(failed) == limits, "\n".join(failed.values())
    assert status == (1 if limits else 0) and int(summary[1]) >= least
    assert server.wait() == 0
    return server


def test_conformance(serve, boot):
    """The program that passes on native file systems passes in a guest; and the guest unmounts."""
    server = conform(serve, boot)
    assert "the monitor has gone" in server.log
    assert not server.socket.exists()


@pytest.mark.long
@pytest.mark.parametrize(
    "options",
    [("--cache=never",), ("--inode-file-handles=never",), ("--sandbox=none", "--seccomp=none"), ("--sandbox=chroot",)],
    ids=" ".join,
)  # fmt: skip
def test_conformance_with(serve, boot, options):
    conform(serve, boot, *options, seconds=600, processors=2, queues=2)


@pytest.mark.long
def test_conformance_with_everything(serve, boot):
    """All but what needs --posix-lock and --flock: see the next one."""
    conform(serve, boot, "--posix-acl", "--set-inode-flags", "--modcaps=+sys_admin",
            missing=set(), least=700, seconds=600, processors=2, queues=2)  # fmt: skip


@pytest.mark.long
def test_conformance_with_shared_locks(serve, boot):
    """flock.waiter_interrupted, the only check of locks that is left out, would wait for ever: it holds what it waits for."""
    words = "--timeout 20 --only 'lock.*' --only 'ofd_lock.*' --only 'flock.[!w]*' --only flock.waiter_wakes --only 'flock.works*'"
    conform(serve, boot, "--posix-lock", "--flock", words=words, least=45, missing=OPTIONAL | {"deadlock-detection"},
            limits=KERNEL_LIMITS["locks of a guest"], processors=2, queues=2)  # fmt: skip


@pytest.mark.long
def test_conformance_with_writeback(serve, boot):
    """The driver has no lseek then: it would be told of holes where data is going to be."""
    conform(serve, boot, "--cache=always", "--writeback", missing=OPTIONAL | {"seek-hole"},
            limits=KERNEL_LIMITS["writeback"], seconds=600, processors=2, queues=2)  # fmt: skip


@pytest.mark.long
def test_four_queues(serve, boot):
    """Linux uses a queue a processor; four writers at once, and what they wrote is right."""
    script = """
    ls /sys/fs/virtiofs/*/mqs
    for i in 1 2 3 4; do
        (mkdir /mnt/d$i; j=0; while [ $j -lt 200 ]; do echo $i.$j > /mnt/d$i/f$j; j=$((j+1)); done
         dd if=/dev/zero bs=64k count=200 2>/dev/null | tr '\\0' $i > /mnt/d$i/big) &
    done
    wait
    for i in 1 2 3 4; do [ $(ls /mnt/d$i | wc -l) = 201 ] || exit 1; done
    """
    server = serve()
    guest = boot(server, script, processors=4, queues=4)
    assert guest.wait(300) == 0, guest.console
    for i in "1234":
        assert (server.source / f"d{i}" / "big").read_bytes() == i.encode() * (64 << 10) * 200
        for j in range(200):
            assert (server.source / f"d{i}" / f"f{j}").read_text() == f"{i}.{j}\n"


@pytest.mark.long
def test_two_guests_on_one_share(serve, boot, area):
    """What one guest writes the other sees."""
    first = serve("--cache=never")
    second = serve("--cache=never", source=first.source)
    ping = """
    j=0; while [ $j -lt 30 ]; do
        echo ping $j > /mnt/ping.new; mv /mnt/ping.new /mnt/ping$j
        while [ ! -e /mnt/pong$j ]; do sleep 0.01; done
        [ "$(cat /mnt/pong$j)" = "pong $j" ] || exit 1
        j=$((j+1)); done
    """
    pong = """
    j=0; while [ $j -lt 30 ]; do
        while [ ! -e /mnt/ping$j ]; do sleep 0.01; done
        [ "$(cat /mnt/ping$j)" = "ping $j" ] || exit 1
        echo pong $j > /mnt/pong.new; mv /mnt/pong.new /mnt/pong$j
        j=$((j+1)); done
    """
    guests = [boot(first, ping), boot(second, pong)]
    assert [guest.wait(300) for guest in guests] == [0, 0]


def wait_until_refused(path):
    """The kernel kills the process in the sandbox some time after the one that was started."""
    end = time.monotonic() + SECONDS
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == errno.ECONNREFUSED:
                return
        assert time.monotonic() < end, "there still is a server"
        time.sleep(0.01)


@pytest.mark.long
def test_killed_server(serve, boot):
    """What was synced is there after kill -9, and a new server on the same socket serves a new guest."""
    script = """
    i=0
    while true; do
        dd if=/dev/zero of=/mnt/f$i bs=4k count=16 conv=fsync 2>/dev/null || exit 0
        echo $i >> /mnt/synced; sync /mnt/synced
        i=$((i+1))
    done
    """
    server = serve()
    guest = boot(server, script)
    synced = server.source / "synced"
    end = time.monotonic() + 120
    while not synced.exists() or len(synced.read_text().split()) < 20:
        assert time.monotonic() < end, guest.console
        time.sleep(0.1)
    server.process.send_signal(signal.SIGKILL)
    server.process.wait()
    wait_until_refused(server.socket)
    guest.kill()
    for number in synced.read_text().split():
        assert (server.source / f"f{number}").stat().st_size == 16 * 4096
    server.start()
    again = boot(server, "[ $(ls /mnt | wc -l) -gt 20 ] && cat /mnt/f0 > /dev/null")
    assert again.wait(120) == 0, again.console
    assert server.wait() == 0


@pytest.mark.long
def test_reboot(serve, boot):
    """A guest that reboots finds the share again, through one connection."""
    script = """
    echo boot >> /mnt/boots
    [ $(wc -l < /mnt/boots) -ge 3 ] && exit 0
    sync; umount /mnt; echo 1 > /proc/sys/kernel/sysrq; echo b > /proc/sysrq-trigger; sleep 60
    """
    server = serve()
    guest = boot(server, script, reboot=True)
    assert guest.wait(300) == 0, guest.console
    assert (server.source / "boots").read_text() == "boot\n" * 3
    assert server.wait() == 0


ROOT_INIT = """#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /run
ulimit -n 65536
[ $(findmnt -no FSTYPE /) = virtiofs ] || /vmexit 1
dpkg --audit && dpkg -V base-files bash coreutils || /vmexit 2
mkdir /here && /conformance /here --quick --timeout 200 > /report 2>&1 || /vmexit 3
sync
/vmexit 0
"""


@pytest.mark.long
@pytest.mark.parametrize("cache", ["auto", "always"])
def test_root_file_system(serve, boot, area, cache):
    """A whole Debian runs from the share: its own packages are intact, the conformance program passes."""
    root = area / "debian"
    subprocess.run(["cp", "-a", debian(), root], check=True, timeout=200)
    for program in (CONFORMANCE, BUILD / "tests" / "vm" / "vmexit"):
        shutil.copy(program, root)
    (root / "init").write_text(ROOT_INIT)
    (root / "init").chmod(0o755)
    server = serve(f"--cache={cache}", "--xattr", source=root)
    guest = boot(server, None, processors=2, queues=2, memory="1G")
    status = guest.wait(600)
    assert status == 0, guest.console + (root / "report").read_text()[-3000:] if (root / "report").exists() else guest.console
