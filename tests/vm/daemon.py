# SPDX-License-Identifier: BSD-3-Clause
"""fbfsd as a process, and what a monitor says first."""
import os
import socket
import struct
import subprocess
import time

import pytest

from guest import BUILD

FBFSD = BUILD / "bin" / "fbfsd"
SECONDS = 20
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
NO_SANDBOX = ("--sandbox=none", "--seccomp=none")


def run(*arguments, **how):
    return subprocess.run([FBFSD, *arguments], capture_output=True, text=True, timeout=SECONDS, **how)


def features(connection):
    """Ask the device for its features, as a monitor does first."""
    connection.settimeout(SECONDS)
    connection.sendall(struct.pack("III", 1, 1, 0))
    answer = connection.recv(20, socket.MSG_WAITALL)
    request, flags, size, value = struct.unpack("=IIIQ", answer)
    assert (request, flags, size) == (1, 5, 8)
    return value


def connect(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    return connection


class Daemon:
    program = (FBFSD,)

    def __init__(self, *arguments, stderr=subprocess.PIPE, **how):
        self.process = subprocess.Popen([*self.program, *arguments], stderr=stderr, text=True, **how)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stderr:
            self.process.stderr.close()

    def wait_for(self, path):
        end = time.monotonic() + SECONDS
        while not path.exists():
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < end
            time.sleep(0.01)

    def ends(self):
        status = self.process.wait(SECONDS)
        return status, self.process.stderr.read()
