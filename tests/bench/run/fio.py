# SPDX-License-Identifier: BSD-3-Clause
"""Data, by fio: sequential and random, through the page cache and past it."""

from __future__ import annotations

import json
import os
import pathlib
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .clients import Reading, Work, run, with_usage
from .places import Failed, Place

FOLDER = "fio"
MIB = 1 << 20
PASSES_MAX = 3
Part = dict[str, Any]  # of fio's JSON

#: By name: what fio calls it, the size of a block, the unit.
PATTERNS = {"seq-read": ("read", "1M", "MiB/s"), "seq-write": ("write", "1M", "MiB/s"),
            "random-read": ("randread", "4k", "op/s"), "random-write": ("randwrite", "4k", "op/s")}


def file_name(job: int) -> str:
    return f"data.{job}"


def prepare(source: pathlib.Path, megabytes: int, jobs: int) -> None:
    """The files, a share of the megabytes each. They are only overwritten later."""
    folder = source / FOLDER
    folder.mkdir(exist_ok=True)
    piece = os.urandom(MIB)
    for job in range(jobs):
        with open(folder / file_name(job), "wb") as file:
            for _ in range(megabytes):
                file.write(piece)
            os.fsync(file.fileno())


def engine(depth: int) -> str:
    """One at a time is what pread(2) does; io_uring may hand it to a thread of the kernel, as on tmpfs. Some
    systems forbid io_uring."""
    if depth == 1:
        return "psync"
    switch = pathlib.Path("/proc/sys/kernel/io_uring_disabled")
    return "libaio" if switch.exists() and switch.read_text().strip() != "0" else "io_uring"


def warm(place: Place) -> None:
    """Have the source's files in memory, whatever wrote or read them before."""
    for path in sorted((place.source / FOLDER).iterdir()):
        with open(path, "rb") as file:
            while file.read(MIB):
                pass


@dataclass(frozen=True)
class Fio:
    """One kind of load. Buffered reads are passes over files that the source has in memory and the
    mount's own page cache has not: fio drops that one at the start, but on the source itself. All else
    goes on for the time given."""

    pattern: str
    direct: bool
    depth: int
    jobs: int
    megabytes: int  # of each file
    seconds: float

    @property
    def name(self) -> str:
        return f"fio/{'direct' if self.direct else 'buffered'}/{self.pattern}/depth-{self.depth}/jobs-{self.jobs}"

    @property
    def works(self) -> list[Work]:
        return [Work(self.name, PATTERNS[self.pattern][2])]

    @property
    def reads(self) -> bool:
        return self.pattern.endswith("read")

    @property
    def by_passes(self) -> bool:
        return self.reads and not self.direct

    def command(self, place: Place) -> list[str]:
        rw, size, _ = PATTERNS[self.pattern]
        invalidate = int(place.server.kind != "native" and not self.direct)
        return ["fio", "--name=bench", f"--directory={place.path / FOLDER}", "--filename_format=data.$jobnum",
                f"--rw={rw}", f"--bs={size}", f"--size={self.megabytes}M", f"--numjobs={self.jobs}",
                f"--iodepth={self.depth}", f"--ioengine={engine(self.depth)}", f"--direct={int(self.direct)}",
                f"--invalidate={invalidate}", f"--runtime={int(self.seconds * 1000)}ms", "--thread",
                "--group_reporting", "--allow_file_create=0", "--fallocate=none", "--output-format=json",
                "--clat_percentiles=0", "--lat_percentiles=1", "--percentile_list=50:99:99.9",
                *([] if self.by_passes else ["--time_based"])]

    def run(self, place: Place, timeout_s: float) -> Iterator[Reading]:
        if self.by_passes:
            warm(place)
        before = place.settled_usage()
        parts: list[Part] = []
        while not parts or (self.by_passes and len(parts) < PASSES_MAX
                            and sum(part["runtime"] for part in parts) < self.seconds * 1000):
            output, _ = run(self.command(place), place, timeout_s + self.seconds)
            parts.append(self.part(output))
        yield with_usage(self.reading(parts), before, place.settled_usage())

    def part(self, output: str) -> Part:
        """What fio tells of the reads or writes of all jobs. It may put warnings before its JSON."""
        job = json.loads(output[output.index("{"):])["jobs"][0]
        part: Part = job["read" if self.reads else "write"]
        if job["error"] or part["total_ios"] == 0:
            raise Failed(f"fio: {os.strerror(job['error'])}" if job["error"] else "fio did nothing")
        return part

    def reading(self, parts: list[Part]) -> Reading:
        seconds = sum(max(part["runtime"], 1) for part in parts) / 1000
        operations = sum(part["total_ios"] for part in parts)
        amount = sum(part["io_bytes"] for part in parts) / MIB if self.works[0].unit == "MiB/s" else operations
        latency = {f"p{float(share):g}": statistics.median(part["lat_ns"]["percentile"][share] for part in parts) / 1e3
                   for share in parts[0]["lat_ns"].get("percentile", {})}
        return Reading(self.name, amount / seconds, operations, latency)
