# SPDX-License-Identifier: BSD-3-Clause
"""Programs of the manual that mount something, for the length of a with block."""
import os
import pathlib
import shutil
import subprocess
import time

import pytest

SECONDS = 20


def needs_mount():
    """Skip where nothing can be mounted."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse can not be opened here")
    if os.geteuid() != 0 and not shutil.which("fusermount3"):
        pytest.skip("neither root nor fusermount3: nothing can be mounted")


def is_mounted(place):
    """Whether something is mounted exactly there."""
    return f" {place} " in pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8")


def unmount(place):
    """What the program that unmounts returned."""
    command = ["umount"] if os.geteuid() == 0 else ["fusermount3", "-u"]
    return subprocess.run([*command, place], check=False).returncode


class Served:
    """A program that mounts something at its last argument; it must end well when that is unmounted."""

    def __init__(self, place, *command, **environment):
        needs_mount()
        self.place, self.command = place, command
        self.environment = {**os.environ, **environment}

    def __enter__(self):
        self.process = subprocess.Popen([*self.command, self.place], env=self.environment)
        end = time.monotonic() + SECONDS
        while not is_mounted(self.place):
            assert self.process.poll() is None, "the program ended"
            assert time.monotonic() < end, "the program has not mounted"
            time.sleep(0.01)
        return self.place

    def __exit__(self, *error):
        unmounted = unmount(self.place)
        try:
            status = self.process.wait(SECONDS)
        finally:
            self.process.kill()
        assert (unmounted, status) == (0, 0)
