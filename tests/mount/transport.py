# SPDX-License-Identifier: BSD-3-Clause
"""The transport of all mounts in a run of the tests: FB_TEST_TRANSPORT, dev-fuse (if unset) or io-uring.

fbfsd gets it as an option, the C servers read the variable (server.h). A server that falls back to
/dev/fuse would make a test of io_uring say nothing, so check() looks.
"""
import contextlib
import errno
import fcntl
import os
import pathlib

import pytest

NAME = os.environ.get("FB_TEST_TRANSPORT") or "dev-fuse"
URING = NAME == "io-uring"
if NAME not in ("dev-fuse", "io-uring"):
    raise ValueError(f"FB_TEST_TRANSPORT={NAME}: dev-fuse or io-uring")

# What clients hear of a server that is gone. A request that was on its way to a thread of the server is
# cancelled over io_uring (fs/fuse/dev_uring.c, fuse_uring_send_in_task()), or interrupted while it is copied into
# a thread that is being killed (fuse_uring_prepare_send()).
GONE = (errno.ENOTCONN, errno.ECONNABORTED, errno.EIO, *((errno.ECANCELED, errno.EINTR) if URING else ()))

SWITCH = pathlib.Path("/sys/module/fuse/parameters/enable_uring")
FORBIDDEN = pathlib.Path("/proc/sys/kernel/io_uring_disabled")
# Runs that need the switch hold a lock on this file; it says "off" if the last of them is to turn it off.
LOCK = pathlib.Path("/run/fb-tests-enable-uring")


def word(name=NAME):
    """What to tell fbfsd."""
    return f"--transport={name}"


def rings(pid):
    """The io_uring descriptors of a process."""
    found = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(f"/proc/{pid}/fd/{number}") == "anon_inode:[io_uring]":
                found.append(int(number))
    return found


def check(pid):
    """The server of a mount uses what this run is about."""
    assert bool(rings(pid)) == URING, f"{NAME} was asked for, the server has {len(rings(pid))} rings"


def why_not():
    """Why there can be no mount over io_uring here, or None."""
    if os.geteuid() != 0:
        return "io_uring: needs root"
    if not SWITCH.exists():
        return f"io_uring: Linux {os.uname().release} has no FUSE over io_uring"
    if SWITCH.read_text().strip() != "Y" and not os.access(SWITCH, os.W_OK):
        return f"io_uring: off, and {SWITCH} can not be written here"
    if FORBIDDEN.exists() and FORBIDDEN.read_text().strip() == "2":
        return "io_uring: kernel.io_uring_disabled is 2"
    return None


class Switch:
    """The kernel's switch for FUSE over io_uring, on while any run needs it."""

    def __init__(self):
        self.file = open(LOCK, "a+")
        fcntl.flock(self.file, fcntl.LOCK_EX)
        self._turn_on()

    def _turn_on(self):
        """With the file locked for us alone; leaves it to be shared."""
        if SWITCH.read_text().strip() != "Y":
            self.file.write("off")
            self.file.flush()
            SWITCH.write_text("1")
        fcntl.flock(self.file, fcntl.LOCK_SH)

    @contextlib.contextmanager
    def alone(self):
        """No other run of the tests is under way: settings of the whole kernel may change."""
        fcntl.flock(self.file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            self._turn_on()

    def close(self):
        with self.file:
            try:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # another run goes on, and the last one turns it off
            self.file.seek(0)
            if self.file.read():
                SWITCH.write_text("0")
                self.file.truncate(0)


@contextlib.contextmanager
def switched_on():
    """FUSE over io_uring is possible; skips where it is not."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    switch = Switch()
    try:
        yield switch
    finally:
        switch.close()
