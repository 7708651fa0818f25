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


def test_memfs_holds_a_tree(example, area):
    example("memfs", area / "mnt")
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
