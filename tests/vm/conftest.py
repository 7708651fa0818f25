# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures that serve virtual machines and leave nothing behind."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from guest import BUILD, READY, THREAD_SANITIZER, Guest

SECONDS = 20 * (3 if os.environ.get("FB_SANITIZE") else 1)

# LeakSanitizer has a second process look at /proc and trace this one: in a sandbox there is nothing
# to look at, and the filter of system calls ends it. test_replacement.py turns it on where neither is.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
# ThreadSanitizer needs the program's file for the names in its reports, by which some are suppressed.
UNCONFINED = ["--sandbox=none", "--seccomp=none"] if THREAD_SANITIZER else []
SUPPRESSIONS = pathlib.Path(__file__).resolve().parent / "thread_sanitizer.supp"
os.environ["TSAN_OPTIONS"] = os.environ.get("TSAN_OPTIONS", "") + f":suppressions={SUPPRESSIONS}"


class Server:
    """fbfsd at a socket of its own."""

    def __init__(self, area, number, options, source=None):
        self.socket = area / f"socket{number}"
        self.source = source or area / f"source{number}"
        self.source.mkdir(exist_ok=True)
        self.log_file = area / f"log{number}"
        self.options = [*options, *UNCONFINED]
        self.start()

    def start(self):
        """Returns when it listens; the socket's path may be there before, of one that was killed."""
        command = [BUILD / "bin" / "fbfsd", f"--socket-path={self.socket}", f"--shared-dir={self.source}", *self.options]
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + SECONDS
        while READY not in self.log:
            assert self.process.poll() is None, self.log
            assert time.monotonic() < end, "it does not listen"
            time.sleep(0.01)

    @property
    def log(self):
        return self.log_file.read_text(errors="replace")

    def wait(self):
        return self.process.wait(SECONDS)

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(SECONDS)


@pytest.fixture
def area():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fb-vm-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def serve(area):
    """serve(*options, source=None) starts fbfsd for guests."""
    servers = []

    def serve_one(*options, source=None):
        servers.append(Server(area, len(servers), options, source))
        return servers[-1]

    yield serve_one
    for server in servers:
        server.stop()
        print(server.log)


@pytest.fixture
def boot():
    """boot(server, script, **how) starts a guest."""
    guests = []

    def boot_one(server, script, **how):
        def serve_again():
            assert server.wait() == 0
            server.start()

        guests.append(Guest(server.socket, script, serve_again=serve_again, **how))
        return guests[-1]

    yield boot_one
    for guest in guests:
        print(guest.console[-4000:])
        guest.close()
