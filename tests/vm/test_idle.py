# SPDX-License-Identifier: BSD-3-Clause
"""A device that nobody asks for anything costs no processor time, however much was done before."""
import os
import pathlib
import subprocess
import time

import pytest

from guest import BUILD, THREAD_SANITIZER

SESSION = BUILD / "tests" / "vm" / "session"
QUEUES = 64
SECONDS = 20

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(THREAD_SANITIZER, reason="ThreadSanitizer has a thread of its own, which wakes up"),
]


def threads(pid):
    """Those of the process, and of its child: the sandbox makes one."""
    tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
    for task in list(tasks):
        for child in (task / "children").read_text().split():
            tasks += threads(child)
    return tasks


def used(pid):
    """Processor time so far, in nanoseconds, and how often a thread went to sleep."""
    time_ns, sleeps = 0, 0
    for task in threads(pid):
        time_ns += int((task / "schedstat").read_text().split()[0])
        (line,) = [line for line in (task / "status").read_text().splitlines() if line.startswith("voluntary_ctxt")]
        sleeps += int(line.split()[1])
    return time_ns, sleeps


def wait_until_quiet(pid):
    """The session's keeper looks every 10 ms for a second more, longer where the machine is slow."""
    end = time.monotonic() + SECONDS
    last, now = None, used(pid)
    while now != last:
        assert time.monotonic() < end, "it does not come to rest"
        time.sleep(0.3)
        last, now = now, used(pid)


@pytest.mark.parametrize("options", [(), ("--thread-pool-size=1",), ("--thread-pool-size=4",), ("--thread-pool-size=64",)], ids=" ".join)
def test_idle(serve, options):
    server = serve(f"--queues={QUEUES}", *options)
    with subprocess.Popen([SESSION, server.socket, str(QUEUES)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout.readline() == "done\n"
        assert len(os.listdir(server.source)) == QUEUES
        assert len(threads(server.process.pid)) > 3
        wait_until_quiet(server.process.pid)
        before, slept = used(server.process.pid)
        time.sleep(2)
        after, slept_again = used(server.process.pid)
        session.stdin.close()
        assert session.wait(SECONDS) == 0
    print(f"{before} ns before, {after - before} ns and {slept_again - slept} sleeps in 2 s")
    assert before > 0
    assert after - before < 1_000_000
    assert slept_again == slept
    assert server.wait() == 0
