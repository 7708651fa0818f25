# SPDX-License-Identifier: BSD-3-Clause
"""Open files on a mount: their flags, what writes and reads become, whose rights are used."""
import contextlib
import errno
import fcntl
import mmap
import os
import pathlib
import random
import threading

import pytest

from fixtures import as_user, host, needs_root, serve, tidy  # noqa: F401

pytestmark = needs_root

PAGE = 4096
MIB = 1 << 20
KINDS = os.O_ACCMODE | os.O_APPEND | os.O_DIRECT | os.O_SYNC | os.O_NONBLOCK | os.O_NOATIME


def aligned(data):
    memory = mmap.mmap(-1, len(data))
    memory[:] = data
    return memory


def flags_of(file):
    return fcntl.fcntl(file, fcntl.F_GETFL) & KINDS


def host_flags(server, name):
    """The flags of what the server has open, to read or to write, of this file of the source."""
    found = []
    for number in os.listdir(f"/proc/{server.pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(f"/proc/{server.pid}/fd/{number}") != str(server.source / name):
                continue
            text = pathlib.Path(f"/proc/{server.pid}/fdinfo/{number}").read_text()
            flags = int(text.split("flags:")[1].split()[0], 8)
            if not flags & os.O_PATH:
                found.append(flags & KINDS)
    return sorted(found)


# ---- flags ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["kernel-passthrough", "no-kernel-passthrough", "cache=never", "writeback"])
def test_flags_of_descriptors(serve, option):
    """What a program opened with, or set, is what it gets to see, whatever the server made of it."""
    server = serve(f"--{option}")
    path = server.path / "file"
    path.write_bytes(b"x" * PAGE)
    append, straight = os.O_APPEND, os.O_DIRECT
    wanted = [
        access | more
        for access in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR)
        for more in (0, append, straight, append | straight | os.O_SYNC, os.O_NONBLOCK | os.O_NOATIME)
    ]
    opened = [(os.open(path, flags), flags) for flags in wanted]
    opened += [
        (os.open(server.path / f"new{number}", flags | os.O_CREAT | os.O_EXCL), flags)
        for number, flags in enumerate(wanted)
    ]
    for file, flags in opened:
        assert flags_of(file) == flags
    block = aligned(b"y" * PAGE)
    for file, flags in opened:
        if flags & os.O_ACCMODE:
            assert os.pwritev(file, [block], 0) == PAGE
        else:
            os.preadv(file, [mmap.mmap(-1, PAGE)], 0)
        assert flags_of(file) == flags
    for file, flags in opened:
        fcntl.fcntl(file, fcntl.F_SETFL, os.O_APPEND)
        # Only the access mode and the flags that fcntl can not change stay.
        assert flags_of(file) == flags & (os.O_ACCMODE | os.O_SYNC) | os.O_APPEND
        os.close(file)


@pytest.mark.parametrize("passthrough", ["kernel-passthrough", "no-kernel-passthrough"])
def test_two_threads_change_the_flags_of_one_descriptor(serve, passthrough):
    """Each write has the flags of its moment; other descriptors, and the server's, keep theirs."""
    server = serve(f"--{passthrough}")
    path = server.path / "file"
    path.write_bytes(bytes(8 * PAGE))
    file, bystander = os.open(path, os.O_RDWR), os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    served = host_flags(server, "file")
    assert served == [os.O_RDONLY, os.O_RDWR]
    turn, problems = threading.Lock(), []

    def write(flags, letter, seed):
        draw = random.Random(seed)
        try:
            for number in range(100):
                block = aligned(letter * PAGE)
                with turn:
                    fcntl.fcntl(file, fcntl.F_SETFL, flags)
                    assert os.pwritev(file, [block], draw.randrange(8) * PAGE) == PAGE
                    assert flags_of(file) == os.O_RDWR | flags
                    assert flags_of(bystander) == os.O_RDONLY | os.O_NONBLOCK
                    if number % 10 == 0:
                        assert host_flags(server, "file") == served
        except BaseException as problem:
            problems.append(problem)

    threads = [
        threading.Thread(target=write, args=words)
        for words in ((os.O_DIRECT, b"d", 1), (os.O_APPEND, b"a", 2))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems
    os.close(file)
    os.close(bystander)
    for content in (path.read_bytes(), (server.source / "file").read_bytes()):
        assert len(content) == 108 * PAGE
        assert content[8 * PAGE :] == b"a" * 100 * PAGE
        assert content[: 8 * PAGE] == b"d" * 8 * PAGE


# ---- write-back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [os.O_WRONLY, os.O_WRONLY | os.O_APPEND, os.O_RDWR | os.O_APPEND], ids=hex)
def test_created_for_writing_with_writeback(serve, flags):
    """The kernel reads pages of it back in to complete them, though the program may not read."""
    server = serve("--cache=always", "--writeback")
    path = server.path / "file"
    file = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o200)
    statistics = server.statistics()
    assert statistics["CREATE"] == 1 and "OPEN" not in statistics
    content = bytearray(random.Random(1).randbytes(PAGE + 1000))
    os.write(file, content)
    for part in (b"tail", b"more"):
        os.fsync(file)
        assert (server.source / "file").read_bytes() == content
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        reads = server.statistics().get("READ", 0)
        os.write(file, part)
        content += part
        assert server.statistics().get("READ", 0) == reads + 1
    fcntl.fcntl(file, fcntl.F_SETFL, 0)
    os.fsync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.pwrite(file, b"middle", 100)
    content[100:106] = b"middle"
    os.fsync(file)
    assert (server.source / "file").read_bytes() == content
    os.close(file)
    assert path.read_bytes() == content


# ---- sizes of requests -----------------------------------------------------------------------------------


@pytest.fixture
def many_pages():
    """The kernel allows requests of 4 MiB, which is more than it does by itself."""
    limit = pathlib.Path("/proc/sys/fs/fuse/max_pages_limit")
    if not limit.exists():
        pytest.skip("this kernel has a fixed limit of pages in a request")
    before = limit.read_text()
    try:
        limit.write_text(str(max(4 * MIB // PAGE, int(before))))
    except OSError as error:
        pytest.skip(f"{limit}: {error.strerror}")
    yield
    limit.write_text(before)


@pytest.mark.parametrize("size", [1, 4])
def test_large_requests(many_pages, serve, size):
    """--max-write is what the kernel then sends at once, and reads."""
    server = serve(f"--max-write={size}M", "--cache=never", "--no-kernel-passthrough")
    total = 16 * MIB
    data = aligned(random.Random(2).randbytes(total))
    file = os.open(server.path / "file", os.O_RDWR | os.O_CREAT)
    got = mmap.mmap(-1, total)
    assert os.pwritev(file, [data], 0) == total
    assert os.preadv(file, [got], 0) == total
    os.close(file)
    assert got[:] == data[:]
    assert (server.source / "file").read_bytes() == data[:]
    statistics = server.statistics()
    assert statistics["WRITE"] == statistics["READ"] == total // (size * MIB)


# ---- whose rights ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("checks", ["default-permissions", "no-default-permissions"])
def test_users_work_on_what_was_closed(host, serve, checks):
    """With file handles, what was closed is opened with the server's rights, then used with the user's."""
    source, count, limit = host.folder("source"), 500, 256
    (source / "folder0").mkdir()
    for number in range(1, count):
        (source / f"folder-{number}").mkdir()
    os.chown(source / "folder0", 1000, 1000)
    (source / "folder0").chmod(0o700)
    server = serve(
        "--inode-file-handles=mandatory", f"--rlimit-nofile={limit}", "--entry-timeout=1000", "--attr-timeout=1000",
        "--negative-timeout=1000", f"--{checks}", source=source,
    )  # fmt: skip
    top, place = server.path, server.path / "folder0"

    def is_open():
        for number in os.listdir(f"/proc/{server.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                if os.readlink(f"/proc/{server.pid}/fd/{number}").startswith(str(source / "folder0")):
                    return True
        return False

    def close_all():
        """Use so many other folders that this one and what is in it have their turn to be closed."""
        for _ in range(2):
            for number in range(1, count):
                os.listxattr(top / f"folder-{number}")
        assert not is_open()
        assert server.held() <= limit

    def made_by_others(name):
        (source / "folder0" / name).write_text("old")
        os.chown(source / "folder0" / name, 1000, 1000)

    def open_with(name, flags):
        return lambda: os.close(os.open(place / name, flags, 0o644))

    pin = os.open(place, os.O_PATH)  # the client goes on knowing the folder, whatever it forgets
    for name, prepare, action in (
        # The client believes that there is no such name, and is right; then it is wrong.
        ("new", None, open_with("new", os.O_RDWR | os.O_CREAT)),
        ("found", made_by_others, open_with("found", os.O_WRONLY | os.O_CREAT)),
        ("cut", made_by_others, open_with("cut", os.O_RDWR | os.O_CREAT | os.O_TRUNC)),
        # It knows the file, and has nothing to ask before the open.
        ("new", None, open_with("new", os.O_RDWR)),
        ("new", None, lambda: (place / "new").write_text("new")),
        ("new", None, lambda: os.chmod(place / "new", 0o600)),
        # These look the name up first.
        ("sub", None, lambda: os.mkdir(place / "sub")),
        ("link", None, lambda: os.symlink("target", place / "link")),
        ("second", None, lambda: os.link(place / "new", place / "second")),
        ("new", None, lambda: os.rename(place / "new", place / "renamed")),
        ("second", None, lambda: os.unlink(place / "second")),
    ):
        os.stat(place)
        os.path.lexists(place / name)
        if prepare:
            prepare(name)
        close_all()
        assert as_user(1000, action) == 0, name
    for name in ("found", "cut", "sub", "link", "renamed"):
        made = os.lstat(source / "folder0" / name)
        assert (made.st_uid, made.st_gid) == (1000, 1000), name
    assert (source / "folder0" / "renamed").read_text() == "new"
    assert (source / "folder0" / "found").read_text() == "old"
    assert (source / "folder0" / "cut").read_text() == ""
    close_all()
    assert as_user(1001, lambda: os.mkdir(place / "other")) == errno.EACCES
    os.close(pin)
    assert sorted(os.listdir(source / "folder0")) == ["cut", "found", "link", "renamed", "sub"]
