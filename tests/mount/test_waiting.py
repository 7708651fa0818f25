# SPDX-License-Identifier: BSD-3-Clause
"""Requests that take long hold up no others: whoever waits, on whatever processor.

The server is waiting_server.c.
"""
import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import time

import pytest

from fixtures import SLOWER, host, in_background, needs_root, reap, tidy, wait_until  # noqa: F401
from test_notify import Notifier
from test_transport import GONE, build_program, launch, mounts_at  # noqa: F401

pytestmark = [needs_root, pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="no /dev/fuse here")]

PROCESSORS = sorted(os.sched_getaffinity(0))
QUICK_SECONDS = 1 * SLOWER


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return build_program("waiting_server", tmp_path_factory)


@pytest.fixture
def waiting(launch):  # noqa: F811
    """waiting(*options): starts a server."""
    return lambda *options: Notifier(launch(*options, stdin=subprocess.PIPE))


@contextlib.contextmanager
def on_processor(number):
    """This process on one processor only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {number})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def client_on(number, action):
    """A client on one processor."""

    def act():
        os.sched_setaffinity(0, {number})
        action()

    return in_background(act)


def on_every_processor(each, action):
    """`each` clients on every processor."""
    return [client_on(number, lambda n=n: action(n)) for n in range(each) for number in PROCESSORS]


def assert_quick(files, file="file0"):
    """From every processor requests of many kinds are answered, soon."""
    slowest = 0
    for number in PROCESSORS:
        with on_processor(number):
            for turn in range(20):
                began = time.monotonic()
                os.stat(files.path(file))
                with files.open(file) as fd:
                    data = b"%d %d" % (number, turn) * 5000
                    assert os.pwrite(fd, data, 0) == len(data)
                    assert os.pread(fd, len(data), 0) == data
                assert not os.path.exists(files.path("missing"))
                slowest = max(slowest, time.monotonic() - began)
    assert slowest < QUICK_SECONDS, f"a request took {slowest:.2f} s"


def interrupt(pids):
    """Signals that their clients may die of; each has to, soon."""
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        assert reap(pid) == -signal.SIGKILL


# ---- operations that keep a thread -------------------------------------------------------------------


@pytest.mark.parametrize("each", [4, 12])
def test_sleeping_operations(waiting, each):
    """More of them than queues or workers there are at first."""
    files = waiting("--sleep-ms=3000")
    began = time.monotonic()
    pids = on_every_processor(each, lambda n: os.stat(files.path(f"sleep{n}{os.getpid()}")))
    time.sleep(0.2)
    assert_quick(files)
    assert [reap(pid, 20) for pid in pids] == [errno.ENOENT] * len(pids)
    assert time.monotonic() - began < 2 * 3 * SLOWER, "they waited for each other"
    assert files.server.stop() == 0


def test_one_thread_serves_all(waiting):
    """With one worker a sleeper does hold up the others; then all goes on, from every processor."""
    files = waiting("--sleep-ms=500", "--workers=1", "--max-workers=1")
    pids = on_every_processor(2, lambda n: os.stat(files.path(f"sleep{n}")))
    assert [reap(pid) for pid in pids] == [errno.ENOENT] * len(pids)
    assert_quick(files)
    assert files.server.stop() == 0


def test_sleepers_are_killed(waiting):
    """Clients that are gone leave nothing behind; what they had asked is answered to nobody."""
    files = waiting("--sleep-ms=3000")
    for _ in range(2):
        pids = on_every_processor(4, lambda n: os.stat(files.path(f"sleep{n}")))
        time.sleep(0.2)
        interrupt(pids)
        assert_quick(files)
    assert files.server.stop() == 0


# ---- requests that are held back ---------------------------------------------------------------------


@pytest.mark.parametrize("workers", [(), ("--workers=1", "--max-workers=1")], ids=["", "one worker"])
@pytest.mark.parametrize("count", [1, 100])
def test_pending_requests(waiting, count, workers):
    """All that the driver holds are completed later by another thread, and meanwhile others are served."""
    files = waiting(*workers)
    each = -(-count // len(PROCESSORS))
    for _ in range(2):
        pids = on_every_processor(each, lambda n: os.stat(files.path(f"pending{n}{os.getpid()}")))
        wait_until("the driver holds them", 10, lambda: files.ask("waiting") == str(len(pids)))
        assert_quick(files)
        assert files.ask("answer") == str(len(pids))
        assert [reap(pid) for pid in pids] == [errno.ENOENT] * len(pids)
        assert files.ask("waiting") == "0"
    assert files.server.stop() == 0


def test_pending_requests_are_interrupted(waiting):
    files = waiting()
    pids = on_every_processor(20, lambda n: os.stat(files.path(f"pending{n}{os.getpid()}")))
    wait_until("the driver holds them", 10, lambda: files.ask("waiting") == str(len(pids)))
    interrupt(pids)
    wait_until("the driver has let go of them", 10, lambda: files.ask("waiting") == "0")
    assert_quick(files)
    assert files.server.stop() == 0


def test_stop_with_pending_requests(waiting):
    """The server ends; whoever waits gets an error."""
    files = waiting()
    pids = on_every_processor(4, lambda n: os.stat(files.path(f"pending{n}{os.getpid()}")))
    wait_until("the driver holds them", 10, lambda: files.ask("waiting") == str(len(pids)))
    assert files.server.stop() == 0
    assert not mounts_at(files.top)
    for pid in pids:
        assert reap(pid) in (*GONE, errno.EINTR)


def test_killed_with_pending_requests(waiting):
    files = waiting("--sleep-ms=5000")
    pids = on_every_processor(4, lambda n: os.stat(files.path(f"pending{n}{os.getpid()}")))
    pids += on_every_processor(4, lambda n: os.stat(files.path(f"sleep{n}{os.getpid()}")))
    wait_until("the driver holds them", 10, lambda: files.ask("waiting") == str(len(pids) // 2))
    files.server.kill()
    for pid in pids:
        assert reap(pid, 2) in GONE


# ---- locks -----------------------------------------------------------------------------------------


def lock_and_let_go(path):
    with open(path, "r+b", buffering=0) as file:
        fcntl.lockf(file, fcntl.LOCK_EX)


@contextlib.contextmanager
def locked(files, file="file1"):
    """This process has the lock, others wait for it."""
    with open(files.path(file), "r+b", buffering=0) as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        yield held


@pytest.mark.parametrize("each", [1, 40])
def test_waiters_for_a_lock(waiting, each):
    files = waiting()
    with locked(files):
        pids = on_every_processor(each, lambda n: lock_and_let_go(files.path("file1")))
        wait_until("they wait", 10, lambda: files.ask("waiting") == str(len(pids)))
        assert_quick(files)
    assert [reap(pid) for pid in pids] == [0] * len(pids)
    assert files.server.stop() == 0


def interrupted_waiter(path):
    """Waits for a lock until a signal ends that, with EINTR."""
    signal.signal(signal.SIGUSR1, raise_interrupted)
    with open(path, "r+b", buffering=0) as file:
        fcntl.lockf(file, fcntl.LOCK_EX)


def raise_interrupted(number, frame):
    raise InterruptedError(errno.EINTR, "a signal came")


def test_a_signal_ends_the_wait_for_a_lock(waiting):
    files = waiting()
    with locked(files):
        pids = on_every_processor(3, lambda n: interrupted_waiter(files.path("file1")))
        wait_until("they wait", 10, lambda: files.ask("waiting") == str(len(pids)))
        time.sleep(0.2 * SLOWER)
        began = time.monotonic()
        for pid in pids:
            os.kill(pid, signal.SIGUSR1)
        assert [reap(pid) for pid in pids] == [errno.EINTR] * len(pids)
        assert time.monotonic() - began < QUICK_SECONDS
        wait_until("nobody waits", 10, lambda: files.ask("waiting") == "0")
    lock_and_let_go(files.path("file1"))
    assert files.server.stop() == 0


def test_killed_waiters_for_a_lock(waiting):
    files = waiting()
    with locked(files):
        pids = on_every_processor(3, lambda n: lock_and_let_go(files.path("file1")))
        wait_until("they wait", 10, lambda: files.ask("waiting") == str(len(pids)))
        interrupt(pids)
        wait_until("nobody waits", 10, lambda: files.ask("waiting") == "0")
    lock_and_let_go(files.path("file1"))
    assert files.server.stop() == 0
