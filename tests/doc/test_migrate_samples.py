# SPDX-License-Identifier: BSD-3-Clause
"""The samples of the pages on migration: they compile without a warning, and do what is said of them."""

import os
import subprocess
import sys
import time

import pytest
from pages import BUILD, SOURCE
from served import Served

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
