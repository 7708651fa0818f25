#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Usage: PYTHONPATH=build/release/py PYTHONSAFEPATH=1 backing.py [--rounds N] [--megabytes N] [FOLDER]

Sequential reads of a cached file: itself, and through a file system in Python whose open returns it as
backing file. In turns; prints quartiles in MiB/s and the ratio of the medians. FOLDER (default:
/dev/shm) is where the file is made. Needs root.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import statistics
import tempfile
import time
from typing import Any

import libfb

CHUNK = 1 << 20


class Backed(libfb.PathFS):
    """One file, which the kernel reads by itself."""

    def __init__(self, source: pathlib.Path) -> None:
        self.source = source

    def getattr(self, path: str, fh: Any = None) -> Any:
        return libfb.Dir() if path == "/" else os.stat(self.source)

    def open(self, path: str, flags: int) -> Any:
        file = open(self.source, "rb")
        return libfb.Opened(file, backing=file)

    def release(self, path: str, fh: Any) -> None:
        fh.close()


def speed(path: pathlib.Path) -> float:
    """MiB/s of reading all of it."""
    buffer, total = bytearray(CHUNK), 0
    with open(path, "rb", buffering=0) as file:
        begin = time.perf_counter()
        while count := file.readinto(buffer):
            total += count
        return total / (time.perf_counter() - begin) / (1 << 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("folder", nargs="?", default="/dev/shm")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        source, mountpoint = pathlib.Path(folder, "file"), pathlib.Path(folder, "mount")
        source.write_bytes(os.urandom(CHUNK) * options.megabytes)
        mountpoint.mkdir()
        figures: dict[str, list[float]] = {"native": [], "mount": []}
        with libfb.mount(Backed(source), mountpoint) as m:
            for _ in range(options.rounds):
                figures["native"].append(speed(source))
                figures["mount"].append(speed(mountpoint / "file"))
            reads = m.statistics().get("READ", {"requests": 0})["requests"]
    for name, values in figures.items():
        print(name, *(f"{value:.0f}" for value in statistics.quantiles(values, n=4)), "MiB/s")
    ratio = statistics.median(figures["mount"]) / statistics.median(figures["native"])
    print(f"ratio {ratio:.2f}; {reads} reads reached Python's server")


if __name__ == "__main__":
    main()
