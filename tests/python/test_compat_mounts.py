# SPDX-License-Identifier: BSD-3-Clause
"""Programs of libfb.compat with mounts: how they begin and end, and the event loops of pyfuse3."""
from __future__ import annotations

import importlib.util
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from libfb.testing import guardian
from libfb.testing.plugin import why_no_mount

pytestmark = pytest.mark.skipif(bool(why_no_mount()), reason=why_no_mount())
needs_trio = pytest.mark.skipif(not importlib.util.find_spec("trio"), reason="python3-trio")
SECONDS = 20
LOOPS = [pytest.param("trio", marks=needs_trio), "asyncio"]

FUSEPY = """
    import os, sys, stat, errno
    import libfb.compat.fusepy as fuse

    class Who(fuse.Operations):
        use_ns = True
        def getattr(self, path, fh=None):
            if path == "/":
                return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
            uid, gid, pid = fuse.fuse_get_context()
            if path == "/exit":
                fuse.fuse_exit()
            if path == "/systemexit":
                sys.exit(7)
            if path == "/pid":
                return {"st_mode": stat.S_IFREG | 0o444, "st_size": pid}
            raise fuse.FuseOSError(errno.ENOENT)
        def destroy(self, path):
            print("destroyed", flush=True)
"""

PYFUSE3 = """
    import errno, os, stat, sys, time
    import libfb.compat.pyfuse3 as pyfuse3

    if sys.argv[2] == "asyncio":
        import asyncio as loop
        pyfuse3.asyncio.enable()
    else:
        import trio as loop

    class Fs(pyfuse3.Operations):
        reads = 0
        async def getattr(self, inode, ctx):
            attr = pyfuse3.EntryAttributes()
            attr.st_ino, attr.st_size = inode, 5
            attr.st_mode = (stat.S_IFDIR | 0o755) if inode == 1 else (stat.S_IFREG | 0o644)
            return attr
        async def lookup(self, parent, name, ctx):
            if name not in (b"a", b"b", b"slow"):
                raise pyfuse3.FUSEError(errno.ENOENT)
            if name == b"slow":
                await loop.sleep(1)
            return await self.getattr(2 + ord(name[:1]), ctx)
        async def open(self, inode, flags, ctx):
            return pyfuse3.FileInfo(fh=inode)
        async def read(self, fh, off, size):
            self.reads += 1
            await loop.sleep(0.01)
            return b"hello"[off:off + size]
        async def opendir(self, inode, ctx):
            return inode
        async def readdir(self, fh, start_id, token):
            for i, name in enumerate((b"a", b"b")[start_id:], start_id + 1):
                pyfuse3.readdir_reply(token, name, await self.getattr(2 + ord(name), None), i)
        async def setxattr(self, inode, name, value, ctx):
            if name == b"user.terminate":
                pyfuse3.terminate()
            elif name == b"user.inode":
                pyfuse3.invalidate_inode(int(value))
            elif name == b"user.entry":
                pyfuse3.invalidate_entry_async(1, value)
            elif name == b"user.store":
                pyfuse3.notify_store(2 + ord("a"), 0, value)
            elif name == b"user.exit":
                sys.exit(9)
        async def getxattr(self, inode, name, ctx):
            return b"%d" % self.reads

    async def main():
        await pyfuse3.main(max_tasks=int(sys.argv[3]))

    pyfuse3.init(Fs(), sys.argv[1], {*pyfuse3.default_options, "fsname=fs"})
    if len(sys.argv) > 4 and os.fork():
        os._exit(0)
    try:
        loop.run(main) if sys.argv[2] == "trio" else loop.run(main())
    finally:
        pyfuse3.close()
    print("closed", flush=True)
"""


class Program:
    """A program that mounts something."""

    def __init__(self, folder: pathlib.Path, text: str, *arguments: str) -> None:
        self.mount = folder / "mount"
        self.mount.mkdir()
        script = folder / "program.py"
        script.write_text(textwrap.dedent(text))
        command = [sys.executable, "-W", "error", str(script), str(self.mount), *arguments]
        self.process = subprocess.Popen(command, text=True, cwd=folder, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def started(self) -> pathlib.Path:
        end = time.monotonic() + SECONDS
        while not guardian.connections(str(self.mount)):
            if time.monotonic() > end or self.process.poll() is not None:
                raise AssertionError(f"nothing was mounted: {self.finish()}")
            time.sleep(0.01)
        return self.mount

    def unmount(self) -> tuple[int, str]:
        subprocess.run(["umount", str(self.mount)], check=True, timeout=SECONDS)
        return self.finish()

    def finish(self) -> tuple[int, str]:
        """(exit code, all that was printed)."""
        said, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, said

    def clear(self) -> None:
        if guardian.connections(str(self.mount)):
            guardian.free(str(self.mount))
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def program(tmp_path: pathlib.Path) -> Iterator[Callable[..., Program]]:
    made: list[Program] = []

    def make(text: str, *arguments: Any) -> Program:
        made.append(Program(tmp_path, text, *map(str, arguments)))
        return made[-1]

    yield make
    for one in made:
        one.clear()


# ---- fusepy -----------------------------------------------------------------------------------

FOREGROUND = FUSEPY + "    fuse.FUSE(Who(), sys.argv[1], foreground=True); print('returned')\n"


def test_fusepy_in_the_foreground(program: Any) -> None:
    server = program(FOREGROUND)
    mount = server.started()
    assert os.stat(mount / "pid").st_size == os.getpid()
    mounts = pathlib.Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    line = next(line for line in mounts if str(mount) in line)
    assert line.startswith("Who ") and "default_permissions" not in line
    assert server.unmount() == (0, "destroyed\nreturned\n")


def test_fuse_exit(program: Any) -> None:
    server = program(FOREGROUND)
    with pytest.raises(OSError):
        os.stat(server.started() / "exit")
    assert server.finish() == (0, "destroyed\nreturned\n")


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_fusepy_ends_by_signals(program: Any, number: int) -> None:
    server = program(FOREGROUND)
    os.listdir(server.started())
    server.process.send_signal(number)
    assert server.finish() == (0, "destroyed\nreturned\n")


def test_fusepy_system_exit(program: Any) -> None:
    server = program(FOREGROUND)
    with pytest.raises(OSError):
        os.stat(server.started() / "systemexit")
    assert server.finish() == (7, "destroyed\n")


def test_fusepy_in_the_background(program: Any, tmp_path: pathlib.Path) -> None:
    server = program(FUSEPY + f"""
    fuse.FUSE(Who(), "mount", nothreads=True, ro=True, attr_timeout=0)
    open({str(tmp_path / "after")!r}, "x").close()
    """)
    code, said = server.finish()
    assert (code, said) == (0, "")
    assert os.stat(server.mount / "pid").st_size == os.getpid()
    with pytest.raises(OSError):
        (server.mount / "file").touch()
    subprocess.run(["umount", str(server.mount)], check=True, timeout=SECONDS)
    end = time.monotonic() + SECONDS
    while not (tmp_path / "after").exists():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("how", ("foreground=True", "foreground=False"))
@pytest.mark.parametrize("options", ("no_such_option=True", "uid='nobody'"))
def test_fusepy_refuses(program: Any, how: str, options: str) -> None:
    code, said = program(FUSEPY + f"    fuse.FUSE(Who(), sys.argv[1], {how}, {options})").finish()
    assert code == 1 and "RuntimeError: 1" in said
    assert "no_such_option" in said or "nobody" in said


@pytest.mark.skipif(not importlib.util.find_spec("fsspec"), reason="python3-fsspec")
def test_fsspec(program: Any) -> None:
    """fsspec.fuse is a program of fusepy's, unchanged."""
    server = program("""
    import sys, libfb.compat
    libfb.compat.install("fuse")
    import fsspec, fsspec.fuse
    fs = fsspec.filesystem("memory")
    fs.pipe("/top/a", b"hello")
    fsspec.fuse.run(fs, "/top", sys.argv[1], foreground=True, threads=False)
    """)
    mount = server.started()
    assert (mount / "a").read_bytes() == b"hello"
    (mount / "b").write_bytes(b"new")
    (mount / "d").mkdir()
    (mount / "a").unlink()
    assert sorted(os.listdir(mount)) == ["b", "d"]
    assert (mount / "b").read_bytes() == b"new"
    assert server.unmount()[0] == 0


# ---- pyfuse3 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("tasks", (1, 99))
def test_pyfuse3(program: Any, loop: str, tasks: int) -> None:
    server = program(PYFUSE3, loop, tasks)
    mount = server.started()
    assert os.listdir(mount) == ["a", "b"]
    assert (mount / "a").read_bytes() == b"hello"
    assert not (mount / "c").exists()
    assert server.unmount() == (0, "closed\n")


def test_pyfuse3_goes_into_the_background(program: Any) -> None:
    """As daemons do: the child serves what its parent has mounted."""
    server = program(PYFUSE3, "asyncio", 99, "fork")
    mount = server.started()
    assert server.process.wait(SECONDS) == 0
    assert (mount / "a").read_bytes() == b"hello"
    assert server.unmount() == (0, "closed\n")


@pytest.mark.parametrize("loop", LOOPS)
def test_handlers_wait_side_by_side(program: Any, loop: str) -> None:
    server = program(PYFUSE3, loop, 99)
    mount = server.started()
    began = time.monotonic()
    slow = subprocess.Popen(["stat", str(mount / "slow")], stdout=subprocess.DEVNULL)
    while time.monotonic() < began + 0.3:
        (mount / "a").read_bytes()
    assert slow.poll() is None
    assert slow.wait(SECONDS) == 0
    assert server.unmount() == (0, "closed\n")


@pytest.mark.parametrize("loop", LOOPS)
def test_notifications(program: Any, loop: str) -> None:
    server = program(PYFUSE3, loop, 99)
    mount = server.started()

    def reads() -> int:
        return int(os.getxattr(mount, "user.reads"))

    with open(mount / "a", "rb", buffering=0) as file:
        assert file.read() == b"hello"
        before = reads()
        assert os.pread(file.fileno(), 9, 0) == b"hello" and reads() == before
        os.setxattr(mount, "user.inode", b"%d" % os.fstat(file.fileno()).st_ino)
        assert os.pread(file.fileno(), 9, 0) == b"hello" and reads() == before + 1
        os.setxattr(mount, "user.store", b"HELLO")
        assert os.pread(file.fileno(), 9, 0) == b"HELLO" and reads() == before + 1
    os.setxattr(mount, "user.entry", b"a")
    with pytest.raises(FileNotFoundError):
        os.setxattr(mount, "user.inode", b"12345")
    assert server.unmount() == (0, "closed\n")


@pytest.mark.parametrize("loop", LOOPS)
def test_terminate(program: Any, loop: str) -> None:
    server = program(PYFUSE3, loop, 99)
    os.setxattr(server.started(), "user.terminate", b"")
    assert server.finish() == (0, "closed\n")
    assert not guardian.connections(str(server.mount))


@pytest.mark.parametrize("loop", LOOPS)
def test_a_handler_that_exits(program: Any, loop: str) -> None:
    server = program(PYFUSE3, loop, 99)
    with pytest.raises(OSError):
        os.setxattr(server.started(), "user.exit", b"")
    code, _ = server.finish()
    assert code in (1, 9)  # newer trio wraps it in a group
    assert not guardian.connections(str(server.mount))


@pytest.mark.parametrize("loop", LOOPS)
def test_pyfuse3_interrupted(program: Any, loop: str) -> None:
    """Ctrl-C ends the loop, a handler that waits with it, and close() unmounts."""
    server = program(PYFUSE3, loop, 99)
    slow = subprocess.Popen(["stat", str(server.started() / "slow")], stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    time.sleep(0.3)
    server.process.send_signal(signal.SIGINT)
    code, said = server.finish()
    assert code in (1, -signal.SIGINT) and "KeyboardInterrupt" in said and "closed" not in said
    assert slow.wait(SECONDS) != 0
    assert not guardian.connections(str(server.mount))
