# SPDX-License-Identifier: BSD-3-Clause
"""Requests of a virtual machine, by guest_bench.c, which is the machine and its monitor."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

from .clients import Paced, Reading, Work
from .places import Place

#: As guest_bench.c has them.
KINDS = ["getattr", "lookup", "read-4k", "write-4k", "read-1m", "write-1m"]
DEPTHS = [1, 16]


class Guest:
    """All of them, or some, so many at once on so many queues."""

    def __init__(self, program: pathlib.Path, depth: int, queues: int, seconds: float,
                 kinds: list[str]) -> None:
        self.program, self.depth, self.queues = program, depth, queues
        self.seconds, self.kinds = seconds, kinds

    @staticmethod
    def name(kind: str, depth: int, queues: int) -> str:
        return f"guest/{kind}/depth-{depth}/queues-{queues}"

    @property
    def works(self) -> list[Work]:
        return [Work(self.name(kind, self.depth, self.queues), "op/s") for kind in self.kinds]

    def run(self, place: Place, timeout_s: float) -> Iterator[Reading]:
        command = [str(self.program), "--paced", str(place.path), str(self.seconds), str(self.queues),
                   str(self.depth), *self.kinds]
        return Paced(command, place, timeout_s + self.seconds).readings("guest")
