# SPDX-License-Identifier: BSD-3-Clause
"""Small operations on files and folders, by fsops.c."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

from .clients import Paced, Reading, Work
from .places import Place

#: As fsops.c has them.
KINDS = ["create", "stat", "open-close", "open-write-close", "open-read-close", "stat-cold", "readdir",
         "readdir-stat-cold", "write-4k-seq", "write-4k-random", "read-4k-random", "rename", "unlink",
         "mkdir", "rmdir"]


class Files:
    """All of them, or some, by so many threads."""

    def __init__(self, program: pathlib.Path, threads: int, count: int, kinds: list[str]) -> None:
        self.program, self.threads, self.count, self.kinds = program, threads, count, kinds

    @staticmethod
    def prefix(threads: int) -> str:
        return f"files/threads-{threads}"

    @property
    def works(self) -> list[Work]:
        return [Work(f"{self.prefix(self.threads)}/{kind}", "op/s") for kind in self.kinds]

    def run(self, place: Place, timeout_s: float) -> Iterator[Reading]:
        command = [str(self.program), "--paced", str(place.path), str(self.threads), str(self.count),
                   *self.kinds]
        return Paced(command, place, timeout_s).readings(self.prefix(self.threads))
