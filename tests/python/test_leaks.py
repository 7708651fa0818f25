# SPDX-License-Identifier: BSD-3-Clause
"""Nothing is left behind: objects, descriptors, bytes. Figures are printed (pytest -s)."""
import asyncio
import gc
import os
import pathlib
import resource
import sys
import threading
from collections.abc import Callable
from typing import Any

import libfb
import pytest
from libfb.testing import Client, Op


class Mixed(libfb.NodeFS):
    """Something of everything that the binding keeps tables for."""

    entry_timeout = attr_timeout = 0.0

    def lookup(self, parent: Any, name: str) -> libfb.Entry:
        if name == "missing":
            raise FileNotFoundError
        return libfb.Entry((parent, name), libfb.File(0o644, size=5))

    def getattr(self, node: Any, fh: Any = None) -> Any:
        return libfb.Dir() if node == 1 else libfb.File(0o644, size=5)

    def open(self, node: Any, flags: int) -> Any:
        return {"node": node}

    def read(self, node: Any, fh: Any, off: int, size: int) -> bytes:
        return bytes(memoryview(b"12345")[off:off + size])

    def write(self, node: Any, fh: Any, off: int, data: bytes) -> None:
        libfb.request().uid

    def readdir(self, node: Any, fh: Any) -> Any:
        yield "a"
        yield "b", libfb.Entry((node, "b"), libfb.File())

    def getxattr(self, node: Any, name: str) -> bytes:
        return b"value"


class Later(libfb.PathFS):
    """The same for coroutines, of which some wait."""

    def getattr(self, path: str | None, fh: Any = None) -> Any:
        return libfb.Dir() if path == "/" else libfb.File(0o644, size=5)

    async def open(self, path: str, flags: int) -> Any:
        await asyncio.sleep(0)
        return [path]

    async def read(self, path: str, fh: Any, off: int, size: int) -> bytes:
        return b"12345"[off:off + size]


def memory() -> tuple[int, int, int]:
    """(blocks that Python has allocated, open descriptors, peak kB of memory)."""
    gc.collect()
    return (sys.getallocatedblocks(), len(os.listdir("/proc/self/fd")),
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def stays(what: str, run: Callable[[], None], warm: Callable[[], None], count: int,
          blocks: int) -> None:
    """Run it once to warm up, then compare: at most so many blocks more, and 4 MB. One object left
    by each of them would be count blocks; tables that grow to their size take some hundred."""
    warm()
    before = memory()
    run()
    after = memory()
    print(f"\n{what}: {count:,}; blocks {before[0]:,} -> {after[0]:,}, descriptors {before[1]} -> "
          f"{after[1]}, peak {before[2]:,} -> {after[2]:,} kB, threads {threading.active_count()}")
    assert after[1] == before[1]
    if os.environ.get("FB_SANITIZE"):
        return  # their allocators keep what has been freed
    assert after[0] - before[0] < blocks
    assert after[2] - before[2] < 4096


def requests(fs: Any, count: int) -> Callable[[], None]:
    def run() -> None:
        with Client(fs) as c:
            send = c.connection.backend.send
            node = c.lookup(1, b"f").node
            opened = c.raw(Op.OPEN, node=node, body=bytes(8))
            fh = opened.body[:8]
            messages = [message(op, at, body) for op, at, body in (
                (Op.GETATTR, node, bytes(16)),
                (Op.LOOKUP, 1, b"missing\0"),
                (Op.READ, node, fh + bytes(8) + (4096).to_bytes(4, "little") + bytes(20)),
                (Op.GETATTR, 99, bytes(16)),
                (Op.LOOKUP, 1, b"x\0"),
                (Op.OPEN, node, bytes(8)),
            )]
            for i in range(count // 8):
                for m in messages[:-2]:
                    send(m, 65536)
                x = send(messages[-2], 65536)
                send(message(Op.FORGET, int.from_bytes(x[16:24], "little"),
                             (1).to_bytes(8, "little")), 65536)
                opened_too = send(messages[-1], 65536)
                send(message(Op.RELEASE, node, opened_too[16:24] + bytes(16)), 65536)
            c.raw(Op.RELEASE, node=node, body=fh + bytes(16))
            c.forget_all()
    return run


def message(op: Op, node: int, body: bytes) -> bytes:
    """One request as the kernel sends it."""
    return ((40 + len(body)).to_bytes(4, "little") + int(op).to_bytes(4, "little")
            + (2).to_bytes(8, "little") + node.to_bytes(8, "little") + bytes(16) + body)


def test_a_million_requests() -> None:
    fs = Mixed()
    stays("requests", requests(fs, 1_000_000), requests(fs, 10_000), 1_000_000, 200)


def test_requests_of_coroutines() -> None:
    fs = Later()
    stays("requests of coroutines", requests(fs, 40_000), requests(fs, 4_000), 40_000, 400)


def test_whole_files_and_directories() -> None:
    fs = Mixed()

    def run(count: int) -> None:
        with Client(fs) as c:
            for _ in range(count):
                c.listdir("/")
                c.scandir("/", plus=True)
                with c.open("/f", os.O_RDWR) as f:
                    f.write(b"x", 0)
                c.getxattr("/f", "user.a")
                c.forget_all()
    stays("directories and files", lambda: run(3000), lambda: run(300), 3000, 300)


def test_10_000_sessions() -> None:
    def run(count: int) -> None:
        for _ in range(count):
            with Client(Mixed()) as c:
                c.stat("/f")
    stays("sessions", lambda: run(10_000), lambda: run(200), 10_000, 1500)


def test_sessions_of_coroutines() -> None:
    def run(count: int) -> None:
        for _ in range(count):
            with Client(Later()) as c, c.open("/f", os.O_RDONLY):
                pass
    stays("sessions of coroutines", lambda: run(500), lambda: run(50), 500, 400)


def mounts(folder: pathlib.Path, count: int) -> None:
    for _ in range(count):
        with libfb.mount(Mixed(), folder):
            os.stat(folder / "f")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts as root")
def test_100_mounts(tmp_path: pathlib.Path) -> None:
    stays("mounts", lambda: mounts(tmp_path, 100), lambda: mounts(tmp_path, 20), 100, 400)


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts as root")
def test_10_000_mounts(tmp_path: pathlib.Path) -> None:
    stays("mounts", lambda: mounts(tmp_path, 10_000), lambda: mounts(tmp_path, 50), 10_000,
          1000)
