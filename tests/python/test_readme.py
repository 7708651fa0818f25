# SPDX-License-Identifier: BSD-3-Clause
"""The samples of bindings/python/README.md run, and its tables are complete."""
from __future__ import annotations

import inspect
import os
import pathlib
import re
import subprocess
import sys
from typing import Any

import libfb
import pytest
from libfb._operations import OPERATIONS
from libfb.cli.options import help_text, parse
from libfb.testing import Client
from programs import SECONDS, eventually, is_mounted, needs_mount

SOURCE = pathlib.Path(os.environ.get("FB_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
README = (SOURCE / "bindings/python/README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]


@pytest.fixture(name="folder")
def _folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A folder with the samples that are files of their own, to import from."""
    for code in PYTHON:
        if match := re.match(r"# (\w+\.py)\n", code):
            (tmp_path / match[1]).write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "hello", raising=False)
    return tmp_path


def _sample(text: str, folder: pathlib.Path) -> str:
    """The sample with this in it, made for a folder."""
    (found,) = [code for code in PYTHON if text in code]
    return found.replace("/tmp/hello", str(folder / "hello"))


def test_all_compile() -> None:
    assert len(PYTHON) >= 6
    for code in PYTHON:
        compile(code, "README.md", "exec")


@needs_mount
def test_mount(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "hello").mkdir()

    def look(mount: libfb.Mount) -> None:
        assert (folder / "hello" / "answer").read_text() == "42\n"

    monkeypatch.setattr(libfb.Mount, "wait", look)
    exec(_sample("m.wait()", folder), {})
    assert not is_mounted(folder / "hello")


def test_share(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(libfb.VhostUser, "wait", lambda share: seen.append(share.socket))
    exec(_sample("v.wait()", folder), {})
    assert seen == [f"{folder}/hello.sock"]


def test_passthrough(folder: pathlib.Path) -> None:
    (folder / "shared").mkdir()
    (folder / "shared" / "file").write_text("quiet\n")
    names: dict[str, type] = {}
    exec(_sample("class Loud", folder), names)
    with Client(names["Loud"](folder / "shared")) as client:
        assert client.read_bytes("/file") == b"QUIET\n"


@needs_mount
def test_async(folder: pathlib.Path) -> None:
    (folder / "hello").mkdir()
    code = _sample("async def main", folder) + "\nasyncio.run(main())\n"
    with subprocess.Popen([sys.executable, "-c", code]) as program:
        try:
            eventually(lambda: is_mounted(folder / "hello"), "the mount")
            assert os.stat(folder / "hello").st_mode & 0o777 == 0o755
            libfb.unmount(folder / "hello")
            assert program.wait(SECONDS) == 0
        finally:
            program.kill()


@needs_mount
def test_tests(folder: pathlib.Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_hello.py"]
    if "libfb.testing.plugin" not in _entry_points():
        command[3:3] = ["-p", "libfb.testing.plugin"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=3 * SECONDS,
                          env={**os.environ, "PYTHONPATH": f"{os.environ['PYTHONPATH']}:{folder}"},
                          check=False)
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr


def _entry_points() -> list[str]:
    from importlib.metadata import entry_points

    return [point.value for point in entry_points(group="pytest11")]


def test_commands() -> None:
    shell = "\n".join(code for language, code in BLOCKS if language == "sh")
    commands = re.findall(r"^python3 -m libfb (.*?)(?: &)?$", shell, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        parse(command.split())


def _table() -> dict[str, list[str]]:
    """The arguments of each method, as the table says."""
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| ([^|]*) \|", README.partition("## Errors")[0],
                      re.MULTILINE)
    return {name: arguments.split(", ") for names, arguments in rows
            for name in re.findall(r"\w+", names)}


def test_table_of_methods() -> None:
    of_nodes = {"lookup", "forget", "statx", "setupmapping", "removemapping"}
    assert all(f"`{name}" in README for name in of_nodes)
    assert set(_table()) == set(OPERATIONS) - of_nodes | {"init"}


def test_table_of_arguments() -> None:
    operations = getattr(libfb, "PathOperations", None)
    if operations is None:
        pytest.skip("libfb.PathOperations, to compare the table with, is not there")
    for name, arguments in _table().items():
        if name not in ("init", "destroy"):
            signature = inspect.signature(getattr(operations, name))
            assert list(signature.parameters)[1:] == arguments, name


def test_table_of_options() -> None:
    rows = README.partition("## The command line")[2]
    named = re.findall(r"--[a-z-]+|-o", " ".join(re.findall(r"^\| (`.*?) \|", rows, re.M)))
    known = re.findall(r"--[a-z-]+|-o", help_text())
    assert len(named) >= 14 and set(named) <= set(known)


def test_the_sample_on_the_first_page() -> None:
    first = (SOURCE / "README.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```$", first, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    with Client(names["Hello"]()) as c:
        assert c.listdir("/") == ["hello"] and c.read_bytes("/hello") == b"hi\n"
