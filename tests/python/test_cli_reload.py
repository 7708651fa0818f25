# SPDX-License-Identifier: BSD-3-Clause
"""--reload: new code without a new mount."""
from __future__ import annotations

import os
import pathlib
import signal
import time

import pytest
from programs import HELLO, Guest, Program, eventually, needs_mount


@pytest.fixture(name="source")
def _source(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "notes.py"
    path.write_text(HELLO)
    (tmp_path / "point").mkdir()
    return path


def _serve(source: pathlib.Path) -> Program:
    point = source.parent / "point"
    program = Program("-m", "libfb", f"{source}:Hello", str(point), "--reload", mountpoint=point)
    program.line()
    return program


def _edit(source: pathlib.Path, *changes: tuple[str, str]) -> None:
    """Save HELLO with changes, as editors do: another file takes the name."""
    text = HELLO
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    other = source.with_suffix(".new")
    other.write_text(text)
    os.replace(other, source)


@needs_mount
def test_new_code(source: pathlib.Path) -> None:
    file = source.parent / "point" / "hello"
    with _serve(source) as program:
        with open(file, "rb") as opened:
            assert opened.read() == b"hi\n"
            _edit(source, ("return self.text[off", "return b'HI\\n'[off"))
            program.says("libfb: reloaded Hello")
            assert file.read_text() == "HI\n"
        assert program.end(signal.SIGTERM) == 0


@needs_mount
def test_other_numbers_of_arguments(source: pathlib.Path) -> None:
    file = source.parent / "point" / "hello"
    with _serve(source) as program:
        _edit(source, ("read(self, path, fh, off, size)", "read(self, path, fh)"),
              ("self.text[off:off + size]", "b'one'"))
        program.says("reloaded")
        assert file.read_text() == "one"
        _edit(source, ("read(self, path, fh, off, size)", "read(self, path, fh, off, size, *more)"),
              ("self.text[off:off + size]", "b'two'"))
        eventually(lambda: program.err.count("reloaded") == 2, "a second time")
        assert file.read_text() == "two"


@needs_mount
def test_broken_code(source: pathlib.Path) -> None:
    file = source.parent / "point" / "hello"
    with _serve(source) as program:
        for code, text in (("class Hello(:", "SyntaxError"), ("1 / 0", "ZeroDivisionError"),
                           ("", "has no 'Hello'"), ("Hello = 3", "is no file system")):
            source.write_text(code)
            program.says(text)
            eventually(lambda: program.err.endswith("libfb: the old code goes on serving\n"), text)
            assert file.read_text() == "hi\n"
        _edit(source, ("return self.text[off", "return b'HI\\n'[off"))
        program.says("libfb: reloaded Hello")
        assert file.read_text() == "HI\n"
        assert program.end(signal.SIGTERM) == 0


@needs_mount
def test_hook(source: pathlib.Path) -> None:
    """__reload__ of a new object gets the old one; its attributes are seen once the kernel has been told."""
    file = source.parent / "point" / "hello"
    hook = "    def __reload__(self, old): self.text = b'was ' + old.text\n    def __init__"
    with _serve(source) as program:
        assert file.stat().st_size == 3
        _edit(source, ("    def __init__", hook))
        program.says("libfb: reloaded Hello")
        until = time.monotonic() + 0.9  # they would be remembered for a second
        while file.stat().st_size != 7 and time.monotonic() < until:
            time.sleep(0.01)
        assert file.read_text() == "was hi\n" and file.stat().st_size == 7


@needs_mount
def test_hook_that_fails(source: pathlib.Path) -> None:
    hook = "    def __reload__(self, old): raise KeyError('oops')\n    def __init__"
    with _serve(source) as program:
        _edit(source, ("    def __init__", hook), ("self.text[off", "b''[off"))
        program.says("the old code goes on serving")
        assert "oops" in program.err
        assert (source.parent / "point" / "hello").read_text() == "hi\n"


@needs_mount
def test_methods_that_come_and_go(source: pathlib.Path) -> None:
    point = source.parent / "point"
    with _serve(source) as program:
        _edit(source, ("readdir", "rmdir"))
        program.says("libfb: not called before the next mount: rmdir")
        program.says("libfb: fails from now on: readdir")
        assert (point / "hello").read_text() == "hi\n"
        with pytest.raises(OSError):
            os.listdir(point)


@needs_mount
def test_another_kind(source: pathlib.Path) -> None:
    with _serve(source) as program:
        for old, new in (("libfb.PathFS", "libfb.NodeFS"), ("def read(", "async def read(")):
            _edit(source, (old, new))
            program.says("the same kind" if "Node" in new else "with a new mount only")
            assert (source.parent / "point" / "hello").read_text() == "hi\n"


@needs_mount
def test_module_beside_it(source: pathlib.Path) -> None:
    beside = source.parent / "beside.py"
    beside.write_text("TEXT = b'one\\n'\n")
    source.write_text("import beside\n" + HELLO.replace("self.text[off", "beside.TEXT[off"))
    file = source.parent / "point" / "hello"
    with _serve(source) as program:
        assert file.read_text() == "one"
        beside.write_text("TEXT = b'two\\n'\n")
        program.says("libfb: reloaded Hello")
        assert file.read_text() == "two"


def test_share(source: pathlib.Path) -> None:
    """The machine that is connected sees it, too."""
    path = source.parent / "s"
    arguments = f"{source} --vhost-user {path} --reload".split()
    with Program("-m", "libfb", *arguments) as program:
        program.line()
        with Guest(path) as guest:
            assert guest.read("hello") == "hi"
            _edit(source, ("return self.text[off", "return b'HI\\n'[off"))
            program.says("libfb: reloaded Hello")
            assert guest.read("hello") == "HI"
        assert program.end(signal.SIGTERM) == 0
