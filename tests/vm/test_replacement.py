# SPDX-License-Identifier: BSD-3-Clause
"""fbfsd in place of virtiofsd: programs that start that one need not be told of the change.

Each caller's command line is as its source has it, with values as it would put in; nothing but the
program's path is another. A session then goes through the socket that the caller made or waits for.
"""
import contextlib
import os
import re
import socket
import subprocess
import threading
import time

import pytest

from guest import BUILD, READY, THREAD_SANITIZER, Guest, need_for_others

SECONDS = 20 * (3 if os.environ.get("FB_SANITIZE") else 1)
SESSION = BUILD / "tests" / "vm" / "session"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

# name: (words, how the caller learns that it can connect, environment)
#   "fd"    the caller listens, and hands the socket over
#   "path"  it waits for the socket's path
#   "line"  it reads the daemon's messages until READY
# A cwd of the share is podman's way; the others have another, and all paths absolute.
CALLERS = {
    # libvirt 6 to 10, src/qemu/qemu_virtiofs.c, qemuVirtioFSBuildCommandLine(): a comma in the path is doubled
    "libvirt-old": ("--fd={fd} -o source={commas},cache=always,sandbox=namespace,xattr,flock,posix_lock", "fd", {}),
    "libvirt-old-pool": ("--fd={fd} -o source={commas},no_xattr,no_flock,no_posix_lock --thread-pool-size=16 -d", "fd", {}),
    "libvirt-old-least": ("--fd={fd} -o source={commas}", "fd", {}),
    # libvirt 11, the same function; --uid-map and --gid-map are an ordinary user's
    "libvirt": ("--fd={fd} --shared-dir={share} --cache=auto --sandbox=namespace --xattr --thread-pool-size=4 --log-level=debug",
                "fd", {}),
    "libvirt-chroot": ("--fd={fd} --shared-dir={share} --cache=never --sandbox=chroot --thread-pool-size=0", "fd", {}),
    # podman 5, pkg/machine/qemu/virtiofsd.go, createVirtiofsCmd()
    "podman": ("--sandbox none --socket-path {path} --shared-dir . --seccomp=none", "path", {"RUST_LOG": "ERROR"}),
    # Kata 3, src/runtime/virtcontainers/virtiofsd.go, args(), with the arguments of its configuration
    "kata-go": ("--syslog --cache=auto --shared-dir={share} --fd={fd} --inode-file-handles=never --thread-pool-size=1 "
                "--announce-submounts --sandbox none --seccomp none", "fd", {}),
    "kata-old-words": ("--syslog --cache=auto --shared-dir={share} --fd={fd} --thread-pool-size=1 -o announce_submounts", "fd", {}),
    # Kata 3, runtime-rs, share_virtio_fs_standalone.rs, virtiofsd_args() and run_virtiofsd(), which reads stderr
    "kata-rust": ("--socket-path {path} --shared-dir {share} --cache auto --sandbox none --seccomp none --inode-file-handles never "
                  "--thread-pool-size=1 --announce-submounts --xattr", "line", {}),
    # Incus 6, internal/server/device/device_utils_disk.go, DiskVMVirtiofsdStart(); with and without a map of ids
    "incus": ("--fd={fd} --cache=metadata --shared-dir={share} --posix-acl", "fd", {}),
    "incus-ids": ("--fd={fd} --cache=never --shared-dir={share} --translate-uid=map:0:1000000:1000000000 "
                  "--translate-uid=forbid-guest:0:0 --translate-gid=map:0:1000000:1000000000 --translate-gid=forbid-guest:0:0 "
                  "--translate-uid=forbid-guest:1000000000:3294967295 --translate-gid=forbid-guest:1000000000:3294967295",
                  "fd", {}),
    # the README of virtiofsd, and the manual of the C one (QEMU 7.2, docs/tools/virtiofsd.rst)
    "by-hand": ("--socket-path={path} --shared-dir {share} --announce-submounts --inode-file-handles=mandatory", "path", {}),
    "by-hand-old": ("--socket-path={path} -o source={commas} -o cache=always -f", "line", {}),
}  # fmt: skip


def is_confined(words):
    return not re.search("--sandbox none .*--seccomp[ =]none", words)


def for_sanitizers(words):
    """The environment that lets them see, and a skipped test where they can not; see conftest.py."""
    if not is_confined(words):
        return {"ASAN_OPTIONS": os.environ["ASAN_OPTIONS"] + ":detect_leaks=1"}
    if THREAD_SANITIZER:
        pytest.skip("ThreadSanitizer does not see its own program's file from a sandbox")
    return {}


@contextlib.contextmanager
def started(area, share, words, ready, environment):
    """The daemon as the caller starts it; the socket's path, the process, and the lines that it says."""
    path = area / "s"
    listener = None
    if ready == "fd":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(1)
    fd = listener.fileno() if listener else -1
    arguments = [word.format(fd=fd, path=path, share=share, commas=str(share).replace(",", ",,")) for word in words.split()]
    process = subprocess.Popen(
        [BUILD / "bin" / "fbfsd", *arguments], cwd=share if "--shared-dir ." in words else "/", pass_fds=[fd] if listener else [],
        env={**{k: v for k, v in os.environ.items() if k != "RUST_LOG"}, **for_sanitizers(words), **environment},
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    if listener:
        listener.close()
    lines = []
    heard = threading.Event()

    def listen():
        for line in process.stderr:
            lines.append(line)
            if READY in line:
                heard.set()

    reader = threading.Thread(target=listen)
    reader.start()
    try:
        if ready == "line":
            assert heard.wait(SECONDS), lines
        end = time.monotonic() + SECONDS
        while ready == "path" and not path.exists():
            assert process.poll() is None and time.monotonic() < end, lines
            time.sleep(0.01)
        yield path, process, lines
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join()
        process.stderr.close()


@pytest.fixture
def share(area):
    """A comma in its name is what the callers have to escape."""
    folder = area / "a,b"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("caller", CALLERS)
def test_session(area, share, caller):
    """A session goes through, what it made is in the share, and the daemon ends with it."""
    words, ready, environment = CALLERS[caller]
    with started(area, share, words, ready, environment) as (path, process, lines):
        done = subprocess.run([SESSION, path], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
        assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr + "".join(lines)
        assert process.wait(SECONDS) == 0, lines
    made = share / "q1"
    assert made.read_bytes() == b"b" * 100000
    assert made.stat().st_uid == (1000000 if caller == "incus-ids" else 0)
    if environment:
        assert lines == []  # the caller asked for errors only


def test_ordinary_user(area, share):
    """Libvirt of an ordinary user (qemuVirtioFSPrepareIdMap()): root is that user."""
    for_sanitizers("")
    need_for_others(BUILD / "bin" / "fbfsd")
    nobody = 65534
    os.chown(share, nobody, nobody)
    os.chown(area, nobody, nobody)
    words = ["--shared-dir", share, "--sandbox=namespace", f"--uid-map=:0:{nobody}:1:", f"--gid-map=:0:{nobody}:1:"]
    process = subprocess.Popen(
        ["setpriv", f"--reuid={nobody}", f"--regid={nobody}", "--clear-groups", BUILD / "bin" / "fbfsd",
         f"--socket-path={area}/s", *words], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert READY in process.stderr.readline()
        done = subprocess.run([SESSION, area / "s"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
        said = process.communicate(timeout=SECONDS)[1]
    finally:
        process.kill()
        process.communicate()
    assert (done.returncode, process.returncode) == (0, 0), done.stderr + said
    assert (share / "q1").stat().st_uid == nobody


SCRIPT = "echo guest > /mnt/from-guest && [ $(cat /mnt/from-host) = host ]"


@pytest.mark.parametrize("caller", ["libvirt", "kata-rust"])
def test_machine(area, share, caller):
    """The same with QEMU: a guest mounts the share, and the daemon ends with the machine."""
    words, ready, environment = CALLERS[caller]
    (share / "from-host").write_text("host")
    with started(area, share, words, ready, environment) as (path, process, lines):
        guest = Guest(path, SCRIPT)
        try:
            assert guest.wait(SECONDS * 6) == 0, guest.console
        finally:
            guest.close()
        assert process.wait(SECONDS) == 0, lines
    assert (share / "from-guest").read_text() == "guest\n"
