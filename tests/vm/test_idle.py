# SPDX-License-Identifier: BSD-3-Clause
"""A device that nobody asks for anything costs no processor time, however much was done before."""
import os
import pathlib
import subprocess
import time

import pytest

from guest import BUILD

SESSION = BUILD / "tests" / "vm" / "session"
QUEUES = 64
SECONDS = 60

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(bool(os.environ.get("FB_SANITIZE")), reason="sanitizers have threads of their own"),
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


@pytest.mark.parametrize("options", [(), ("--thread-pool-size=1",), ("--thread-pool-size=4",), ("--thread-pool-size=64",)], ids=" ".join)
def test_idle(serve, options):
    server = serve(f"--queues={QUEUES}", *options)
    with subprocess.Popen([SESSION, server.socket, str(QUEUES)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout.readline() == "done\n"
        assert len(os.listdir(server.source)) == QUEUES
        time.sleep(1.5)  # the session's keeper looks for a second more
        assert len(threads(server.process.pid)) > 3
        before, slept = used(server.process.pid)
        time.sleep(2)
        after, slept_again = used(server.process.pid)
        session.stdin.close()
        assert session.wait(SECONDS) == 0
    print(f"{before} ns before, {after - before} ns and {slept_again - slept} sleeps in 2 s")
    assert before > 0
    assert after - before < 5_000_000
    assert slept_again - slept <= 4  # what is left of a second that is not over yet
    assert server.wait() == 0
