# SPDX-License-Identifier: BSD-3-Clause
"""POSIX behaviour of open files. Each check's first sentence is what it demands."""
from __future__ import annotations

import errno
import os
import select
from collections.abc import Callable

from .client import Client
from .posix_checks import refused

FILE_CHECKS: list[Callable[[Client], None]] = []
MIB = 1 << 20
KEEP_SIZE, PUNCH_HOLE = 1, 2


def check(function: Callable[[Client], None]) -> Callable[[Client], None]:
    """Put a function into the suite."""
    FILE_CHECKS.append(function)
    return function


def pattern(size: int) -> bytes:
    """So many bytes, of which no two pages are alike."""
    return b"".join(i.to_bytes(4, "little") for i in range(size // 4 + 1))[:size]


@check
def data_reads_back(c: Client) -> None:
    """What was written is read, in any piece, and reading ends where the file ends."""
    data = pattern(MIB + 123)
    c.write_bytes("/f", data)
    assert c.stat("/f").st_size == len(data)
    with c.open("/f") as file:
        assert file.read() == data, "The whole differs."
        assert file.read(1000, 4095) == data[4095:5095], "A piece differs."
        assert file.read(1000, len(data) - 10) == data[-10:], "The last piece differs."
        assert file.read(1000, len(data)) == b"", "There is something behind the end."
        assert file.read(1000, 2 * len(data)) == b"", "There is something far behind the end."


@check
def overwrite_in_place(c: Client) -> None:
    """A write in the middle changes only its bytes."""
    c.write_bytes("/f", b"0123456789")
    with c.open("/f", os.O_RDWR) as file:
        assert file.write(b"ab", 4) == 2
        assert file.read() == b"0123ab6789"


@check
def gap_reads_zeros(c: Client) -> None:
    """A gap between the end and a later write reads as zeros."""
    with c.create("/f") as file:
        file.write(b"a", 0)
        file.write(b"b", 100_000)
        data = file.read()
    assert data == b"a" + bytes(99_999) + b"b"


@check
def append_at_end(c: Client) -> None:
    """With O_APPEND each write goes to the end."""
    c.write_bytes("/f", b"one")
    with c.open("/f", os.O_WRONLY | os.O_APPEND) as file:
        file.write(b"two")
        file.write(b"three")
    assert c.read_bytes("/f") == b"onetwothree"


@check
def open_truncates(c: Client) -> None:
    """O_TRUNC empties the file."""
    c.write_bytes("/f", b"content")
    c.open("/f", os.O_WRONLY | os.O_TRUNC).close()
    assert c.stat("/f").st_size == 0


@check
def truncate_both_ways(c: Client) -> None:
    """truncate cuts off, and what it adds is zeros."""
    c.write_bytes("/f", b"0123456789")
    c.truncate("/f", 4)
    c.truncate("/f", 8)
    assert c.read_bytes("/f") == b"0123\0\0\0\0"


@check
def ftruncate_open_file(c: Client) -> None:
    """An open file can be truncated, and fstat tells it at once."""
    with c.create("/f") as file:
        file.write(b"0123456789")
        file.truncate(3)
        assert file.fstat().st_size == 3 and file.read() == b"012"


@check
def write_updates_times(c: Client) -> None:
    """A write brings a new time of change."""
    c.write_bytes("/f", b"a")
    c.utime("/f", ns=(10**18, 10**18))
    with c.open("/f", os.O_WRONLY) as file:
        file.write(b"b")
    assert c.stat("/f").st_mtime_ns > 10**18, "st_mtime is as it was."


@check
def exclusive_create(c: Client) -> None:
    """O_CREAT with O_EXCL gives EEXIST for a file that is there, and leaves it alone."""
    c.write_bytes("/f", b"keep")
    with refused(errno.EEXIST):
        c.create("/f")
    assert c.read_bytes("/f") == b"keep"


@check
def two_handles_one_file(c: Client) -> None:
    """What one open file writes the other reads."""
    with c.create("/f") as one, c.open("/f") as two:
        one.write(b"shared")
        assert two.read() == b"shared"


@check
def unlinked_file_lives(c: Client) -> None:
    """A file that is open can be read, written and asked for attributes after its unlink."""
    c.write_bytes("/f", b"alive")
    with c.open("/f", os.O_RDWR) as file:
        c.unlink("/f")
        assert c.listdir("/") == [], "Its name is still listed."
        assert file.read() == b"alive"
        file.write(b"A")
        st = file.fstat()
        assert file.read() == b"Alive" and st.st_nlink == 0, st


@check
def renamed_file_lives(c: Client) -> None:
    """An open file stays the same when it, or a directory above it, is renamed."""
    c.mkdir("/a")
    c.write_bytes("/a/f", b"x")
    with c.open("/a/f", os.O_RDWR) as file:
        c.rename("/a", "/b")
        file.write(b"y")
        assert file.read() == b"y"
    assert c.read_bytes("/b/f") == b"y"


@check
def replaced_file_lives(c: Client) -> None:
    """An open file whose name another file takes over keeps its own content."""
    c.write_bytes("/old", b"old")
    c.write_bytes("/new", b"new")
    with c.open("/old") as file:
        c.rename("/new", "/old")
        assert file.read() == b"old"
    assert c.read_bytes("/old") == b"new"


@check
def fsync_works(c: Client) -> None:
    """fsync and fdatasync of a file, and fsync of a directory, succeed."""
    with c.create("/f") as file:
        file.write(b"x")
        file.fsync()
        file.fsync(datasync=True)
    with c.opendir("/") as directory:
        directory.fsync()


@check
def tmpfile_without_name(c: Client) -> None:
    """O_TMPFILE makes a file that is in no listing."""
    with c.tmpfile("/") as file:
        file.write(b"hidden")
        assert file.read() == b"hidden" and c.listdir("/") == []


@check
def fallocate_grows(c: Client) -> None:
    """fallocate makes room and grows the file; with KEEP_SIZE it does not grow it."""
    with c.create("/f") as file:
        file.fallocate(0, 0, 10_000)
        assert file.fstat().st_size == 10_000
        file.fallocate(KEEP_SIZE, 0, 20_000)
        assert file.fstat().st_size == 10_000


@check
def punched_hole(c: Client) -> None:
    """A hole that was punched reads as zeros, and the size stays."""
    with c.create("/f") as file:
        file.write(b"x" * 12_288)
        file.fallocate(PUNCH_HOLE | KEEP_SIZE, 4096, 4096)
        assert file.read() == b"x" * 4096 + bytes(4096) + b"x" * 4096


@check
def seek_data_and_hole(c: Client) -> None:
    """SEEK_DATA finds what was written, SEEK_HOLE something at or before the end, behind it ENXIO."""
    with c.create("/f") as file:
        file.truncate(MIB)
        file.write(b"data", MIB // 2)
        assert file.lseek_data(0) <= MIB // 2
        assert MIB // 2 < file.lseek_hole(MIB // 2) <= MIB
        with refused(errno.ENXIO):
            file.lseek_data(2 * MIB)


@check
def copy_range(c: Client) -> None:
    """copy_file_range copies bytes, at most those that there are."""
    data = pattern(100_000)
    c.write_bytes("/a", data)
    with c.open("/a") as source, c.create("/b") as target:
        done = 0
        while copied := c.copy_file_range(source, target, 200_000, done, done):
            done += copied
        assert done == len(data), f"{done} bytes were copied."
        assert target.read() == data


@check
def locks_exclude(c: Client) -> None:
    """A range that is locked is refused to another process, and told; the rest is free."""
    with c.by(pid=11).create("/f") as one, c.by(pid=22).open("/f", os.O_RDWR) as two:
        one.lock(start=10, length=10)
        with refused(errno.EAGAIN, errno.EACCES):
            two.lock(start=15, length=1)
        found = two.getlk(start=0)
        assert found and (found.start, found.length) == (10, 10), found
        two.lock(start=20, length=5)
        one.unlock(start=10, length=10)
        two.lock(start=15, length=1)


@check
def closing_drops_locks(c: Client) -> None:
    """Closing a file drops its process's locks."""
    with c.by(pid=22).create("/f") as two:
        with c.by(pid=11).open("/f", os.O_RDWR) as one:
            one.lock()
        two.lock()


@check
def flock_excludes(c: Client) -> None:
    """An exclusive flock of one open file is refused to another, shared ones go together."""
    with c.create("/f") as one, c.open("/f", os.O_RDWR) as two:
        one.lock(False, flock=True)
        two.lock(False, flock=True)
        with refused(errno.EAGAIN):
            two.lock(flock=True)
        one.unlock(flock=True)
        two.lock(flock=True)


@check
def poll_regular_file(c: Client) -> None:
    """A regular file is always ready."""
    with c.create("/f") as file:
        ready = file.poll(select.POLLIN | select.POLLOUT)
    assert ready & (select.POLLIN | select.POLLOUT) == select.POLLIN | select.POLLOUT, ready
