# SPDX-License-Identifier: BSD-3-Clause
"""The samples of the pages on migration: they compile without a warning, and do what is said of them."""

import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest
from migrate_page import BUILD, SOURCE

SAMPLES = SOURCE / "doc" / "samples"
WARNINGS = ["-std=gnu17", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wconversion",
            "-Wshadow", "-Werror"]


def compiled(source, folder, *flags):
    """The program made of a sample."""
    program = folder / source.stem
    subprocess.run([os.environ.get("CC", "cc"), *WARNINGS, source, "-o", program, *flags],
                   check=True)
    return program


def ours(name, folder):
    if os.environ.get("FB_SANITIZE"):
        pytest.skip("a program without sanitizer, linked to a library with one, is no user's case")
    lib = BUILD / "lib"
    return compiled(SAMPLES / name, folder, f"-I{SOURCE}/libfb/include", f"-L{lib}", "-lfb",
                    "-pthread", f"-Wl,-rpath,{lib}")


def theirs(name, folder):
    if subprocess.run(["pkg-config", "--exists", "fuse3"]).returncode != 0:
        pytest.skip("libfuse3-dev is not installed: the sample of libfuse can not be compiled")
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], check=True,
                           capture_output=True, text=True).stdout.split()
    return compiled(SAMPLES / "theirs" / name, folder, *flags)


def is_mounted(place):
    return f" {place} " in pathlib.Path("/proc/self/mountinfo").read_text()


def unmount(place):
    command = ["umount"] if os.geteuid() == 0 else ["fusermount3", "-u"]
    return subprocess.run([*command, place]).returncode


class Served:
    """A program that mounts something at its last argument, while in a with block."""

    def __init__(self, place, *command, **environment):
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            pytest.skip("/dev/fuse can not be opened here")
        if os.geteuid() != 0 and not shutil.which("fusermount3"):
            pytest.skip("neither root nor fusermount3: nothing can be mounted")
        self.place, self.command = place, command
        self.environment = {**os.environ, **environment}

    def __enter__(self):
        self.process = subprocess.Popen([*self.command, self.place], env=self.environment)
        end = time.monotonic() + 20
        while not is_mounted(self.place):
            assert self.process.poll() is None, "the sample ended"
            assert time.monotonic() < end, "the sample has not mounted"
            time.sleep(0.01)
        return self.place

    def __exit__(self, *error):
        unmounted = unmount(self.place)
        try:
            status = self.process.wait(20)
        finally:
            self.process.kill()
        assert (unmounted, status) == (0, 0)


def seen(place):
    """What a program sees of the sample's directory."""
    names = sorted(entry.name for entry in os.scandir(place))
    stat = os.stat(place / "hello")
    assert os.stat(place).st_mode == 0o40755
    with pytest.raises(FileNotFoundError):
        os.stat(place / "other")
    return names, (place / "hello").read_text(), oct(stat.st_mode), stat.st_size, stat.st_nlink


HELLO = (["hello"], "Hello, world!\n", "0o100444", 14, 1)
PY = BUILD / "py"
WITH_LIBFB = {"PYTHONPATH": str(PY), "PYTHONSAFEPATH": "1"}


@pytest.fixture
def place(tmp_path):
    place = tmp_path / "mnt"
    place.mkdir()
    return place


@pytest.fixture
def package():
    """The Python package of libfb."""
    if not list((PY / "libfb").glob("_fbc.*.so")):
        pytest.skip("the Python binding is not built (SWIG 4.1, Python's headers)")
    if os.environ.get("FB_SANITIZE"):
        pytest.skip("the interpreter has no sanitizer")


@pytest.mark.parametrize("build", [ours, theirs])
def test_libfuse_before_and_after_are_the_same(build, tmp_path, place):
    with Served(place, build("migrate_libfuse.c", tmp_path)):
        assert seen(place) == HELLO


def test_pending(tmp_path):
    program = ours("migrate_pending.c", tmp_path)
    place = tmp_path / "file"
    place.touch()
    with Served(place, program):
        start = time.monotonic()
        assert place.read_text() == "late\n"
        assert time.monotonic() - start > 0.009


@pytest.mark.parametrize("name", ["migrate_pyfuse3.py", "migrate_fusepy.py"])
def test_python_of_ours(name, place, package):
    with Served(place, sys.executable, SAMPLES / name, **WITH_LIBFB):
        assert seen(place) == HELLO


@pytest.mark.parametrize("name", ["migrate_pyfuse3", "migrate_fusepy"])
def test_python_of_ours_without_a_mount(name, package):
    program = f"""if True:
        import {name}
        from libfb.testing import Client
        with Client({name}.Hello()) as client:
            assert client.listdir("/") == ["hello"]
            assert client.read_bytes("/hello") == b"Hello, world!\\n"
        import libfb
        assert libfb.check({name}.Hello) == []
    """
    path = {"PYTHONPATH": f"{PY}:{SAMPLES}", "PYTHONSAFEPATH": "1"}
    subprocess.run([sys.executable, "-c", program], check=True, env={**os.environ, **path})


@pytest.mark.parametrize("name,needs", [("migrate_pyfuse3.py", "trio"), ("migrate_fusepy.py", "os")])
def test_python_of_theirs_on_libfb(name, needs, place, package):
    """As the page says: unchanged, by python3 -m libfb.compat."""
    pytest.importorskip(needs, reason=f"{needs} is not installed: the sample needs it")
    with Served(place, sys.executable, "-m", "libfb.compat", SAMPLES / "theirs" / name,
                **WITH_LIBFB):
        assert seen(place) == HELLO


@pytest.mark.parametrize("name,needs", [("migrate_pyfuse3.py", "pyfuse3"),
                                        ("migrate_fusepy.py", "fuse")])
def test_python_of_theirs_on_its_own(name, needs, place):
    pytest.importorskip(needs, reason=f"{needs} is not installed: the sample can not be run on it")
    with Served(place, sys.executable, SAMPLES / "theirs" / name):
        assert seen(place) == HELLO
