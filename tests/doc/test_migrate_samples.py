# SPDX-License-Identifier: BSD-3-Clause
"""The samples of the pages on migration: they compile without a warning, and do what is said of them."""

import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

SOURCE = pathlib.Path(os.environ.get("FB_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get("FB_BUILD_DIR", SOURCE / "build" / "dev"))
SAMPLES = SOURCE / "doc" / "samples"
WARNINGS = ["-std=gnu17", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]


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


class Served:
    """A program that mounts something at its last argument, while in a with block."""

    def __init__(self, place, *command):
        if not os.access("/dev/fuse", os.R_OK | os.W_OK):
            pytest.skip("/dev/fuse can not be opened here")
        if os.geteuid() != 0 and not shutil.which("fusermount3"):
            pytest.skip("neither root nor fusermount3: nothing can be mounted")
        self.place, self.command = place, command

    def __enter__(self):
        self.process = subprocess.Popen([*self.command, self.place])
        end = time.monotonic() + 20
        while not is_mounted(self.place):
            assert self.process.poll() is None, "the sample ended"
            assert time.monotonic() < end, "the sample has not mounted"
            time.sleep(0.01)
        return self.place

    def __exit__(self, *error):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            subprocess.run(["umount", "-l", self.place])
            raise
        assert status == 0
        assert not is_mounted(self.place)


def seen(place):
    """What a program sees of the sample's directory."""
    names = sorted(entry.name for entry in os.scandir(place))
    stat = os.stat(place / "hello")
    with pytest.raises(FileNotFoundError):
        os.stat(place / "other")
    return names, (place / "hello").read_text(), oct(stat.st_mode), stat.st_size, stat.st_nlink


HELLO = (["hello"], "Hello, world!\n", "0o100444", 14, 1)


def test_libfuse_before_and_after_are_the_same(tmp_path):
    for program in (ours("migrate_libfuse.c", tmp_path), theirs("migrate_libfuse.c", tmp_path)):
        place = tmp_path / "mnt"
        place.mkdir(exist_ok=True)
        with Served(place, program):
            assert seen(place) == HELLO


def test_pending(tmp_path):
    program = ours("migrate_pending.c", tmp_path)
    place = tmp_path / "file"
    place.touch()
    with Served(place, program):
        start = time.monotonic()
        assert place.read_text() == "late\n"
        assert time.monotonic() - start > 0.009
