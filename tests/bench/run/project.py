# SPDX-License-Identifier: BSD-3-Clause
"""What people do with a source tree: unpack it, ask git about it, compile it."""

from __future__ import annotations

import io
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import tarfile
from collections.abc import Iterator

from .clients import Reading, Work, run, with_usage
from .places import Place

TREE, CODE, UNPACKED = "tree", "code", "unpacked"
ARCHIVE = "tree.tar"
GIT_ASKS = 5
QUIET = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "CCACHE_DISABLE": "1", "LC_ALL": "C"}
FLAGS = "-O0 -std=gnu17 -D_GNU_SOURCE -Ilibfb -Ilibfb/include"


def write_archive(path: pathlib.Path, files: int) -> None:
    """A tree like that of a program's source: small files of very different sizes, 20 a folder.
    The same for the same number."""
    chance = random.Random(files)
    words = ("static int fuse reply request node while if return struct offset size "
             "length buffer error case break").split()
    with tarfile.open(path, "w") as archive:
        for number in range(files):
            size = min(int(chance.lognormvariate(8.3, 1.2)), 300_000)  # 4 KiB in the middle
            text = " ".join(chance.choices(words, k=size // 6 + 1)).encode()[:size]
            entry = tarfile.TarInfo(f"part{number // 400}/folder{number // 20}/file{number}.c")
            entry.size, entry.mtime, entry.mode = len(text), 1_600_000_000, 0o644
            archive.addfile(entry, io.BytesIO(text))


def git(folder: pathlib.Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), "-c", "user.name=bench", "-c", "user.email=bench@localhost",
                    *words], check=True, capture_output=True, env={**os.environ, **QUIET})


def prepare_tree(work: pathlib.Path, files: int) -> None:
    """The archive beside the source, and a repository of what is in it."""
    write_archive(work / ARCHIVE, files)
    tree = work / "source" / TREE
    tree.mkdir()
    subprocess.run(["tar", "-xf", str(work / ARCHIVE), "-C", str(tree)], check=True)
    git(tree, "init", "-q")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "All of it")


def prepare_code(work: pathlib.Path, root: pathlib.Path, files: int) -> None:
    """Some of this library's files and a Makefile."""
    folder = work / "source" / CODE
    shutil.copytree(root / "libfb", folder / "libfb")
    found = sorted(path for part in ("core", "protocol") for path in (folder / "libfb" / part).glob("*.c"))
    names = [path.stem for path in found[:files]]
    text = f"all: {' '.join(f'out/{name}.o' for name in names)}\n"
    for path in found[:files]:
        source = path.relative_to(folder)
        text += f"out/{path.stem}.o: {source} | out\n\tcc {FLAGS} -c -o $@ {source}\n"
    (folder / "Makefile").write_text(text + "out:\n\tmkdir out\nclean:\n\trm -rf out\n")


class Untar:
    """Unpack, and remove what was unpacked."""

    def __init__(self, work: pathlib.Path, files: int) -> None:
        self.archive, self.files = work / ARCHIVE, files

    @property
    def works(self) -> list[Work]:
        return [Work("project/untar", "s"), Work("project/remove-tree", "s")]

    def run(self, place: Place, timeout_s: float) -> Iterator[Reading]:
        folder = place.path / UNPACKED
        try:
            run(["mkdir", str(folder)], place, timeout_s)
            for name, command in (("untar", ["tar", "-xf", str(self.archive), "-C", str(folder)]),
                                  ("remove-tree", ["rm", "-r", str(folder)])):
                before = place.settled_usage()
                _, seconds = run(command, place, timeout_s)
                yield with_usage(Reading(f"project/{name}", seconds, self.files), before,
                                 place.settled_usage())
        finally:
            shutil.rmtree(place.source / UNPACKED, ignore_errors=True)


class GitStatus:
    """Warm: asked once before. The median of some."""

    def __init__(self, files: int) -> None:
        self.files = files

    @property
    def works(self) -> list[Work]:
        return [Work("project/git-status", "s")]

    def run(self, place: Place, timeout_s: float) -> Iterator[Reading]:
        command = ["git", "-c", "safe.directory=*", "-C", str(place.path / TREE), "status", "--porcelain"]
        run(command, place, timeout_s, environment=QUIET)
        before = place.settled_usage()
        seconds = [run(command, place, timeout_s, environment=QUIET)[1] for _ in range(GIT_ASKS)]
        yield with_usage(Reading("project/git-status", statistics.median(seconds), GIT_ASKS * self.files),
                         before, place.settled_usage())


class Compile:
    """Warm: compiled once before, and cleaned."""

    def __init__(self, files: int) -> None:
        self.files = files

    @property
    def works(self) -> list[Work]:
        return [Work("project/compile", "s")]

    def run(self, place: Place, timeout_s: float) -> Iterator[Reading]:
        make = ["make", "-s", "-C", str(place.path / CODE), f"-j{os.cpu_count()}"]
        try:
            run(make, place, timeout_s, environment=QUIET)
            run([*make, "clean"], place, timeout_s, environment=QUIET)
            before = place.settled_usage()
            _, seconds = run(make, place, timeout_s, environment=QUIET)
            yield with_usage(Reading("project/compile", seconds, self.files), before, place.settled_usage())
        finally:
            shutil.rmtree(place.source / CODE / "out", ignore_errors=True)
