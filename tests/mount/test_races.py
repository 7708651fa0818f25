# SPDX-License-Identifier: BSD-3-Clause
"""Many clients at once, with the host changing the source at the same time."""
import contextlib
import errno
import os
import re
import threading
import time

import pytest

import caches
from fixtures import (  # noqa: F401
    MODES, client, drop_caches, end, host, needs_root, run, serve, start, tidy,
)  # fmt: skip
from trees import assert_same, scan

pytestmark = needs_root
in_each_mode = pytest.mark.parametrize("mode", MODES)
seconds = pytest.mark.parametrize("seconds", [3, pytest.param(120, marks=pytest.mark.long)])

# What is held for a moment by a request on its way, or by what the kernel has not forgotten yet.
DESCRIPTORS_SPARE = 8


@contextlib.contextmanager
def forgetting():
    """Have the kernel forget names and inodes again and again, beside what happens meanwhile."""
    done = threading.Event()

    def forget():
        while not done.wait(0.1):
            caches.forget()

    thread = threading.Thread(target=forget)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def storms(*commands, timeout):
    """Run programs at the same time; each must end well. Returns the sum of their operations."""
    running = [start(*command, stdout=-1, stderr=-2, text=True) for command in commands]
    total = 0
    for command, process in zip(commands, running):
        output, _ = process.communicate(timeout=timeout)
        end(process)
        assert process.returncode == 0, f"{command}: status {process.returncode}\n{output[-4000:]}"
        total += int(re.search(r"operations (\d+) violations 0", output)[1])
    return total


def settle(server, base):
    """All is quiet again: nothing pending, nothing held but what was at first."""
    server.wait_held(base + DESCRIPTORS_SPARE)
    statistics = server.statistics()
    assert statistics["pending"] == 0 and statistics["malformed"] == 0, statistics
    assert server.process.poll() is None


def assert_links_add_up(top):
    """Every file has as many links as there are names of it."""
    names, groups, _ = scan(top)
    for group in groups:
        assert names[min(group)]["links"] == len(group), f"{sorted(group)}: {names[min(group)]}"


@in_each_mode
@seconds
def test_storm(serve, mode, seconds):
    """Names in every way at once, in two processes, while the kernel forgets."""
    server = serve(*MODES[mode])
    base = server.held()
    with forgetting():
        storms(
            (client("storm"), server.path, seconds, 12, 1), (client("storm"), server.path, seconds, 12, 2),
            timeout=seconds + 60,
        )  # fmt: skip
    # With writeback the kernel shows its own times until it has forgotten a file: it does not tell the
    # server all of them.
    run("sync", "-f", server.path)
    drop_caches()
    assert_same(server.source, server.path, same_blocks=True)
    assert_links_add_up(server.path)
    settle(server, base)


@in_each_mode
@seconds
def test_storm_on_both_sides(serve, mode, seconds):
    """The host does the same in the source: ESTALE and new files, never wrong data."""
    if mode == "writeback":
        pytest.skip("--cache=always --writeback is for sources that nobody else changes")
    server = serve(*MODES[mode])
    base = server.held()
    with forgetting():
        storms(
            (client("storm"), server.path, seconds, 12, 1, "hostile"),
            (client("storm"), server.source, seconds, 3, 2, "hostile"),
            timeout=seconds + 60,
        )  # fmt: skip
    time.sleep(1.1)  # what --cache=auto may remember
    drop_caches()
    assert_same(server.source, server.path, same_blocks=True)
    assert_links_add_up(server.source)
    settle(server, base)


@seconds
def test_storm_on_two_mounts(host, serve, seconds):
    source = host.folder("source")
    servers = [serve(*MODES[mode], source=source) for mode in ("default", "descriptors")]
    bases = [server.held() for server in servers]
    storms(
        *((client("storm"), server.path, seconds, 8, n, "hostile") for n, server in enumerate(servers)),
        timeout=seconds + 60,
    )
    time.sleep(1.1)
    for server, base in zip(servers, bases):
        drop_caches()
        assert_same(source, server.path)
        settle(server, base)


@in_each_mode
@pytest.mark.parametrize("work", ["append", "mixed"])
@seconds
def test_bytes(serve, mode, work, seconds):
    """Appends of many threads; and writes, truncations, holes and mappings of one file."""
    server = serve(*MODES[mode])
    storms((client("bytes"), work, server.path / "file", seconds // 2, 8), timeout=seconds + 60)
    assert (server.path / "file").read_bytes() == (server.source / "file").read_bytes()


# ---- the host changes what the client knows ---------------------------------------------------------


def gone(call):
    """Whether a call fails because the file is not there any more."""
    try:
        call()
    except OSError as error:
        assert error.errno in (errno.ENOENT, errno.ESTALE), error
        return True
    return False


@pytest.mark.parametrize("options", [("--cache=never",), ("--cache=never", *MODES["descriptors"])], ids=" ".join)
def test_host_replaces_a_file(serve, options):
    """A descriptor keeps the old file; the name is the new one at once, with --cache=never."""
    server = serve(*options)
    inside, outside = server.path / "file", server.source / "file"
    for turn in range(100):
        outside.write_bytes(b"old %d" % turn)
        with open(inside, "rb") as held:
            assert held.read() == b"old %d" % turn
            (server.source / "new").write_bytes(b"newer %d" % turn)
            os.rename(server.source / "new", outside)
            assert inside.read_bytes() == b"newer %d" % turn
            assert os.pread(held.fileno(), 100, 0) == b"old %d" % turn
            assert os.fstat(held.fileno()).st_size == len(b"old %d" % turn)
            outside.unlink()
            assert gone(inside.stat) and gone(inside.read_bytes)
            assert os.pread(held.fileno(), 100, 0) == b"old %d" % turn


@pytest.mark.parametrize("mode", ["default", "descriptors", "uncached"])
def test_inode_numbers_are_used_again(host, serve, mode):
    """ext4 gives a new file the number of the one just deleted: it must not be taken for it."""
    # With a journal ext4 waits some seconds before it uses a number again.
    source = host.ext4(32, make=("-O", "^has_journal"))
    server = serve(*MODES[mode], source=source)
    numbers = []
    for turn in range(300):
        outside, inside = source / f"file{turn}", server.path / f"file{turn}"
        content = b"%d" % turn * (20 + turn)
        outside.write_bytes(content)
        os.setxattr(outside, "user.turn", b"%d" % turn)
        numbers.append(outside.stat().st_ino)
        assert inside.read_bytes() == content
        assert os.getxattr(inside, "user.turn") == b"%d" % turn
        assert inside.stat().st_size == len(content) and inside.stat().st_ino == numbers[-1]
        with open(inside, "r+b") as held:
            outside.unlink()
            if turn % 3 == 0:
                other = source / "other"
                other.write_bytes(b"other")
                assert held.read() == content
                other.unlink()
        if turn % 50 == 0:
            drop_caches(2)
    if mode != "descriptors":  # there the server keeps numbers from being used again
        assert len(set(numbers)) < 300, "no inode number was used twice: this tested nothing"


@pytest.mark.parametrize("mode", ["descriptors", "uncached"])
def test_host_changes_the_type_of_a_name(serve, mode):
    server = serve(*MODES[mode], "--entry-timeout=0", "--attr-timeout=0")
    outside, inside = server.source / "name", server.path / "name"
    for _ in range(30):
        outside.write_text("file")
        assert inside.read_text() == "file"
        outside.unlink()
        outside.mkdir()
        (outside / "below").touch()
        assert os.listdir(inside) == ["below"]
        (outside / "below").unlink()
        outside.rmdir()
        os.symlink("target", outside)
        assert os.readlink(inside) == "target"
        outside.unlink()
        assert gone(inside.lstat)


@pytest.mark.parametrize("mode", ["default", "descriptors", "uncached"])
def test_host_removes_what_is_open(serve, mode):
    """An open file and an open folder go on to work when the host has removed them."""
    server = serve(*MODES[mode])
    (server.source / "folder").mkdir()
    (server.source / "folder" / "file").write_bytes(b"content")
    folder = os.open(server.path / "folder", os.O_RDONLY | os.O_DIRECTORY)
    file = os.open("file", os.O_RDWR, dir_fd=folder)
    (server.source / "folder" / "file").unlink()
    (server.source / "folder").rmdir()
    assert os.pread(file, 100, 0) == b"content"
    assert os.pwrite(file, b"changed!", 0) == 8
    os.ftruncate(file, 7)
    assert os.pread(file, 100, 0) == b"changed"
    assert os.fstat(file).st_size == 7
    assert os.listdir(folder) == []
    assert gone(lambda: os.open("other", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    for descriptor in (file, folder):
        os.close(descriptor)


@pytest.mark.parametrize("mode", ["default", "descriptors"])
def test_host_renames_a_folder_in_use(serve, mode):
    """Work goes on in a folder that the host moves about."""
    server = serve(*MODES[mode])
    (server.source / "one").mkdir()
    folder = os.open(server.path / "one", os.O_RDONLY | os.O_DIRECTORY)
    for turn in range(20):
        here, there = ("one", "two") if turn % 2 == 0 else ("two", "one")
        os.rename(server.source / here, server.source / there)
        with open(os.open(f"file{turn}", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=folder), "w") as file:
            file.write("content")
        assert (server.source / there / f"file{turn}").read_text() == "content"
    assert sorted(os.listdir(folder)) == sorted(f"file{turn}" for turn in range(20))
    os.close(folder)
