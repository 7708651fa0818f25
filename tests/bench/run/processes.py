# SPDX-License-Identifier: BSD-3-Clause
"""Processes below this one: who they are, and what they have used."""

from __future__ import annotations

import ctypes
import os
import pathlib
import signal
import time
from dataclasses import dataclass

PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Usage:
    """Of all processes of a server together. Sizes are in KiB."""

    cpu_s: float
    rss_kib: int
    hwm_kib: int


def adopt() -> None:
    """Have servers that go into the background stay below this process."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stat_fields(pid: int) -> list[str]:
    """State, parent and what follows in /proc/PID/stat; nothing when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return []


def descendants(roots: set[int]) -> set[int]:
    """All processes below the roots, without these."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        fields = stat_fields(int(entry)) if entry.isdigit() else []
        if fields:
            children.setdefault(int(fields[1]), []).append(int(entry))
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        for child in children.get(waiting.pop(), []):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found - roots


def is_alive(pid: int) -> bool:
    """One that has ended and waits for its parent is not."""
    fields = stat_fields(pid)
    return bool(fields) and fields[0] not in "ZX"


def any_alive(pids: set[int]) -> bool:
    return any(is_alive(pid) for pid in pids)


def reap(pids: set[int]) -> None:
    """Let go of those that have ended, where we are the parent."""
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass


def cpu_ns(pid: int) -> int:
    """Processor time of all threads so far, those that have ended included; exact, unlike /proc/PID/stat."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)  # as clock_getcpuclockid(3) makes it
    except OSError:
        return 0


def memory_kib(pid: int) -> tuple[int, int]:
    """Resident memory now, and at most."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return tuple(int(fields.get(name, "0").split()[0]) for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


def usage(pids: set[int]) -> Usage:
    sizes = [memory_kib(pid) for pid in pids]
    return Usage(cpu_s=sum(map(cpu_ns, pids)) / 1e9, rss_kib=sum(now for now, _ in sizes),
                 hwm_kib=sum(most for _, most in sizes))


def settled_usage(pids: set[int]) -> Usage:
    """When what clients did not wait for (a release, a forget) is done, or 0.1 s later."""
    before = usage(pids)
    for _ in range(10):
        time.sleep(0.01)
        after = usage(pids)
        if after.cpu_s - before.cpu_s < 0.0001:
            break
        before = after
    return before


def wait_gone(pids: set[int], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while any_alive(pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def kill_all(pids: set[int], sign: signal.Signals = signal.SIGKILL) -> None:
    for pid in pids:
        try:
            if is_alive(pid):
                os.kill(pid, sign)
        except ProcessLookupError:
            pass
