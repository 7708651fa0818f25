# SPDX-License-Identifier: BSD-3-Clause
"""The end of a session whose handlers are coroutines: destroy and late releases run to their end."""
import asyncio
import os
import pathlib
from collections.abc import Callable

import libfb
import pytest
from libfb.testing import Client
from libfb.testing.plugin import why_no_mount

needs_mount = pytest.mark.skipif(bool(why_no_mount()), reason=why_no_mount())


class Slow(libfb.PathFS):
    """/f, and a list of what has come to its end."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    async def getattr(self, path: str) -> libfb.Attr:
        await asyncio.sleep(0.001)
        return libfb.Dir() if path == "/" else libfb.File(size=3)

    async def open(self, path: str, flags: int) -> str:
        return path

    async def release(self, path: str, fh: str) -> None:
        await asyncio.sleep(0.02)
        self.log.append(f"released {fh}")

    async def destroy(self) -> None:
        await asyncio.sleep(0.02)
        self.log.append("destroyed")


def test_over_the_loopback() -> None:
    log: list[str] = []
    client = Client(Slow(log))
    client.open("/f", os.O_RDONLY)
    with pytest.raises(AssertionError, match="not closed"):
        client.close()
    assert log == ["released /f", "destroyed"]


@needs_mount
def test_mounted(tmp_path: pathlib.Path) -> None:
    log: list[str] = []
    with libfb.mount(Slow(log), tmp_path) as mount:
        os.close(os.open(tmp_path / "f", os.O_RDONLY))
    assert log == ["released /f", "destroyed"] and mount.bugs.total == 0


@needs_mount
def test_mounted_in_a_loop(tmp_path: pathlib.Path) -> None:
    log: list[str] = []

    async def main() -> None:
        async with libfb.mount(Slow(log), tmp_path):
            assert (await asyncio.to_thread(os.stat, tmp_path / "f")).st_size == 3

    asyncio.run(main())
    assert log == ["destroyed"]


class Listed(libfb.NodeFS):
    """Two folders, one in the other, with inode numbers of its own."""

    root = "root"
    numbers = {"root": 77, "sub": 88}

    def __init__(self, dots: bool = False) -> None:
        self.dots = dots

    def getattr(self, node: str) -> libfb.Attr:
        return libfb.Dir(ino=self.numbers[node])

    def lookup(self, parent: str, name: str) -> libfb.Entry:
        return libfb.Entry(name, self.getattr(name))

    def readdir(self, node: str) -> list[object]:
        dots = [("..", libfb.Dir(ino=77)), (".", libfb.Dir(ino=88))] if self.dots else []
        return [*dots, ("sub", libfb.Entry("sub", self.getattr("sub")))]


@pytest.mark.parametrize("plus", [False, True])
def test_dots(fb_client: Callable[..., Client], plus: bool) -> None:
    """There without being asked for; "." has the number that the client was told."""
    client = fb_client(Listed())
    assert client.stat("/sub").st_ino == 88
    with client.opendir("/sub") as folder:
        entries = folder.read(plus=plus)
    assert [entry.name for entry in entries] == [".", "..", "sub"]
    assert entries[0].ino == 88 and entries[1].ino != 0 and not entries[0].node
    assert [entry.cookie for entry in entries] == [1, 2, 3]
    assert all(entry.is_dir() for entry in entries)


def test_dots_that_are_told(fb_client: Callable[..., Client]) -> None:
    with fb_client(Listed(dots=True)).opendir("/sub") as folder:
        assert [(entry.name, entry.ino) for entry in folder.read()] == [
            (".", 88), ("..", 77), ("sub", 88)]  # fmt: skip
