# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of the examples do with files, whatever serves them."""
from __future__ import annotations

import importlib.util
import os
import pathlib
import random
import sys
from collections.abc import Callable
from types import ModuleType

import pytest
from example_rig import EXAMPLES, run


def load(name: str) -> ModuleType:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look
    spec.loader.exec_module(module)
    return module


def fails(number: int, call: Callable[..., object], *arguments: object) -> None:
    with pytest.raises(OSError) as raised:
        call(*arguments)
    assert raised.value.errno == number


def make_tree(folder: pathlib.Path) -> None:
    """Some of everything that tar and cp have to keep."""
    (folder / "sub" / "empty").mkdir(parents=True)
    for number in range(40):
        name = folder / "sub" / f"f{number}"
        name.write_bytes(random.Random(number).randbytes(number * 997))
        name.chmod(0o600 + number % 8)
        os.utime(name, ns=(10**18 + number, 10**18 + 10 * number))
    (folder / "sub" / "ünï\ncode").write_text("text")
    os.link(folder / "sub" / "f3", folder / "hard")
    (folder / "soft").symlink_to("sub/f5")
    (folder / "dangling").symlink_to("/nowhere")
    os.mkfifo(folder / "fifo", 0o640)
    with open(folder / "sparse", "wb") as file:
        file.seek(1 << 20)
        file.write(b"end")


def same(one: pathlib.Path, other: pathlib.Path, links: bool = True) -> None:
    """Names, kinds, modes, times, link counts and contents are the same."""
    what = "%P %y %m %s %n %l %T@" if links else "%P %y %m %s %l %T@"
    listing = rf"find . -mindepth 1 ! -type d -printf '{what}\n' | LC_ALL=C sort"
    assert run("sh", "-c", listing, cwd=one) == run("sh", "-c", listing, cwd=other)
    run("diff", "-r", "--no-dereference", "--exclude=fifo", one, other)


def real_work(mount: pathlib.Path, tmp_path: pathlib.Path, links: bool = True) -> None:
    """There and back again, with cp, tar and mv. links=False: link counts may be late."""
    source, back = tmp_path / "source", tmp_path / "back"
    source.mkdir()
    back.mkdir()
    make_tree(source)
    run("cp", "-a", source, mount / "copy")
    same(source, mount / "copy", links)
    run("tar", "-C", mount, "--format=posix", "-cf", mount / "a.tar", "copy")
    run("tar", "-C", back, "-xf", mount / "a.tar")
    same(source, back / "copy")
    run("mv", mount / "copy", mount / "moved")
    same(source, mount / "moved", links)
    run("rm", "-r", mount / "moved", mount / "a.tar")
