# SPDX-License-Identifier: BSD-3-Clause
"""The program around a file system: how it ends, what it shares, what handlers can rely on."""
from __future__ import annotations

import errno
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading

import libfb
import pytest
from libfb._session import open_loopback
from libfb.testing import Client
from programs import HELLO, SECONDS, Guest, Program, is_mounted, needs_mount


@pytest.fixture(name="point")
def _point(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "point"
    path.mkdir()
    return path


def _script(point: pathlib.Path, code: str) -> Program:
    """A program that has HELLO and a mount point P, and runs code."""
    head = f"import os, signal, sys, threading, time\n{HELLO}\nP = {str(point)!r}\n"
    return Program("-c", head + textwrap.dedent(code), mountpoint=point)


class Small(libfb.PathFS):
    """A file with what a test says."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def getattr(self, path: str, fh: object = None) -> libfb.Attr:
        if path == "/":
            return libfb.Dir(0o755)
        if path == "/file":
            return libfb.File(0o644, size=4)
        raise FileNotFoundError

    def read(self, path: str, fh: object, off: int, size: int) -> bytes:
        return b"old\n"[off:off + size]


# ---- ends ----


@needs_mount
@pytest.mark.parametrize("number, code", [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 0)])
def test_signals_in_wait(point: pathlib.Path, number: int, code: int) -> None:
    with _script(point, """
            with libfb.mount(Hello(), P) as m:
                print("ready", flush=True)
                m.wait()
            """) as program:
        program.line()
        program.catches(signal.SIGTERM)  # it has come to wait()
        assert program.end(number) == code
        assert not is_mounted(point)
        # Ctrl-C is KeyboardInterrupt, as in every Python program, and nothing else is said.
        assert program.err.count("Traceback") == (number == signal.SIGINT)
        assert not program.err or program.err.rstrip().endswith("KeyboardInterrupt")


@needs_mount
def test_script_ends_without_stop(point: pathlib.Path) -> None:
    with _script(point, """
            m = libfb.mount(Hello(), P)
            print(os.listdir(P), flush=True)
            sys.exit(7)
            """) as program:
        assert program.line() == "['hello']"
        assert program.end() == 7 and program.err == "" and not is_mounted(point)


@needs_mount
@pytest.mark.parametrize("kind, code", [("SystemExit(5)", 5), ("KeyboardInterrupt", 99)])
def test_handler_wants_the_end(point: pathlib.Path, kind: str, code: int) -> None:
    with _script(point, f"""
            class Ends(Hello):
                def readlink(self, path): raise {kind}
                def getattr(self, path, fh=None):
                    return libfb.Symlink() if path == "/end" else super().getattr(path)
            with libfb.mount(Ends(), P) as m:
                try:
                    os.readlink(P + "/end")
                except OSError as error:
                    print(error.errno, flush=True)
                try:
                    m.wait()
                except KeyboardInterrupt:
                    sys.exit(99)
            """) as program:
        assert program.line() == str(errno.EIO)
        assert program.end() == code and program.err == "" and not is_mounted(point)


@needs_mount
@pytest.mark.parametrize("kind", ["ValueError", "SystemExit", "PermissionError"])
def test_init_fails(point: pathlib.Path, kind: str) -> None:
    class Bad(Small):
        def init(self, conn: libfb.Conn) -> None:
            raise {"ValueError": ValueError, "SystemExit": SystemExit,
                   "PermissionError": PermissionError}[kind]("no")

    with pytest.raises((ValueError, SystemExit, PermissionError), match="no") as raised:
        libfb.mount(Bad(), point)
    assert raised.type.__name__ == kind and not is_mounted(point)
    with libfb.mount(Small(), point):  # the place is free
        assert is_mounted(point)


# ---- forks ----


@needs_mount
def test_child_outlives_the_server(point: pathlib.Path) -> None:
    with _script(point, """
            class Forks(Hello):
                def getattr(self, path, fh=None):
                    if path == "/fork":
                        child = os.fork()
                        if child == 0:
                            time.sleep(60)
                            os._exit(0)
                        print(child, flush=True)
                    return super().getattr(path)
            with libfb.mount(Forks(), P, workers=3) as m:
                print("ready", flush=True)
                m.wait()
            """) as program:
        program.line()
        assert not os.path.exists(point / "fork")
        child = int(program.line())
        assert (point / "hello").read_text() == "hi\n"  # the server goes on
        program.end(signal.SIGKILL)
        os.kill(child, 0)  # it lives
        stat = ["stat", point / "hello"]
        said = [subprocess.run(stat, timeout=SECONDS, capture_output=True, check=False).stderr
                for _ in range(2)]
        os.kill(child, signal.SIGKILL)
        assert b"not connected" in said[1], said


@needs_mount
def test_children_do_not_touch_the_mount(point: pathlib.Path) -> None:
    """Not those of multiprocessing, and not one that leaves the with block and runs atexit."""
    with _script(point, """
            import multiprocessing, warnings
            warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads, from 3.12 on
            def work(queue): queue.put(os.listdir(P))
            fork = multiprocessing.get_context("fork")
            with libfb.mount(Hello(), P) as m:
                queue = fork.SimpleQueue()
                child = fork.Process(target=work, args=(queue,))
                child.start()
                print(queue.get(), flush=True)
                child.join()
                pid = os.fork()
                if pid:
                    os.waitpid(pid, 0)
                    print(os.listdir(P), flush=True)
                else:
                    m.stop()
            """) as program:
        assert program.line() == "['hello']" and program.line() == "['hello']"
        assert program.end() == 0 and program.err == ""


def test_a_child_hangs_up_on_machines(tmp_path: pathlib.Path) -> None:
    with _script(tmp_path / "s", """
            with libfb.vhost_user(Hello(), P) as v:
                print("ready", flush=True)
                while not v.server:
                    time.sleep(0.01)
                child = os.fork()
                if child == 0:
                    time.sleep(60)
                    os._exit(0)
                print(child, flush=True)
                v.wait()
            """) as program:
        program.mountpoint = None
        program.line()
        with Guest(tmp_path / "s") as guest:
            child = int(program.line())
            assert guest.read("hello") == "hi"
            program.end(signal.SIGKILL)
            assert guest.read("hello").startswith("error: ")
        os.kill(child, signal.SIGKILL)


@needs_mount
def test_killed_with_a_file_of_its_own_mount(point: pathlib.Path) -> None:
    with _script(point, """
            with libfb.mount(Hello(), P) as m:
                file = open(P + "/hello")
                print(file.read(), flush=True)
                m.wait()
            """) as program:
        assert program.line() == "hi"
        program.send(signal.SIGKILL)
        assert program.end() == -signal.SIGKILL


# ---- several ----


@needs_mount
def test_several_in_one_process(tmp_path: pathlib.Path) -> None:
    points = [tmp_path / "a", tmp_path / "b"]
    for path in points:
        path.mkdir()
    with _script(tmp_path, f"""
            A, B, S = P + "/a", P + "/b", P + "/s"
            with libfb.mount(Hello("a"), A), libfb.vhost_user(Hello("s"), S):
                with libfb.mount(Hello("b"), B) as b:
                    print("ready", flush=True)
                    b.wait()
                print("one is gone", flush=True)
                time.sleep({SECONDS})
            """) as program, _guest_at(program, tmp_path / "s") as guest:
        program.mountpoint = None
        try:
            assert [(path / "hello").read_text() for path in points] == ["a\n", "b\n"]
            assert guest.read("hello") == "s"
            libfb.unmount(points[1])
            assert program.line() == "one is gone"
            assert (points[0] / "hello").read_text() == "a\n" and guest.read("hello") == "s"
        finally:
            program.end(signal.SIGINT)
    assert not any(map(is_mounted, points))


def _guest_at(program: Program, path: pathlib.Path) -> Guest:
    """A guest, once the program is ready."""
    assert program.line() == "ready", program.err
    return Guest(path)


@needs_mount
def test_stale_mount(point: pathlib.Path) -> None:
    with _script(point, """
            m = libfb.mount(Hello(), P)
            os.kill(os.getpid(), signal.SIGKILL)
            """) as program:
        assert program.end() == -signal.SIGKILL and is_mounted(point)
        with pytest.raises(OSError, match="a server that is gone left its mount there"):
            libfb.mount(Small(), point)
        with libfb.mount(Small(), point, replace=True):
            assert (point / "file").read_text() == "old\n"
        assert not is_mounted(point)


# ---- what handlers can rely on ----


@needs_mount
def test_threads_are_pythons_own(point: pathlib.Path) -> None:
    """Thread names, thread-local data, and threading.settrace() as debuggers and coverage use it."""
    local, traced = threading.local(), set()

    class Threads(Small):
        def getattr(self, path: str, fh: object = None) -> libfb.Attr:
            local.count = getattr(local, "count", 0) + 1
            self.seen.append((threading.current_thread().name, local.count))
            return super().getattr(path, fh)

    def trace(frame: object, event: str, arg: object) -> None:
        traced.add((threading.current_thread().name, frame.f_code.co_name))  # type: ignore

    fs, before = Threads(), threading.gettrace()
    threading.settrace(trace)
    try:
        with libfb.mount(fs, point):
            for _ in range(5):
                assert not os.path.exists(point / "nothing")
    finally:
        threading.settrace(before)  # type: ignore[arg-type]
    names, counts = zip(*fs.seen)
    assert set(names) == {"libfb-0"} and counts == tuple(range(1, len(counts) + 1))
    assert ("libfb-0", "getattr") in traced


def test_tracing_in_the_calling_thread() -> None:
    """sys.settrace() sees every call, with its lines."""
    lines: list[str] = []

    def trace(frame: object, event: str, arg: object) -> object:
        if event == "line":
            lines.append(frame.f_code.co_name)  # type: ignore[attr-defined]
        return trace

    with Client(Small()) as client:
        before = sys.gettrace()
        sys.settrace(trace)  # type: ignore[arg-type]
        try:
            client.read_bytes("/file")
        finally:
            sys.settrace(before)
    assert "getattr" in lines and "read" in lines


@needs_mount
def test_method_replaced_while_mounted(point: pathlib.Path) -> None:
    class Patched(Small):
        pass

    def new(self: Patched, path: str, fh: object, off: int, size: int) -> bytes:
        return b"new\n"[off:off + size]

    with libfb.mount(Patched(), point):
        assert (point / "file").read_text() == "old\n"
        Patched.read = new  # type: ignore[method-assign]
        assert (point / "file").read_text() == "new\n"


# ---- another object ----


class Other(Small):
    """Another object of the same kind, whose read() takes less, with one method more."""

    def read(self, path: str, fh: object) -> bytes:  # type: ignore[override]
        return b"new\n"

    def unlink(self, path: str) -> None:
        raise AssertionError("not to be called")


def test_replace() -> None:
    server = open_loopback(Small())
    with Client.over(server) as client:
        assert client.read_bytes("/file") == b"old\n"
        assert server.replace(Other()) == (["unlink"], [])
        assert client.read_bytes("/file") == b"new\n"
        with pytest.raises(OSError):
            client.unlink("/file")
        assert server.replace(Small()) == ([], [])
        assert client.read_bytes("/file") == b"old\n"


def test_replace_without_a_method() -> None:
    server = open_loopback(Other())
    with Client.over(server) as client:
        assert server.replace(Small()) == ([], ["unlink"])
        assert client.read_bytes("/file") == b"old\n"
        with pytest.raises(OSError) as raised:
            client.unlink("/file")
        assert raised.value.errno == errno.EIO


def test_replace_by_another_kind() -> None:
    class Asynchronous(Small):
        async def read(self, *args: object) -> bytes:  # type: ignore[override]
            return b""

    class Nodes(libfb.NodeFS):
        def lookup(self, parent: int, name: str) -> libfb.Entry:
            raise FileNotFoundError

        def getattr(self, node: int, fh: object = None) -> libfb.Attr:
            return libfb.Dir(0o755)

    server = open_loopback(Small())
    with Client.over(server) as client:
        for fs in (Asynchronous(), Nodes()):
            with pytest.raises(TypeError):
                server.replace(fs)
        assert client.read_bytes("/file") == b"old\n"
