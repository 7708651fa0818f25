# SPDX-License-Identifier: BSD-3-Clause
"""The command line."""

from __future__ import annotations

import argparse
import pathlib
import re
from collections.abc import Callable
from dataclasses import dataclass

DESCRIPTION = """\
Measure fbfsd in its modes, other file-system servers and the native file system side by side: in one
run over the same folder, taking turns, several rounds. Prints tables of medians and writes them, a JSON
file (tests/bench/README.md) and a chart. Best as root (caches are dropped) and on an idle machine.
"""


@dataclass
class Sizes:
    """How much is done: for a whole run, and for a quick one (2 to 3 minutes)."""

    rounds: int
    count: int  # operations of a kind
    threads: list[int]
    seconds: float  # of a measurement by time
    megabytes: int  # of each of fio's files
    depths: list[int]
    jobs: list[int]
    queues: list[int]
    tree: int  # files in the source tree
    code: int  # files to compile


WHOLE = Sizes(5, 4000, [1, 2, 4, 8], 2.0, 256, [1, 32], [1, 4], [1, 2], 2000, 12)
QUICK = Sizes(2, 1000, [1, 4], 0.4, 64, [1, 32], [1], [1], 500, 4)


@dataclass
class Options:
    directory: pathlib.Path
    output: pathlib.Path | None
    only: re.Pattern[str] | None
    work: re.Pattern[str] | None
    peers: dict[str, str]
    vhost_peers: dict[str, str]
    modes: dict[str, str]
    sizes: Sizes
    quick: bool
    timeout_s: float
    enable_uring: bool
    list: bool
    compare: tuple[pathlib.Path, pathlib.Path] | None


def numbers(text: str) -> list[int]:
    found = [int(word) for word in text.split(",")]
    if min(found) < 1:
        raise ValueError
    return found


def pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def named(needed: list[str]) -> Callable[[str], tuple[str, str]]:
    """Reads NAME=COMMAND, in which the marks must be."""

    def read(text: str) -> tuple[str, str]:
        name, equals, command = text.partition("=")
        missing = [mark for mark in needed if mark not in command]
        if not equals or not re.fullmatch(r"[\w.+-]+", name) or missing:
            raise argparse.ArgumentTypeError(f"NAME='…{' … '.join(needed)} …' is wanted, not {text!r}")
        return name, command

    return read


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser("script/bench", description=DESCRIPTION,
                                    formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parse.add_argument
    add("--quick", action="store_true", help="2 to 3 minutes: fewer servers, works and rounds")
    add("--list", action="store_true", help="say what would be measured, and with what commands")
    add("--compare", nargs=2, type=pathlib.Path, metavar=("OLD.json", "NEW.json"),
        help="print ratios between two runs; measures nothing")
    add("--only", type=pattern, metavar="REGEX", help="only servers whose name matches (native stays)")
    add("--work", type=pattern, metavar="REGEX", help="only works whose name matches")
    add("--peer", action="append", default=[], type=named(["{source}", "{mountpoint}"]),
        metavar="NAME='COMMAND {source} {mountpoint}'", help="another server; it may go into the background")
    add("--vhost-peer", action="append", default=[], type=named(["{source}", "{socket}"]),
        metavar="NAME='COMMAND {source} {socket}'", help="another virtio-fs daemon")
    add("--fbfsd", action="append", default=[], type=named([]), metavar="NAME='OPTIONS'",
        help="another mode of fbfsd")
    add("--directory", type=pathlib.Path, default=pathlib.Path("/var/tmp"), metavar="DIR",
        help="where the source and the mountpoint are made: on the file system that matters [/var/tmp]")
    add("--output", type=pathlib.Path, metavar="PREFIX",
        help="write PREFIX.json, .svg, .png and .txt [build/bench/DATE]")
    add("--timeout", type=float, default=60.0, metavar="S", help="for one measurement [60]")
    add("--enable-uring", action="store_true",
        help="let the kernel offer FUSE over io_uring during the run (a parameter of the module fuse)")
    add("--rounds", type=int, help="turns that each server gets [5, quick: 2]")
    add("--count", type=int, help="operations of each kind [4000]")
    add("--threads", type=numbers, metavar="N,N", help="of clients for small operations [1,2,4,8]")
    add("--seconds", type=float, metavar="S", help="of a measurement by fio or of the guest [2]")
    add("--megabytes", type=int, metavar="N", help="size of each of fio's files [256]")
    add("--depths", type=numbers, metavar="N,N", help="requests of fio at once [1,32]")
    add("--jobs", type=numbers, metavar="N,N", help="threads of fio [1,4]")
    add("--queues", type=numbers, metavar="N,N", help="of the guest [1,2]")
    add("--tree", type=int, metavar="N", help="files in the tree to unpack and ask git about [2000]")
    add("--code", type=int, metavar="N", help="files to compile [12]")
    return parse


def sizes_of(given: argparse.Namespace) -> Sizes:
    base = QUICK if given.quick else WHOLE
    values = {name: getattr(given, name, None) for name in vars(base)}
    return Sizes(**{name: getattr(base, name) if value is None else value
                    for name, value in values.items()})


def parse(arguments: list[str]) -> Options:
    given = parser().parse_args(arguments)
    return Options(directory=given.directory.resolve(), output=given.output, only=given.only,
                   work=given.work, peers=dict(given.peer), vhost_peers=dict(given.vhost_peer),
                   modes=dict(given.fbfsd), sizes=sizes_of(given), quick=given.quick,
                   timeout_s=given.timeout, enable_uring=given.enable_uring, list=given.list,
                   compare=(given.compare[0], given.compare[1]) if given.compare else None)
