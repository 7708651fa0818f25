# SPDX-License-Identifier: BSD-3-Clause
"""How requests come from the kernel: the choice, io_uring, and the way back to /dev/fuse."""
from __future__ import annotations

import asyncio
import errno
import logging
import os
import pathlib
import signal
import subprocess
import textwrap
import threading
from collections.abc import Callable, Iterator
from typing import Any

import libfb
import pytest
from programs import (HELLO, SECONDS, Program, debug_a_bug, eventually, is_mounted, needs_mount,
                      uring_switched_on)

pytestmark = needs_mount

#: Requests at once; a queue of io_uring has 16 places.
MANY = 40
MIB = 1 << 20


@pytest.fixture(name="uring", scope="module")
def _uring() -> Iterator[None]:
    """The kernel offers io_uring; skips where it can not."""
    with uring_switched_on():
        yield


@pytest.fixture(name="point")
def _point(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "point"
    path.mkdir()
    return path


@pytest.fixture(name="source")
def _source(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "hello.py"
    path.write_text(HELLO)
    return path


class Paths(libfb.PathFS):
    """Files in memory."""

    def __init__(self) -> None:
        self.files: dict[str, bytearray] = {}

    def getattr(self, path: str | None, fh: Any = None) -> libfb.Attr:
        if path == "/":
            return libfb.Dir(0o755)
        if path not in self.files:
            raise FileNotFoundError
        return libfb.File(0o644, size=len(self.files[path]))

    def readdir(self, path: str, fh: Any) -> Iterator[str]:
        return (name[1:] for name in self.files)

    def open(self, path: str, flags: int) -> Any:
        return self.files[path]

    def create(self, path: str, mode: int, flags: int) -> Any:
        return self.files.setdefault(path, bytearray())

    def read(self, path: str, fh: Any, off: int, size: int) -> bytes:
        return bytes(fh[off:off + size])

    def write(self, path: str, fh: Any, off: int, data: bytes) -> None:
        fh[off:off + len(data)] = data

    def unlink(self, path: str) -> None:
        del self.files[path]


class Nodes(libfb.NodeFS):
    """The same by node: the root's has the names, a file's the content."""

    root: Any = None

    def __init__(self) -> None:
        self.root = _Folder()

    def lookup(self, parent: Any, name: str) -> libfb.Entry:
        if name not in parent:
            raise FileNotFoundError
        return libfb.Entry(parent[name], self.getattr(parent[name]))

    def getattr(self, node: Any, fh: Any = None) -> libfb.Attr:
        return libfb.Dir(0o755) if node is self.root else libfb.File(0o644, size=len(node))

    def readdir(self, node: Any, fh: Any) -> list[str]:
        return list(node)

    def create(self, parent: Any, name: str, mode: int, flags: int) -> Any:
        node = parent[name] = _Content()
        return libfb.Entry(node, self.getattr(node)), node

    def read(self, node: Any, fh: Any, off: int, size: int) -> bytes:
        return bytes(node[off:off + size])

    def write(self, node: Any, fh: Any, off: int, data: bytes) -> None:
        node[off:off + len(data)] = data

    def unlink(self, parent: Any, name: str) -> None:
        del parent[name]


class _Folder(dict[str, Any]):
    """The root, known by identity."""

    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__


class _Content(bytearray):
    """A file, known by identity."""

    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__


def _passthrough(folder: pathlib.Path) -> libfb.Passthrough:
    (folder / "lower").mkdir()
    return libfb.Passthrough(folder / "lower")


KINDS: dict[str, Callable[[pathlib.Path], Any]] = {
    "paths": lambda folder: Paths(), "nodes": lambda folder: Nodes(), "passthrough": _passthrough}


def use(folder: pathlib.Path) -> None:
    """A bit of everything; files larger than a request."""
    data = os.urandom(3 * MIB + 7)
    (folder / "file").write_bytes(data)
    assert (folder / "file").read_bytes() == data
    assert os.listdir(folder) == ["file"] and (folder / "file").stat().st_size == len(data)
    with pytest.raises(FileNotFoundError):
        (folder / "none").stat()
    (folder / "file").unlink()
    assert os.listdir(folder) == []


def at_once(count: int, call: Callable[[int], object]) -> list[threading.Thread]:
    """Call it in threads."""
    threads = [threading.Thread(target=call, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


def join(threads: list[threading.Thread]) -> None:
    """Wait for threads; they must end."""
    for thread in threads:
        thread.join(SECONDS)
        assert not thread.is_alive()


# ---- the choice ----


def test_an_unknown_transport(point: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="'tcp' is none of auto, dev-fuse, io-uring"):
        libfb.mount(Paths(), point, transport="tcp")
    assert not is_mounted(point)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transport, used", [
    ("auto", "io_uring"), ("dev-fuse", "/dev/fuse"), ("io-uring", "io_uring")])
def test_the_choice(uring: None, point: pathlib.Path, tmp_path: pathlib.Path, kind: str,
                    transport: str, used: str) -> None:
    with libfb.mount(KINDS[kind](tmp_path), point, transport=transport) as m:
        use(point)
        assert m.transport == used
    assert m.ended and not is_mounted(point)


def test_methods_over_a_passthrough(uring: None, point: pathlib.Path, tmp_path: pathlib.Path) -> None:
    class Loud(libfb.Passthrough):
        def read(self, node: Any, fh: Any, off: int, size: int) -> bytes:
            return bytes(super().read(node, fh, off, size)).upper()

    (tmp_path / "lower").mkdir()
    (tmp_path / "lower" / "file").write_text("loud" * 1000)
    with libfb.mount(Loud(tmp_path / "lower"), point, transport="io-uring") as m:
        assert (point / "file").read_text() == "LOUD" * 1000
        assert m.transport == "io_uring"


@pytest.mark.parametrize("transport", ["auto", "io-uring"])
def test_several_workers_use_dev_fuse(uring: None, point: pathlib.Path, transport: str,
                                      caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "libfb"):
        with libfb.mount(Paths(), point, workers=4, transport=transport) as m:
            use(point)
            assert m.transport == "/dev/fuse"
    told = "requests come through /dev/fuse: the program's threads can serve io_uring only where"
    assert (told in caplog.text) == (transport == "io-uring")
    assert caplog.text.count("\n") <= 1


# ---- requests that wait ----


class Keeps(Paths):
    """Keeps requests to open back, until they are answered one by one."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[libfb.Request] = []
        self.files.update({f"/{n}": bytearray(b"%d" % n) for n in range(MANY)})

    def open(self, path: str, flags: int) -> Any:
        self.kept.append(libfb.take())
        return libfb.PENDING


def test_more_are_kept_than_a_queue_has_places(uring: None, point: pathlib.Path) -> None:
    fs = Keeps()
    read: dict[int, bytes] = {}
    with libfb.mount(fs, point, transport="io-uring") as m:
        threads = at_once(MANY, lambda n: read.update({n: (point / str(n)).read_bytes()}))
        eventually(lambda: len(fs.kept) == MANY, f"{MANY} requests at once")
        assert m.transport == "io_uring"
        assert os.listdir(point) == [str(n) for n in range(MANY)]  # others are served
        for request in reversed(fs.kept):
            request.reply(bytearray(b"same"))
        join(threads)
    assert set(read) == set(range(MANY)) and set(read.values()) <= {b"same", b"sam", b"sa", b"s"}


def test_the_end_while_requests_are_kept(uring: None, point: pathlib.Path) -> None:
    fs = Keeps()
    errors: list[int | None] = []

    def read(number: int) -> None:
        with pytest.raises(OSError) as raised:
            (point / str(number)).read_bytes()
        errors.append(raised.value.errno)

    with libfb.mount(fs, point, transport="io-uring") as m:
        threads = at_once(MANY, read)
        eventually(lambda: len(fs.kept) == MANY, f"{MANY} requests at once")
        m.stop()
        # Who keeps a request hears of the end, and lets go.
        eventually(lambda: all(request.interrupted for request in fs.kept), "interrupts")
        for request in fs.kept:
            request.fail(errno.EINTR)
        join(threads)
        assert m.join(SECONDS)
    assert len(errors) == MANY and not is_mounted(point)


@pytest.mark.parametrize("transport", ["auto", "io-uring"])
def test_coroutines_use_dev_fuse(uring: None, point: pathlib.Path, transport: str,
                                 caplog: pytest.LogCaptureFixture) -> None:
    inside: list[int] = []

    class Slow(Paths):
        async def open(self, path: str, flags: int) -> Any:
            inside.append(1)
            while len(inside) < MANY:
                await asyncio.sleep(0.01)
            return self.files[path]

    fs, read = Slow(), {}
    fs.files.update({f"/{n}": bytearray(b"%d" % n) for n in range(MANY)})
    with caplog.at_level(logging.WARNING, "libfb"):
        with libfb.mount(fs, point, transport=transport) as m:
            join(at_once(MANY, lambda n: read.update({n: (point / str(n)).read_bytes()})))
            assert m.transport == "/dev/fuse"
    assert read == {n: b"%d" % n for n in range(MANY)}
    assert ("async handlers are served by an event loop" in caplog.text) == (transport == "io-uring")
    assert caplog.text.count("\n") <= 1


def test_coroutines_in_a_loop_of_the_users(uring: None, point: pathlib.Path) -> None:
    class Loop(Paths):
        async def open(self, path: str, flags: int) -> Any:
            await asyncio.sleep(0.01)
            return self.files[path]

    async def main() -> None:
        fs = Loop()
        fs.files["/a"] = bytearray(b"data")
        async with libfb.mount(fs, point, transport="io-uring") as m:
            assert await asyncio.to_thread((point / "a").read_bytes) == b"data"
            assert m.transport == "/dev/fuse"

    asyncio.run(main())
    assert not is_mounted(point)


# ---- programs ----


def test_a_child_of_the_server_outlives_it(uring: None, point: pathlib.Path) -> None:
    code = f"import os, time\n{HELLO}\n" + textwrap.dedent(f"""
        class Forks(Hello):
            def getattr(self, path, fh=None):
                if path == "/fork":
                    child = os.fork()
                    if child == 0:
                        time.sleep(60)
                        os._exit(0)
                    print(child, m.transport, flush=True)
                return super().getattr(path)
        with libfb.mount(Forks(), {str(point)!r}, transport="io-uring") as m:
            print("ready", flush=True)
            m.wait()
        """)
    with Program("-c", code, mountpoint=point) as program:
        program.line()
        assert (point / "hello").read_text() == "hi\n"
        assert not os.path.exists(point / "fork")
        child, transport = program.line().split()
        assert transport == "io_uring"
        assert (point / "hello").read_text() == "hi\n"  # the server goes on
        program.end(signal.SIGKILL)
        os.kill(int(child), 0)  # it lives
        said = [subprocess.run(["stat", point / "hello"], timeout=SECONDS, capture_output=True,
                               check=False).stderr for _ in range(2)]
        os.kill(int(child), signal.SIGKILL)
        assert b"not connected" in said[1], said


@pytest.mark.parametrize("transport, used", [("dev-fuse", "/dev/fuse"), ("io-uring", "io_uring")])
def test_the_command_line(uring: None, source: pathlib.Path, point: pathlib.Path, transport: str,
                          used: str) -> None:
    arguments = f"{source} {point} --transport {transport} --trace".split()
    with Program("-m", "libfb", *arguments, mountpoint=point) as program:
        program.line()
        assert (point / "hello").read_text() == "hi\n"
        program.says('LOOKUP node=1 "hello"')
        program.send(signal.SIGUSR1)
        program.says(f"libfb: requests over {used}\n")
        assert program.end(signal.SIGTERM) == 0 and not is_mounted(point)


def test_the_command_line_says_why_not(uring: None, source: pathlib.Path, point: pathlib.Path) -> None:
    arguments = f"{source} {point} --transport=io-uring --workers=2".split()
    with Program("-m", "libfb", *arguments, mountpoint=point) as program:
        program.line()
        program.says("libfb: requests come through /dev/fuse: ")
        assert program.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("arguments, told", [
    ("{source} {point} --transport tcp", "invalid choice: 'tcp' (choose from "),
    ("{source} --vhost-user /s --transport io-uring", "--transport are for mounts")])
def test_wrong_usage(source: pathlib.Path, point: pathlib.Path, arguments: str, told: str) -> None:
    words = arguments.format(source=source, point=point).split()
    with Program("-m", "libfb", *words) as program:
        assert program.end() == 2 and told in program.err


def test_the_debugger(uring: None, source: pathlib.Path, point: pathlib.Path) -> None:
    debug_a_bug(source, point, "--transport=io-uring")


def test_servers_without_a_kernel() -> None:
    from libfb._session import Loopback

    server = libfb.Server(Paths())
    assert server.transport == ""
    server.close()
    loopback = Loopback(Paths())
    assert loopback.transport == "loopback"
    loopback.close()
