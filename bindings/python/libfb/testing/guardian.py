# SPDX-License-Identifier: BSD-3-Clause
"""Frees whoever is stuck in a mount. Run as a program by `watchdog.Watchdog`; stands alone.

    guardian.py PID SIGNAL        orders on standard input, one a line:
    mount PATH                    look after this mount point (blanks as %20)
    forget PATH                   no longer
    within SECONDS                time runs from now on; 0: for ever
    done                          end without doing anything

When time is up, the process PID is sent SIGNAL, at which it dumps its stacks. Then, and when
standard input ends, all mounts are aborted and detached. A mount that is stuck is never looked at:
that would hang too. Everything is read from mountinfo.
"""
from __future__ import annotations

import ctypes
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import time
import urllib.parse

MNT_FORCE, MNT_DETACH, UMOUNT_NOFOLLOW = 1, 2, 8
DUMP_SECONDS = 1.0
HELPER_SECONDS = 5


def unescape(text: str) -> str:
    """A field of mountinfo, where blanks and backslashes are octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def connections(path: str) -> list[int]:
    """The FUSE connections mounted at path, the one on top first: minor numbers of their devices."""
    found: list[int] = []
    info = pathlib.Path("/proc/self/mountinfo").read_bytes().decode(errors="surrogateescape")
    for line in info.splitlines():
        fields, _, rest = line.partition(" - ")
        words = fields.split(" ")
        if unescape(words[4]) == path and rest.startswith("fuse"):
            found.insert(0, int(words[2].partition(":")[2]))
    return found


def umount(path: str, flags: int) -> int:
    """umount2(2). Returns 0 or an errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(path), flags | UMOUNT_NOFOLLOW) == 0:
        return 0
    return ctypes.get_errno()


def abort(connection: int) -> bool:
    """End a connection by the control file that its owner may write. Returns whether that worked."""
    try:
        with open(f"/sys/fs/fuse/connections/{connection}/abort", "w", encoding="ascii") as file:
            file.write("1")
    except OSError:
        return False
    return True


def detach(path: str) -> None:
    """Take a mount off its place; with the setuid helper where that is not allowed."""
    if umount(path, MNT_DETACH) == 0:
        return
    try:
        subprocess.run(
            ["fusermount3", "-u", "-z", "--", path],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=HELPER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        pass


def free(path: str) -> bool:
    """Abort and detach all FUSE mounts at path. Returns whether none is left.

    MNT_FORCE aborts the connection even where it then says that the mount is busy.
    """
    for connection in connections(path):
        if umount(path, MNT_FORCE) == 0:
            continue
        abort(connection)
        detach(path)
    return not connections(path)


class Guardian:
    """The orders so far, and what is done in the end."""

    def __init__(self, pid: int, dump: int) -> None:
        self.pid, self.dump = pid, dump
        self.mounts: list[str] = []
        self.end: float | None = None

    def obey(self, line: str) -> bool:
        """Carry one order out. Returns whether there may be more."""
        order, _, argument = line.partition(" ")
        if order == "mount":
            self.mounts.append(urllib.parse.unquote(argument, errors="surrogateescape"))
        elif order == "forget":
            self.mounts.remove(urllib.parse.unquote(argument, errors="surrogateescape"))
        elif order == "within":
            seconds = float(argument)
            self.end = time.monotonic() + seconds if seconds > 0 else None
        return order != "done"

    def left(self) -> float | None:
        """Seconds until time is up."""
        return None if self.end is None else max(0.0, self.end - time.monotonic())

    def free_all(self) -> None:
        """Abort and detach everything, the mount made last first."""
        for path in reversed(self.mounts):
            free(path)
        self.mounts.clear()

    def time_is_up(self) -> None:
        """Have the process dump its stacks, then free it. It may go on: so does the guardian."""
        self.end = None
        try:
            os.kill(self.pid, self.dump)
            time.sleep(DUMP_SECONDS)
        except ProcessLookupError:
            pass
        self.free_all()


def watch(guardian: Guardian, orders: int) -> None:
    """Obey until "done", or until the other end of the pipe is closed."""
    rest = b""
    while True:
        if not select.select([orders], [], [], guardian.left())[0]:
            guardian.time_is_up()
            continue
        piece = os.read(orders, 4096)
        if not piece:
            guardian.free_all()
            return
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if not guardian.obey(line.decode()):
                return


def main(arguments: list[str]) -> None:
    """See the top."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    watch(Guardian(int(arguments[0]), int(arguments[1])), sys.stdin.fileno())


if __name__ == "__main__":
    main(sys.argv[1:])
