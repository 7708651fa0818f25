# SPDX-License-Identifier: BSD-3-Clause
"""The programs in libfb/examples do what they say."""
import os
import pathlib
import signal
import subprocess

import pytest

from conftest import ROOT, SECONDS, find_fbfsd, mount_entry, wait_until

pytestmark = [
    pytest.mark.usefixtures("watchdog"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="no /dev/fuse here"),
]


@pytest.fixture
def example(area):
    """example(name, mountpoint): the program, running; ended after the test."""
    started = []

    def start(name, mountpoint):
        program = find_fbfsd().parent.parent / "examples" / name
        if not program.exists():
            pytest.skip(f"{program} is not built")
        process = subprocess.Popen([program, mountpoint])
        started.append((process, mountpoint))
        assert wait_until(lambda: mount_entry(mountpoint) or process.poll() is not None)
        assert process.poll() is None
        return process

    yield start
    for process, mountpoint in started:
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(SECONDS) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            subprocess.run(["umount", "-l", mountpoint], timeout=SECONDS)
            raise
        assert not mount_entry(mountpoint)


def test_hello_is_one_file(example, area):
    target = area / "greeting"
    target.touch()
    example("hello", target)
    assert target.read_text() == "Hello, world!\n"
    assert target.stat().st_mode & 0o777 == 0o444
    with pytest.raises(OSError), target.open("a") as file:
        file.write("more")
        file.flush()


def test_hello_says_what_is_wrong():
    program = find_fbfsd().parent.parent / "examples" / "hello"
    if not program.exists():
        pytest.skip(f"{program} is not built")
    done = subprocess.run([program, "/nowhere"], capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1 and "/nowhere" in done.stderr


@pytest.mark.parametrize("name", ["memfs", "notes"])
def test_memory_holds_a_tree(example, area, name):
    example(name, area / "mnt")
    tree = area / "mnt" / "tree"
    subprocess.run(["cp", "-a", ROOT / "libfb" / "include", tree], check=True, timeout=SECONDS)
    subprocess.run(["diff", "-r", ROOT / "libfb" / "include", tree], check=True, timeout=SECONDS)
    subprocess.run(["rm", "-r", tree], check=True, timeout=SECONDS)
    assert os.listdir(area / "mnt") == []


def test_memfs_names_and_sizes(example, area):
    example("memfs", area / "mnt")
    top = pathlib.Path(area / "mnt")
    (top / "d" / "e").mkdir(parents=True)
    (top / "a").write_bytes(b"0123456789")
    os.link(top / "a", top / "d" / "b")
    os.symlink("a", top / "l")
    os.truncate(top / "l", 5)
    assert (top / "d" / "b").read_bytes() == b"01234" and (top / "a").stat().st_nlink == 2
    os.rename(top / "d" / "e", top / "e")
    assert top.stat().st_nlink == 4 and (top / "d").stat().st_nlink == 2
    with pytest.raises(OSError):
        os.rmdir(top / "d")
    (top / "many").mkdir()
    for number in range(500):
        (top / "many" / f"file{number}").touch()
    assert len(os.listdir(top / "many")) == 500
    with open(top / "a", "rb") as held:
        os.unlink(top / "a")
        os.unlink(top / "d" / "b")
        assert held.read() == b"01234"
    with open(top / "sparse", "wb") as file:
        file.seek(1 << 20)
        file.write(b"end")
    assert (top / "sparse").read_bytes() == bytes(1 << 20) + b"end"


def test_notes_are_written_by_path(example, area):
    example("notes", area / "mnt")
    top = pathlib.Path(area / "mnt")
    (top / "d" / "e").mkdir(parents=True)
    (top / "d" / "e" / "a").write_bytes(b"0123456789")
    os.symlink("e/a", top / "d" / "l")
    assert (top / "d" / "l").read_bytes() == b"0123456789"
    with open(top / "d" / "e" / "a", "r+b") as held:
        os.rename(top / "d", top / "moved")
        assert (top / "moved" / "e" / "a").read_bytes() == b"0123456789"
        os.unlink(top / "moved" / "e" / "a")
        assert held.read() == b"0123456789"
        held.truncate(4)
        stat = os.fstat(held.fileno())
        assert stat.st_size == 4 and stat.st_nlink == 0
    with pytest.raises(OSError):
        os.rmdir(top / "moved")
    assert sorted(os.listdir(top / "moved")) == ["e", "l"]
    assert os.stat(top / "moved").st_ino != os.stat(top / "moved" / "e").st_ino
    (top / "many").mkdir()
    for number in range(2000):
        (top / "many" / f"file{number}").touch()
    with os.scandir(top / "many") as entries:
        assert len({entry.name for entry in entries if entry.stat().st_size == 0}) == 2000
    (top / "many" / "file7").write_text("x")
    os.replace(top / "many" / "file7", top / "many" / "file8")
    assert (top / "many" / "file8").read_text() == "x"
    for name in os.listdir(top / "many"):
        os.unlink(top / "many" / name)
    os.rmdir(top / "many")
