# SPDX-License-Identifier: BSD-3-Clause
"""Workers that yield their processor to the client that they serve: when they do, and that nobody starves."""
import contextlib
import os
import pathlib
import subprocess
import sys
import threading
import time

import pytest

import transport
from fixtures import SLOWER, host, needs_root, serve, start, tidy, wait_until  # noqa: F401

pytestmark = [needs_root, pytest.mark.mounts]

PROCESSORS = sorted(os.sched_getaffinity(0))

# Looks up missing names, one after the other, for ever.
ASK = """
import os, sys
while True:
    for number in range(100):
        os.path.exists(f"{sys.argv[1]}/missing{number}")
"""


def states(pid):
    """(scheduling policy, number of processors) of each thread; the flag for their children left out."""
    found = set()
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            tid = int(task.name)
            found.add((os.sched_getscheduler(tid) & ~os.SCHED_RESET_ON_FORK, len(os.sched_getaffinity(tid))))
    return found


def yields(server):
    return any(policy == os.SCHED_IDLE for policy, _ in states(server.pid))


def is_usual(server):
    """As at the beginning: over io_uring each worker has a processor, no matter which."""
    return all(policy == os.SCHED_OTHER for policy, _ in states(server.pid))


def ask(server, seconds, until=lambda: False):
    """Look up missing names, one after the other; returns the longest time that one took, in seconds."""
    longest, end = 0, time.monotonic() + seconds
    while time.monotonic() < end and not until():
        for number in range(100):
            begin = time.monotonic()
            os.path.exists(server.path / f"missing{number}")
            longest = max(longest, time.monotonic() - begin)
    return longest


@contextlib.contextmanager
def running(*commands):
    processes = [start(*command) for command in commands]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def come_to_yield(server):
    ask(server, 20, lambda: yields(server))
    if not yields(server):
        pytest.skip("the processors were busy all the time: no worker has yielded")


def test_one_client(serve):
    """While it asks on an idle machine its worker has SCHED_IDLE; when it has ended none has."""
    server = serve()
    before = states(server.pid)
    assert is_usual(server)
    for _ in range(3):
        come_to_yield(server)
        wait_until("all is as it was", 2, lambda: states(server.pid) == before)
    (server.path / "file").write_text("content")
    assert (server.source / "file").read_text() == "content"
    assert server.stop() == 0


def test_end_while_yielding(serve):
    server = serve()
    come_to_yield(server)
    assert server.stop() == 0


def test_several_clients(serve):
    """
    All workers can not be where each client is, so they yield to none for long. Over io_uring each processor has
    a worker of its own, which may yield to all clients there.
    """
    server = serve()
    command = (sys.executable, "-c", ASK, server.path)
    with running(*[command] * (2 * len(PROCESSORS))):
        time.sleep(0.5)
        seen = [yields(server) for _ in range(50) if not time.sleep(0.02)]
    assert transport.URING or sum(seen) < 25, f"yields in {sum(seen)} of 50 looks"
    wait_until("no worker yields", 2, lambda: is_usual(server))


def test_it_can_be_switched_off(serve):
    server = serve("--no-yield")
    ask(server, 1)
    assert is_usual(server)
    ask(server, 1, lambda: yields(server))
    assert is_usual(server)


LOCK = """
import fcntl, sys, time
with open(sys.argv[1], "r+") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    time.sleep(float(sys.argv[2]))
"""


def test_threads_of_the_driver(serve):
    """The one that waits for locks is started by a worker, but does not yield, and may run anywhere."""
    server = serve("--posix-lock")
    before = states(server.pid)
    (server.path / "file").write_text("")
    holder = start(sys.executable, "-c", LOCK, server.path / "file", "1")
    come_to_yield(server)
    waiter = start(sys.executable, "-c", LOCK, server.path / "file", "0")
    ask(server, 0.5)
    assert (holder.wait(20), waiter.wait(20)) == (0, 0)
    wait_until("all is as it was", 2, lambda: states(server.pid) <= before | {(os.SCHED_OTHER, len(PROCESSORS))})


def test_nobody_starves(serve):
    """Others begin to compute while a worker yields: it answers all the same, soon."""
    server = serve()
    ask(server, 5, lambda: yields(server))
    with running(*[("sh", "-c", "while :; do :; done")] * (2 * len(PROCESSORS))):
        longest = ask(server, 2)
        assert longest < 0.5 * SLOWER, f"a request took {longest:.3f} s"
        wait_until("no worker yields", 2, lambda: is_usual(server))


@contextlib.contextmanager
def hardly_yielding(server):
    """Meanwhile the workers have all processors, most of the time."""
    seen, end = [], threading.Event()

    def look():
        while not end.wait(0.01):
            seen.append(any(policy == os.SCHED_IDLE and count == 1 for policy, count in states(server.pid)))

    looker = threading.Thread(target=look)
    looker.start()
    try:
        yield
    finally:
        end.set()
        looker.join()
    assert len(seen) > 5 and sum(seen) < len(seen) / 2, f"yields in {sum(seen)} of {len(seen)} looks"


def test_data(serve):
    """Who reads ahead goes on meanwhile."""
    server = serve("--no-kernel-passthrough")
    (server.source / "file").write_bytes(bytes(64 << 20))
    with hardly_yielding(server):
        for _ in range(5):
            with open(server.path / "file", "rb", buffering=0) as file:
                while file.read(1 << 20):
                    pass


def test_many_at_a_time(serve):
    """One thread, with 16 requests under way."""
    server = serve("--no-kernel-passthrough")
    (server.source / "file").write_bytes(bytes(16 << 20))
    command = "fio --name=a --ioengine=io_uring --iodepth=16 --direct=1 --rw=randread --bs=4k --time_based --runtime=1"
    with hardly_yielding(server):
        done = start(*command.split(), f"--filename={server.path}/file", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = done.communicate(timeout=60)
    assert done.returncode == 0, output


def test_where_it_may_run(serve):
    """Who has started the server for one processor has it there, meanwhile and afterwards."""
    os.sched_setaffinity(0, PROCESSORS[:1])
    try:
        server = serve()
    finally:
        os.sched_setaffinity(0, PROCESSORS)
    ask(server, 1)
    threads = [int(task.name) for task in pathlib.Path(f"/proc/{server.pid}/task").iterdir()]
    assert {tuple(os.sched_getaffinity(tid)) for tid in threads} == {(PROCESSORS[0],)}
