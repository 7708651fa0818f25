# SPDX-License-Identifier: BSD-3-Clause
"""Runs the programs that give servers something to do; what they tell becomes readings."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from .places import Failed, Place
from .processes import Usage


@dataclass(frozen=True)
class Work:
    """Something that is measured. The higher the better, unless the unit is seconds."""

    name: str
    unit: str  # op/s, MiB/s or s


@dataclass
class Reading:
    """What one round showed of a work."""

    work: str
    value: float
    operations: float
    latency_us: dict[str, float] = field(default_factory=dict)
    cpu_s: float | None = None  # of the server
    rss_kib: int | None = None
    hwm_kib: int | None = None


class Task(Protocol):
    """One or more works that belong together."""

    @property
    def works(self) -> list[Work]: ...

    def run(self, place: Place, timeout_s: float) -> Iterator[Reading]: ...


def with_usage(reading: Reading, before: Usage | None, after: Usage | None) -> Reading:
    if before and after:
        reading.cpu_s = max(0.0, after.cpu_s - before.cpu_s)
        reading.rss_kib, reading.hwm_kib = after.rss_kib, after.hwm_kib
    return reading


def kill_group(process: subprocess.Popen[str]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def end(process: subprocess.Popen[str], place: Place, reason: str) -> None:
    """The server goes first: it may be what the client waits for, without hearing of signals."""
    place.kill(reason)
    kill_group(process)
    try:
        process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        pass  # nothing more can be done


def complaint(command: list[str], status: int, errors: str) -> str:
    last = (errors.strip().splitlines() or [""])[-1]
    return f"{os.path.basename(command[0])} ended with status {status}: {last}"


def run(command: list[str], place: Place, timeout_s: float, cwd: str = "/",
        environment: dict[str, str] | None = None) -> tuple[str, float]:
    """Returns the output and the seconds that it took; raises Failed."""
    start = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, cwd=cwd, start_new_session=True,
                               env={**os.environ, **(environment or {})})
    try:
        output, errors = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        end(process, place, "killed, since a client waited too long")
        raise Failed(f"timeout: {os.path.basename(command[0])} took more than {timeout_s:.0f} s") from None
    except BaseException:
        end(process, place, "interrupted")
        raise
    seconds = time.monotonic() - start
    if process.returncode != 0:
        place.check()
        raise Failed(complaint(command, process.returncode, errors))
    return output, seconds


class Paced:
    """A program that waits before and after each of its measurements (tests/bench/sample.h)."""

    def __init__(self, command: list[str], place: Place, timeout_s: float) -> None:
        self.command, self.place, self.timeout_s = command, place, timeout_s
        self.late = False

    def readings(self, prefix: str) -> Iterator[Reading]:
        process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, cwd="/", start_new_session=True)
        try:
            yield from self.follow(process, prefix)
            _, errors = process.communicate(timeout=self.timeout_s)
        except BrokenPipeError:
            _, errors = process.communicate()
        except subprocess.TimeoutExpired:
            end(process, self.place, "killed, since a client waited too long")
            self.late = True
        except BaseException:
            end(process, self.place, "interrupted")
            raise
        if self.late:
            raise Failed(f"timeout: {os.path.basename(self.command[0])} took more than "
                         f"{self.timeout_s:.0f} s for one measurement")
        if process.returncode != 0:
            self.place.check()
            raise Failed(complaint(self.command, process.returncode, errors))

    def expire(self, process: subprocess.Popen[str]) -> None:
        self.late = True
        self.place.kill("killed, since a client waited too long")
        kill_group(process)

    def line(self, process: subprocess.Popen[str]) -> list[str]:
        assert process.stdout
        timer = threading.Timer(self.timeout_s, self.expire, [process])
        timer.start()
        try:
            return process.stdout.readline().split()
        finally:
            timer.cancel()

    def follow(self, process: subprocess.Popen[str], prefix: str) -> Iterator[Reading]:
        assert process.stdin
        before: Usage | None = None
        while words := self.line(process):
            if words[0] == "begin":
                before = self.place.settled_usage()
            elif words[0] == "done":
                yield with_usage(self.reading(words, prefix), before, self.place.settled_usage())
            process.stdin.write("\n")
            process.stdin.flush()

    @staticmethod
    def reading(words: list[str], prefix: str) -> Reading:
        _, name, operations, seconds, *latencies = words
        p50, p99, p999 = map(float, latencies)
        return Reading(f"{prefix}/{name}", float(operations) / float(seconds), float(operations),
                       {"p50": p50, "p99": p99, "p99.9": p999})
