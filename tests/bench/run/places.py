# SPDX-License-Identifier: BSD-3-Clause
"""Where clients work: the source itself, a mount of it, or the socket of a daemon that shares it."""

from __future__ import annotations

import os
import pathlib
import re
import shlex
import signal
import subprocess
import time

from . import processes
from .servers import Server

START_S = 15.0
END_S = 15.0


class Failed(Exception):
    """A server or a client did not do what it should; says what happened."""


def mount_device(path: pathlib.Path) -> str | None:
    """The device "major:minor" that is mounted there, without asking who serves it."""
    found = None
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields = line.split(" ")
        if re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), fields[4]) == str(path):
            found = fields[2]
    return found


class Place:
    """The folder itself; and what all places have. Use it in a with statement."""

    def __init__(self, server: Server, work: pathlib.Path, timeout_s: float) -> None:
        self.server = server
        self.start_s = min(START_S, timeout_s)
        self.source = work / "source"
        self.path = self.source
        self.broken = ""

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def usage(self) -> processes.Usage | None:
        """What the server has used so far; None: there is none."""
        return None

    def settled_usage(self) -> processes.Usage | None:
        return None

    def check(self) -> None:
        """Raise Failed when the server is gone."""

    def kill(self, reason: str) -> None:
        """End the server at once, so that nobody waits for it any longer."""


class ServedPlace(Place):
    """What a server makes of it."""

    def __init__(self, server: Server, work: pathlib.Path, timeout_s: float) -> None:
        super().__init__(server, work, timeout_s)
        self.log = work / "server.log"
        self.pids: set[int] = set()
        self.process: subprocess.Popen[bytes] | None = None

    def words(self) -> list[str]:
        values = {"{source}": self.source, "{mountpoint}": self.path, "{socket}": self.path}
        words = shlex.split(self.server.command)
        for mark, value in values.items():
            words = [word.replace(mark, str(value)) for word in words]
        return words

    def __enter__(self) -> ServedPlace:
        before = processes.descendants({os.getpid()})
        try:
            with self.log.open("wb") as log:
                self.process = subprocess.Popen(
                    self.words(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                    start_new_session=True)
            self.wait_ready(before)
        except OSError as error:
            raise Failed(f"can not be started: {error}") from None
        except BaseException:
            self.pids = processes.descendants({os.getpid()}) - before
            self.kill("not started")
            self.end()
            raise
        return self

    def is_there(self) -> bool:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def wait_ready(self, before: set[int]) -> None:
        assert self.process is not None
        until = time.monotonic() + self.start_s
        while not self.is_there():
            self.pids = processes.descendants({os.getpid()}) - before
            if not processes.any_alive(self.pids) and not self.is_there():
                raise Failed(f"{self.ending()} before it was ready{self.last_words()}")
            if time.monotonic() > until:
                raise Failed(f"not ready after {self.start_s:.0f} s{self.last_words()}")
            time.sleep(0.01)
        if not self.answers():
            raise Failed("there, but it does not answer")
        self.process.poll()
        self.pids = {pid for pid in processes.descendants({os.getpid()}) - before if processes.is_alive(pid)}

    def ending(self) -> str:
        status = self.process.poll() if self.process else None
        if status is None:
            return "it ended"
        return f"killed by {signal.Signals(-status).name}" if status < 0 else f"it ended with status {status}"

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n") if self.log.exists() else []
        lines = [line.strip() for line in lines if line.strip()]
        return f": {lines[-1]}" if lines else ""

    def family(self) -> set[int]:
        return self.pids | processes.descendants(self.pids)

    def usage(self) -> processes.Usage:
        return processes.usage(self.family())

    def settled_usage(self) -> processes.Usage:
        return processes.settled_usage(self.family())

    def check(self) -> None:
        if not self.broken and not processes.any_alive(self.pids):
            self.broken = f"the server is gone: {self.ending()}{self.last_words()}"
        if self.broken:
            raise Failed(self.broken)

    def kill(self, reason: str) -> None:
        self.broken = self.broken or reason
        processes.kill_all(self.family())
        self.abort()

    def abort(self) -> None:
        raise NotImplementedError

    def leave(self) -> None:
        """Ask the server to end."""
        raise NotImplementedError

    def end(self) -> None:
        family = self.family()
        if not processes.wait_gone(family, END_S):
            processes.kill_all(family)
            processes.wait_gone(family, END_S)
        if self.process:
            self.process.wait()
        processes.reap(family)

    def __exit__(self, *_: object) -> None:
        family = self.family()
        self.leave()
        self.pids |= family
        self.end()


class MountPlace(ServedPlace):
    """A mount."""

    def __init__(self, server: Server, work: pathlib.Path, timeout_s: float) -> None:
        super().__init__(server, work, timeout_s)
        self.path = work / "mountpoint"

    def is_there(self) -> bool:
        return mount_device(self.path) is not None

    def answers(self) -> bool:
        """Asked by a process of its own: one that waits for a hung server can not be used further."""
        asking = subprocess.Popen(["stat", str(self.path)], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            return asking.wait(self.start_s) == 0
        except subprocess.TimeoutExpired:
            self.abort()
            asking.kill()
            return False

    def abort(self) -> None:
        """End the connection: all who wait for an answer get an error. Then take the mount away."""
        device = mount_device(self.path)
        if device is None:
            return
        control = pathlib.Path("/sys/fs/fuse/connections") / device.split(":")[1] / "abort"
        try:
            control.write_text("1")
        except OSError:
            pass  # not a FUSE mount, or the control file system is not mounted: killing it must do
        self.unmount("-l")

    def unmount(self, *options: str) -> bool:
        command = ["umount", *options] if os.geteuid() == 0 else \
            ["fusermount3", "-u", *(["-z"] if "-l" in options else [])]
        done = subprocess.run([*command, str(self.path)], capture_output=True, timeout=60)
        return done.returncode == 0

    def leave(self) -> None:
        for _ in range(50):
            if mount_device(self.path) is None or self.unmount():
                return
            time.sleep(0.1)
        self.abort()


class GuestPlace(ServedPlace):
    """A daemon's socket."""

    def __init__(self, server: Server, work: pathlib.Path, timeout_s: float) -> None:
        super().__init__(server, work, timeout_s)
        self.path = work / "socket"

    def is_there(self) -> bool:
        return self.path.exists()

    def answers(self) -> bool:
        """A connection would be one too many for daemons that serve one, so it is not tried."""
        time.sleep(0.2)
        return True

    def abort(self) -> None:
        self.path.unlink(missing_ok=True)

    def leave(self) -> None:
        processes.kill_all(self.family(), signal.SIGTERM)
        self.path.unlink(missing_ok=True)


def place_of(server: Server, work: pathlib.Path, timeout_s: float) -> Place:
    kinds = {"native": Place, "mount": MountPlace, "guest": GuestPlace}
    return kinds[server.kind](server, work, timeout_s)
