# SPDX-License-Identifier: BSD-3-Clause
"""Where the kernel refuses io_uring a mount is served through /dev/fuse, and a log line says why.

These change settings of the whole kernel, alone (see Switch.alone()).
"""
import os
import pathlib
import re
import subprocess

import pytest

import transport
from conftest import SECONDS
from fixtures import host, needs_root, serve, tidy, wait_until  # noqa: F401
from test_transport import AS_NOBODY, launch, mounts_at, nobody, program  # noqa: F401
from test_uring import told_transport, use

pytestmark = [needs_root, pytest.mark.usefixtures("uring")]


@pytest.fixture
def kernel_setting(uring):
    """kernel_setting(path, value): as it is for the rest of the test, which nobody else notices."""
    before = {}

    def change(path, value):
        if not os.access(path, os.W_OK):
            pytest.skip(f"{path} can not be written here")
        before.setdefault(path, path.read_text())
        path.write_text(value)

    with uring.alone():
        yield change
        for path, value in before.items():
            path.write_text(value)


def complaints(text):
    """Lines that say something of io_uring."""
    return [line for line in text.splitlines() if re.search("io.uring|enable_uring", line)
            and not line.startswith("fbfsd: serving")]  # fmt: skip


def assert_serves_by_dev_fuse(server):
    use(server)
    assert not transport.rings(server.pid)
    assert told_transport(server) == "/dev/fuse"
    assert server.stop() == 0


def test_switched_off_in_the_kernel(serve, kernel_setting):
    kernel_setting(transport.SWITCH, "0")
    server = serve("--transport=io-uring")
    assert_serves_by_dev_fuse(server)
    assert len(complaints(server.log)) == 1, server.log
    assert "enable_uring" in complaints(server.log)[0]


def test_automatically_and_silently(serve, kernel_setting):
    """Who did not ask for it hears nothing."""
    kernel_setting(transport.SWITCH, "0")
    server = serve("--transport=auto")
    assert_serves_by_dev_fuse(server)
    assert not complaints(server.log), server.log


@pytest.mark.skipif(not transport.FORBIDDEN.exists(), reason="no kernel.io_uring_disabled here")
def test_forbidden_by_sysctl(serve, kernel_setting):
    kernel_setting(transport.FORBIDDEN, "2")
    server = serve("--transport=io-uring")
    assert_serves_by_dev_fuse(server)
    assert complaints(server.log), server.log


@pytest.mark.skipif(not transport.FORBIDDEN.exists(), reason="no kernel.io_uring_disabled here")
def test_forbidden_to_users(launch, kernel_setting, nobody, users_mount):  # noqa: F811
    """With 1 only those may that have CAP_SYS_ADMIN, or are of a group."""
    kernel_setting(transport.FORBIDDEN, "1")
    server = launch(mountpoints=[nobody], prefix=AS_NOBODY, check=False, env_transport="io-uring")
    wait_until("it serves", 10, lambda: "serving" in server.log)
    assert not transport.rings(server.process.pid)
    assert complaints(server.log), server.log
    assert server.stop() == 0


@pytest.mark.parametrize("error", ["EPERM", "ENOSYS", "ENOMEM", "EMFILE"])
def test_refused_by_a_filter(launch, error):  # noqa: F811
    """io_uring_setup(2) fails, as in many containers."""
    server = launch(f"--no-io-uring={error}", check=False, env_transport="io-uring")
    wait_until("it serves", 10, lambda: "serving" in server.log)
    pathlib.Path(server.file()).write_text("text")
    assert pathlib.Path(server.file()).read_text() == "text"
    assert not transport.rings(server.process.pid)
    assert complaints(server.log), server.log
    assert server.stop() == 0
    assert not mounts_at(server.mountpoint)


def test_rings_that_do_not_start(launch):  # noqa: F811
    """The greeting has been answered by then, and the kernel waits for rings until it refuses a slot."""
    server = launch("--no-ring-starts", check=False, env_transport="io-uring")
    wait_until("it serves", 10, lambda: "serving" in server.log)
    pathlib.Path(server.file()).write_text("text")
    assert pathlib.Path(server.file()).read_text() == "text"
    for processor in os.sched_getaffinity(0):
        subprocess.run(["taskset", "-c", str(processor), "stat", server.file()], check=True, timeout=SECONDS)
    assert "requests come through /dev/fuse: Cannot allocate memory" in server.log
    assert server.stop() == 0
    assert not mounts_at(server.mountpoint)


@pytest.mark.parametrize("count", [16, 20, 24, 32])
def test_few_descriptors(launch, count):  # noqa: F811
    """It serves with rings, or without, or says why it can not: it never hangs."""
    prefix = ("prlimit", f"--nofile={count}:{count}")
    server = launch(prefix=prefix, check=False, env_transport="io-uring")
    wait_until("it serves or ends", SECONDS, lambda: "serving" in server.log or server.process.poll() is not None)
    if server.process.poll() is None:
        assert os.listdir(server.mountpoint) == ["file"]
        assert server.stop() == 0
    else:
        assert "failed: " in server.log
    assert not mounts_at(server.mountpoint)


def test_switched_off_while_mounted(serve, kernel_setting):
    """What is mounted goes on; what is mounted later gets /dev/fuse."""
    first = serve("--transport=io-uring")
    assert transport.rings(first.pid)
    kernel_setting(transport.SWITCH, "0")
    use(first)
    second = serve("--transport=io-uring")
    assert_serves_by_dev_fuse(second)
    use(first)
    assert first.stop() == 0
