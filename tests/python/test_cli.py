# SPDX-License-Identifier: BSD-3-Clause
"""The command line: what it serves, and how it ends."""
from __future__ import annotations

import os
import pathlib
import signal
import socket

import libfb
import pytest
from libfb.cli.options import literal
from programs import (HELLO, SECONDS, Guest, Program, debug_a_bug, eventually, interrupt,
                      is_mounted, needs_mount)


@pytest.fixture(name="source")
def _source(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "notes.py"
    path.write_text(HELLO)
    return path


@pytest.fixture(name="point")
def _point(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "point"
    path.mkdir()
    return path


@needs_mount
def test_mount_and_sigterm(source: pathlib.Path, point: pathlib.Path) -> None:
    arguments = f"{source}:Hello {point} --arg text=ab --arg n=2 -o ro,noatime".split()
    with Program("-m", "libfb", *arguments, mountpoint=point) as program:
        assert program.line() == f"ready: Hello at {point} (pid {program.process.pid})"
        assert (point / "hello").read_text() == "abab\n"
        mounts = pathlib.Path("/proc/self/mounts").read_text()
        assert any(f" {point} fuse ro," in line and "noatime" in line for line in
                   mounts.splitlines())
        assert program.end(signal.SIGTERM) == 0
        assert program.line() == "" and program.err == "" and not is_mounted(point)


@needs_mount
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGHUP, 0)])
def test_other_signals(source: pathlib.Path, point: pathlib.Path, number: int, code: int) -> None:
    with Program("-m", "libfb", str(source), str(point), mountpoint=point) as program:
        program.line()
        assert program.end(number) == code
        assert program.err == "" and not is_mounted(point)


@needs_mount
def test_unmounted_by_others(source: pathlib.Path, point: pathlib.Path) -> None:
    with Program("-m", "libfb", str(source), str(point), mountpoint=point) as program:
        program.line()
        libfb.unmount(point)
        assert program.end() == 0 and program.err == ""


@needs_mount
def test_exit_code_of_a_handler(source: pathlib.Path, point: pathlib.Path) -> None:
    with Program("-m", "libfb", str(source), str(point), mountpoint=point) as program:
        program.line()
        with pytest.raises(OSError):
            os.stat(point / "exit")
        assert program.end() == 3 and program.err == "" and not is_mounted(point)


@needs_mount
def test_module_in_the_current_directory(source: pathlib.Path, point: pathlib.Path) -> None:
    with Program("-m", "libfb", "notes:Hello", "point", mountpoint=point, cwd=source.parent,
                 env={"PYTHONSAFEPATH": ""}) as program:
        assert program.line().startswith(f"ready: Hello at {point} ")
        assert interrupt(program) == 130


@needs_mount
def test_trace_figures_and_stacks(source: pathlib.Path, point: pathlib.Path) -> None:
    with Program("-m", "libfb", str(source), str(point), "--trace", mountpoint=point) as program:
        program.line()
        (point / "hello").read_text()
        program.says('LOOKUP node=1 "hello"')
        program.send(signal.SIGUSR1)
        program.says("p99 <")
        program.send(signal.SIGUSR2)
        program.says("most recent call first")
        assert program.end(signal.SIGTERM) == 0


@needs_mount
def test_daemon(source: pathlib.Path, point: pathlib.Path) -> None:
    arguments = ["-m", "libfb", f"{source.name}:Hello", point.name, "--daemon"]
    with Program(*arguments, mountpoint=point, cwd=source.parent) as program:
        line = program.line()
        assert program.end() == 0 and program.line() == "" and program.err == ""
        pid = int(line.rpartition("(pid ")[2].rstrip(")"))
        assert (point / "hello").read_text() == "hi\n"
        assert os.getsid(pid) == pid and os.readlink(f"/proc/{pid}/cwd") == "/"
        assert {os.readlink(f"/proc/{pid}/fd/{n}") for n in range(3)} == {"/dev/null"}
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not is_mounted(point), "the end of the mount")


@needs_mount
def test_daemon_that_can_not_start(source: pathlib.Path) -> None:
    with Program("-m", "libfb", str(source), "/nowhere", "--daemon") as program:
        assert program.end() == 1 and program.line() == ""
        assert program.err == "libfb: mountpoint /nowhere does not exist; make it with mkdir\n"


@needs_mount
def test_service_manager(source: pathlib.Path, point: pathlib.Path, tmp_path: pathlib.Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(os.fspath(tmp_path / "notify"))
        manager.settimeout(SECONDS)
        with Program("-m", "libfb", str(source), str(point), mountpoint=point,
                     env={"NOTIFY_SOCKET": f"{tmp_path}/notify"}) as program:
            assert manager.recv(100).split(b"\n")[0] == b"READY=1"
            assert program.end(signal.SIGTERM) == 0
            assert manager.recv(100) == b"STOPPING=1"


def test_share(source: pathlib.Path, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "socket"
    arguments = f"{source} --vhost-user {path} --tag n --trace".split()
    with Program("-m", "libfb", *arguments) as program:
        assert program.line() == f"ready: Hello at {path}, tag n (pid {program.process.pid})"
        program.send(signal.SIGUSR1)
        program.says("libfb: no machine is connected")
        for _ in range(2):  # machines come and go
            with Guest(path) as guest:
                assert guest.read("hello") == "hi"
                assert guest.read("nope") == "error: No such file or directory"
                assert guest.hang_up() == 0
        assert "LOOKUP" in program.err
        assert program.end(signal.SIGTERM) == 0 and not path.exists()


def test_once(source: pathlib.Path, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "socket"
    with Program("-m", "libfb", str(source), "--vhost-user", str(path), "--once") as program:
        program.line()
        with Guest(path) as guest:
            assert guest.read("hello") == "hi"
            guest.hang_up()
        assert program.end() == 0 and program.err == "" and not path.exists()


def test_arguments_for_monitors(source: pathlib.Path) -> None:
    with Program("-m", "libfb", f"{source}:Hello", "--vhost-user", "/run/a,b", "--qemu-args") as program:
        text = program.process.communicate(timeout=SECONDS)[0].decode()
    assert program.process.returncode == 0
    assert "-chardev socket,id=fs0,path=/run/a,,b" in text
    assert "vhost-user-fs-pci,chardev=fs0,tag=hello" in text
    assert '<target dir="hello"/>' in text and "--fs tag=hello,socket=/run/a,b" in text
    assert "mount -t virtiofs hello /mnt" in text


def test_debugger(source: pathlib.Path, point: pathlib.Path) -> None:
    if not os.path.exists("/dev/fuse"):
        pytest.skip("there is no /dev/fuse")
    debug_a_bug(source, point)


@pytest.mark.parametrize("text, value", [
    ("3", 3), ("-1.5", -1.5), ("'3'", "3"), ("[1, 'a']", [1, "a"]), ("true", True), ("False", False),
    ("None", None), ("/some/path", "/some/path"), ("a b", "a b"), ("1.2.3", "1.2.3"), ("", ""),
    ("os.getpid()", "os.getpid()"), ("{", "{"), ("0x10", 16)])
def test_values(text: str, value: object) -> None:
    assert literal(text) == value and type(literal(text)) is type(value)


def test_version_and_help() -> None:
    for option, text in (("--version", "libfb "), ("--help", "Exit codes: 0")):
        with Program("-m", "libfb", option) as program:
            out = program.process.communicate(timeout=SECONDS)[0].decode()
            assert program.end() == 0 and text in out
