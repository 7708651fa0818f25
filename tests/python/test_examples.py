# SPDX-License-Identifier: BSD-3-Clause
"""Each example on a real mount, doing what somebody would do with it: the hellos and memory.py.

The others are in test_examples_stores.py and test_examples_readers.py.
"""
import errno
import os
import pathlib
import py_compile
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable

import pytest
from example_rig import (  # noqa: F401
    EXAMPLES, Serve, guest_kernel, has_command_line, need, needs_mount, run, serve,
)  # fmt: skip
from example_work import fails, load, real_work
from libfb.testing import posix
from libfb.testing.vm import Guest

NAMES = sorted(path.name for path in EXAMPLES.glob("*.py"))
BY_COMMAND_LINE = {
    "hello_path.py": [],
    "hello_node.py": [],
    "memory.py": ["--arg", "size_mib=64"],
    "sqlite.py": ["--arg", "database={}/tree.db"],
    "crypt.py": ["--arg", "folder={}/sealed"],
    "ziparchive.py": ["--arg", "archive={}/a.zip"],
}
MAIN = re.compile(r"python3 -m libfb (\w+\.py):(\w+) /mnt")


def test_all_are_here() -> None:
    assert NAMES == ["crypt.py", "git_tree.py", "hello_node.py", "hello_path.py", "http_async.py",
                     "memory.py", "sqlite.py", "ziparchive.py"]


@pytest.mark.parametrize("name", NAMES)
def test_says_how_to_run_it(name: str, tmp_path: pathlib.Path) -> None:
    """The class that the text names is there."""
    py_compile.compile(str(EXAMPLES / name), cfile=str(tmp_path / "out"), doraise=True)
    text = (EXAMPLES / name).read_text()
    found = MAIN.search(text)
    assert found and found[1] == name and f"\nclass {found[2]}(libfb." in text
    assert f"python3 {name} " in text and text.count("\n") < 500


@needs_mount
@pytest.mark.parametrize("name", ["hello_path", "hello_node"])
def test_hello(serve: Serve, name: str) -> None:
    path = serve(f"{name}.py").path
    assert "hello" in os.listdir(path)
    assert run("cat", path / "hello") == "Hello, world!\n"
    assert (path / "hello").stat().st_size == 14
    fails(errno.ENOENT, os.stat, path / "absent")
    fails(errno.EPERM, os.mkdir, path / "new")
    fails(errno.EACCES if os.geteuid() else errno.EPERM, (path / "hello").write_text, "x")


@needs_mount
@pytest.mark.skipif(not has_command_line(), reason="libfb has no command line here")
@pytest.mark.parametrize("name, arguments", BY_COMMAND_LINE.items(), ids=list(BY_COMMAND_LINE))
def test_by_the_command_line(name: str, arguments: list[str], tmp_path: pathlib.Path) -> None:
    """As the text of each says."""
    mount, sealed = tmp_path / "mnt", tmp_path / "sealed"
    mount.mkdir()
    sealed.mkdir()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("member", "text")
    found = MAIN.search((EXAMPLES / name).read_text())
    assert found
    command = [sys.executable, "-m", "libfb", f"{EXAMPLES / name}:{found[2]}", str(mount)]
    command += [word.format(tmp_path) for word in arguments]
    with subprocess.Popen(
        command, cwd="/", stdout=subprocess.PIPE, text=True, env={**os.environ, "PASSPHRASE": "x"}
    ) as process:
        assert process.stdout and process.stdout.readline().startswith("ready")
        assert isinstance(os.listdir(mount), list) and os.statvfs(mount)
        process.terminate()
        assert process.wait(20) == 0


def test_hello_in_a_guest(guest_kernel: None, fb_vm: Callable[..., Guest]) -> None:
    """Over virtio-fs it is the same class."""
    guest = fb_vm(load("hello_path").Hello, "ls -l; cat hello; ! cat absent; ! mkdir new")
    assert guest.status == 0 and "\nHello, world!\n" in guest.console


# ---- memory.py ------------------------------------------------------------


@pytest.mark.parametrize("check", posix(load("memory").Memory), ids=str)
def test_memory_posix(check: Callable[[], None]) -> None:
    check()


@needs_mount
def test_memory_at_work(serve: Serve, tmp_path: pathlib.Path) -> None:
    path = serve("memory.py").path
    before = os.statvfs(path).f_bfree
    real_work(path, tmp_path)
    run(need("sqlite3"), path / "db", "create table t(x); insert into t values (1), (2);")
    assert run("sqlite3", path / "db", "select sum(x) from t") == "3\n"
    run(need("git"), "init", "-q", path / "repo")
    (path / "repo" / "file").write_text("content")
    git = ["git", "-C", path / "repo", "-c", "user.name=n", "-c", "user.email=e"]
    run(*git, "add", "file")
    run(*git, "commit", "-qm", "first")
    assert run(*git, "fsck", "--strict", "--no-progress") == ""
    run("rm", "-rf", path / "repo", path / "db")
    assert os.listdir(path) == []
    run("sh", "-c", f"until test $(stat -f -c %f {path}) = {before}; do sleep 0.1; done")


@needs_mount
def test_memory_sparse_and_full(serve: Serve) -> None:
    path = serve("memory.py").path
    with open(path / "big", "wb") as file:
        os.truncate(file.fileno(), 1 << 40)
        os.pwrite(file.fileno(), b"x", 1 << 39)
        assert os.fstat(file.fileno()).st_blocks == 8
        assert os.lseek(file.fileno(), 0, os.SEEK_DATA) == 1 << 39
        fails(errno.ENOSPC, os.posix_fallocate, file.fileno(), 0, 2 << 30)
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
        assert os.fstat(file.fileno()).st_blocks == 8 + 2048
    free = os.statvfs(path).f_bavail
    with open(path / "rest", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free * 4096)
        fails(errno.ENOSPC, os.pwrite, file.fileno(), b"x", free * 4096)
        os.unlink(path / "rest")
        assert os.statvfs(path).f_bavail == 0  # still open


@pytest.mark.long
def test_memory_in_a_guest(guest_kernel: None, fb_vm: Callable[..., Guest]) -> None:
    """A guest copies, packs and unpacks, and finds what it wrote."""
    guest = fb_vm(load("memory").Memory, """
        cp -a /bin/busybox .; cmp /bin/busybox busybox; ./busybox true
        mkdir -p tree/sub; for i in $(seq 50); do echo $i > tree/sub/$i; done
        ln tree/sub/1 tree/hard; ln -s sub/2 tree/soft; mkfifo tree/fifo; mknod tree/null c 1 3
        test $(stat -c %h tree/hard) = 2; test "$(cat tree/soft)" = 2
        tar -cf t.tar tree; mkdir back; tar -xf t.tar -C back; diff -r tree back/tree
        mv tree moved; rm -r back; chmod 640 moved/hard; chown 7:8 moved/hard
        test "$(stat -c '%a %u %g' moved/sub/1)" = "640 7 8"
        exec 3>gone; rm gone; echo open >&3; test $(stat -L -c %s /proc/self/fd/3) = 5
        truncate -s 1099511627776 big; test $(stat -c %b big) = 0; df . | grep -q share
        ! rmdir moved; rm -r moved; test "$(ls | tr '\\n' ' ')" = "big busybox t.tar "
        """)
    assert guest.status == 0, guest.console
