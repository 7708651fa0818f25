# SPDX-License-Identifier: BSD-3-Clause
"""Programs of others, unchanged, on libfb.compat: the examples of fusepy, mfusepy and pyfuse3, and
the tests that these projects have for them.

They are not part of this project. FB_COMPAT_PROGRAMS names a folder with checkouts of them, called
fusepy, mfusepy and pyfuse3; without it, what the distribution's packages have as examples is taken.
"""
from __future__ import annotations

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import libfb
import pytest
from libfb.testing import guardian
from libfb.testing.plugin import why_no_mount

pytestmark = pytest.mark.skipif(bool(why_no_mount()), reason=why_no_mount())
PROGRAMS = os.environ.get("FB_COMPAT_PROGRAMS", "")
SECONDS = 20
SUITE_SECONDS = 200
#: A module that a test of mfusepy's wants: the number of an ioctl that reads and writes.
IOCTL_OPT = """
import ctypes
def IOWR(group, number, kind):
    return 3 << 30 | ctypes.sizeof(kind) << 16 | group << 8 | number
"""


def checkout(project: str, *wanted: str) -> pathlib.Path:
    """Where a project is that has these files; skips the test where there is none."""
    places = [pathlib.Path(PROGRAMS, project)] if PROGRAMS else []
    places += [pathlib.Path("/usr/share/doc", name)
               for name in (f"python3-{project}", f"python-{project}-doc", f"python-{project}")]
    for place in places:
        if all((place / file).exists() for file in wanted):
            return place
    pytest.skip(f"{project}'s {wanted[0]} is not here: FB_COMPAT_PROGRAMS names no checkout of it")


def needs(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"python3-{module} is not installed")


def environment(*folders: pathlib.Path) -> dict[str, str]:
    """For programs that import libfb, and modules from these folders before all others."""
    package = os.path.dirname(os.path.dirname(libfb.__file__))
    path = os.pathsep.join([*map(str, folders), package])
    return {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}


# ---- examples ---------------------------------------------------------------------------------


class Example:
    """A program that runs, by python3 -m libfb.compat; its mount is the last of its arguments."""

    def __init__(self, program: pathlib.Path, folder: pathlib.Path, *arguments: str) -> None:
        self.mount = folder / "mount"
        self.mount.mkdir()
        command = [sys.executable, "-m", "libfb.compat", str(program), *arguments, str(self.mount)]
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(command, env=environment(), cwd=folder, stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + SECONDS
        while not guardian.connections(str(self.mount)):
            assert time.monotonic() < end and self.process.poll() is None, self.said(folder)
            time.sleep(0.01)

    @staticmethod
    def said(folder: pathlib.Path) -> str:
        return (folder / "log").read_text(errors="replace")

    def stop(self) -> int | None:
        if guardian.connections(str(self.mount)):
            subprocess.run(["umount", str(self.mount)], check=False, timeout=SECONDS)
        try:
            return self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            guardian.free(str(self.mount))
            self.process.kill()
            return self.process.wait()


@pytest.fixture
def example(tmp_path: pathlib.Path) -> Iterator[Callable[..., pathlib.Path]]:
    running: list[Example] = []

    def start(project: str, name: str, *arguments: object) -> pathlib.Path:
        program = checkout(project, f"examples/{name}") / "examples" / name
        running.append(Example(program, tmp_path, *map(str, arguments)))
        return running[-1].mount

    yield start
    for one in running:
        assert one.stop() == 0, one.said(tmp_path)
        assert "Traceback" not in one.said(tmp_path)


def check_files(mount: pathlib.Path) -> None:
    """What every file system can that has files in one directory."""
    file, other = mount / "file", mount / "other"
    data = os.urandom(300_000)
    file.write_bytes(data)
    assert file.read_bytes() == data
    with open(file, "r+b") as opened:
        opened.seek(1000)
        opened.write(b"in between")
        opened.truncate(2000)
    assert file.read_bytes() == data[:1000] + b"in between" + data[1010:2000]
    os.chmod(file, 0o600)
    os.utime(file, (1_000_000, 2_000_000.5))
    status = file.stat()
    assert (status.st_mode & 0o7777, status.st_size) == (0o600, 2000)
    assert (status.st_atime, status.st_mtime) == (1_000_000, 2_000_000.5)
    other.write_bytes(b"other")
    os.replace(file, other)
    assert os.listdir(mount) == ["other"] and other.stat().st_size == 2000
    os.symlink("other", file)
    assert os.readlink(file) == "other" and file.stat().st_size == 2000
    os.unlink(file)
    with open(other, "r+b") as opened:
        os.unlink(other)
        assert not other.exists()
        assert len(opened.read()) == 2000
    (mount / "folder").mkdir()
    assert (mount / "folder").is_dir()
    (mount / "folder").rmdir()
    assert os.listdir(mount) == []
    os.statvfs(mount)


def test_fusepy_memory(example: Any) -> None:
    mount = example("fusepy", "memory.py")
    check_files(mount)
    (mount / "f").touch()
    os.setxattr(mount / "f", "user.a", b"value")
    assert os.listxattr(mount / "f") == ["user.a"]
    assert os.getxattr(mount / "f", "user.a") == b"value"
    os.removexattr(mount / "f", "user.a")
    assert os.listxattr(mount / "f") == []
    assert os.statvfs(mount).f_bavail == 2048


def test_fusepy_loopback(example: Any, tmp_path: pathlib.Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    mount = example("fusepy", "loopback.py", source)
    check_files(mount)
    (source / "below").mkdir()
    (mount / "below" / "a").write_bytes(b"through")
    assert (source / "below" / "a").read_bytes() == b"through"
    os.link(mount / "below" / "a", mount / "b")
    assert (source / "b").stat().st_nlink == 2
    os.rename(mount / "below", mount / "above")
    assert os.listdir(source / "above") == ["a"]


def test_fusepy_context(example: Any) -> None:
    mount = example("fusepy", "context.py")
    assert sorted(os.listdir(mount)) == ["gid", "pid", "uid"]
    read = {name: (mount / name).read_text().strip("\0") for name in ("uid", "gid")}
    assert read == {"uid": f"{os.getuid()}\n", "gid": f"{os.getgid()}\n"}
    with pytest.raises(OSError):
        (mount / "new").touch()  # mounted with ro=True


def test_pyfuse3_tmpfs(example: Any) -> None:
    needs("trio")
    check_files(example("pyfuse3", "tmpfs.py"))


def test_pyfuse3_passthroughfs(example: Any, tmp_path: pathlib.Path) -> None:
    needs("trio")
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    for i in range(1000):
        (source / "deep" / f"{i}").touch()
    mount = example("pyfuse3", "passthroughfs.py", source)
    assert len(os.listdir(mount / "deep")) == 1001
    shutil.rmtree(mount / "deep")
    assert os.listdir(source) == []
    check_files(mount)


# ---- the projects' own tests ------------------------------------------------------------------


def run_suite(folder: pathlib.Path, *arguments: str) -> None:
    """Run a project's tests, which lie in folder; what they import is libfb's."""
    shims = folder.parent / "shims"
    shims.mkdir()
    for name in ("fuse", "mfusepy", "pyfuse3", "pyfuse3_asyncio"):
        (shims / f"{name}.py").write_text("import libfb.compat; libfb.compat.install()\n")
    if importlib.util.find_spec("ioctl_opt") is None:
        (shims / "ioctl_opt.py").write_text(IOCTL_OPT)
    temporary = folder.parent / "temporary"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider",
               f"--basetemp={temporary}", *arguments]
    try:
        done = subprocess.run(command, cwd=folder, env=environment(shims), timeout=SUITE_SECONDS,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
    finally:
        for path in mounted_below(temporary):
            guardian.free(path)
    assert done.returncode == 0, done.stdout + done.stderr


def mounted_below(folder: pathlib.Path) -> list[str]:
    """Mount points that a suite which failed has left."""
    lines = pathlib.Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    points = [line.split(" ")[4] for line in lines]
    return [point for point in points if point.startswith(f"{folder}/")]


@pytest.fixture
def copied(tmp_path: pathlib.Path) -> Callable[..., pathlib.Path]:
    """copied(project, tests) → folder of its tests, beside a copy of its examples."""

    def copy(project: str, tests: str) -> pathlib.Path:
        place = checkout(project, tests, "examples")
        for name in (tests, "examples"):
            shutil.copytree(place / name, tmp_path / project / name)
        return tmp_path / project / tests

    return copy


def test_suite_of_pyfuse3(copied: Any) -> None:
    """Without its test of passthroughfs.py, which compares times that the kernel does not write
    back in between: it fails with pyfuse3, too."""
    needs("trio")
    run_suite(copied("pyfuse3", "test"), "--installed", "--deselect",
              "test_examples.py::test_passthroughfs")


def test_suite_of_mfusepy(copied: Any) -> None:
    run_suite(copied("mfusepy", "tests"), "test_examples.py", "test_enoattr.py")
