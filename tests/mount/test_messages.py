# SPDX-License-Identifier: BSD-3-Clause
"""Requests and answers of every kind and size, by many clients, from every processor."""
import errno
import fcntl
import mmap
import os
import pathlib
import random
import subprocess
import threading

import pytest

from fixtures import client, host, in_background, needs_root, reap, run, serve, tidy  # noqa: F401
from test_transport import launch  # noqa: F401
from test_waiting import PROCESSORS, client_on, on_processor, program, waiting  # noqa: F401

pytestmark = [needs_root, pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="no /dev/fuse here")]

MIB = 1 << 20
PAGE = 4096
TURN_BYTES = 4096
IOC_TURN = 3 << 30 | TURN_BYTES << 16 | ord("F") << 8 | 1  # of waiting_server.c

THROUGH_THE_SERVER = ("--no-kernel-passthrough",)


def some_bytes(size, seed):
    return random.Random(seed).randbytes(size)


# Offset and bytes: whole pages and pieces, one byte, what fits in one message and what does not.
PIECES = [(0, MIB), (1, MIB), (PAGE - 1, 2), (PAGE, PAGE), (0, 1), (4095, 65537), (123, 128 * 1024), (MIB - 1, MIB - 7)]


@pytest.mark.parametrize("limit", [(), ("--max-write=4096",), ("--max-write=65536",)], ids=["", "a page", "64 KiB"])
def test_reads_and_writes_of_every_size(waiting, limit):  # noqa: F811
    """The server's files are never cached: each read and write is a message, or several."""
    files = waiting(*limit)
    for turn, (off, size) in enumerate(PIECES):
        with on_processor(PROCESSORS[turn % len(PROCESSORS)]), files.open() as fd:
            os.ftruncate(fd, 0)
            data = some_bytes(size, turn)
            assert os.pwrite(fd, data, off) == size
            assert os.pread(fd, off + size + 1, 0) == bytes(off) + data
            assert os.pread(fd, size, off) == data
            assert os.pread(fd, size, off + size // 2) == data[size // 2 :]
            assert os.pread(fd, size, off + size) == b""
    with files.open() as fd:
        with pytest.raises(OSError) as caught:
            os.pwrite(fd, b"x", 2 * MIB)
        assert caught.value.errno == errno.EFBIG
    assert files.server.stop() == 0


def test_directly_from_mapped_memory(waiting):  # noqa: F811
    """Data that comes from and goes to memory of every alignment, in one call."""
    files = waiting()
    data = some_bytes(MIB, 3)
    memory = mmap.mmap(-1, MIB + PAGE)
    with files.open() as fd:
        for shift in (0, 1, 511, 4095):
            memory[shift : shift + MIB] = data
            view = memoryview(memory)[shift : shift + MIB]
            assert os.pwritev(fd, [view[:777], view[777:70000], view[70000:]], 0) == MIB
            view[:] = bytes(MIB)
            assert os.preadv(fd, [view[:4097], view[4097:]], 0) == MIB
            assert view == data
            view.release()
    assert files.server.stop() == 0


@pytest.mark.parametrize("size", [0, 1, 4096, 65535, 65536])
def test_attributes_up_to_64_kib(waiting, size):  # noqa: F811
    files = waiting()
    value = some_bytes(size, size)
    for number in PROCESSORS:
        with on_processor(number):
            os.setxattr(files.path(), "user.large", value)
            assert os.getxattr(files.path(), "user.large") == value
    assert files.server.stop() == 0


def test_ioctl(waiting):  # noqa: F811
    """Bytes go both ways, and a result that is no error."""
    files = waiting()
    data = some_bytes(TURN_BYTES, 1)
    for number in PROCESSORS:
        with on_processor(number), files.open() as fd:
            memory = bytearray(data)
            assert fcntl.ioctl(fd, IOC_TURN, memory) == 7
            assert memory == data[::-1]
            with pytest.raises(OSError) as caught:
                fcntl.ioctl(fd, IOC_TURN + 1, bytearray(data))
            assert caught.value.errno == errno.ENOTTY
    assert files.server.stop() == 0


def test_a_folder_of_10000_names(host, serve):  # noqa: F811
    source = host.folder("source")
    names = {f"name{number}" + "x" * (number % 200) for number in range(10000)}
    for name in names:
        (source / name).touch()
    for options in (), ("--no-readdirplus", "--cache=never"), ("--max-write=4096",):
        server = serve(*options, source=source)
        for number in PROCESSORS:
            with on_processor(number):
                listed = os.listdir(server.path)
                assert len(listed) == len(names) and set(listed) == names
        with os.scandir(server.path) as entries:
            assert sum(entry.stat().st_size == 0 for entry in entries) == len(names)


@pytest.mark.parametrize("size", [1, 255, 4000, 4095])
def test_symbolic_links(serve, size):
    server = serve()
    target = "t" * size
    for number in PROCESSORS:
        with on_processor(number):
            os.symlink(target, server.path / f"link{number}")
            assert os.readlink(server.path / f"link{number}") == target
            assert os.readlink(server.source / f"link{number}") == target
    with pytest.raises(OSError) as caught:
        os.symlink("t" * 4096, server.path / "longer")
    assert caught.value.errno == errno.ENAMETOOLONG


def test_the_longest_names(serve):
    """Two names of 255 bytes in one message."""
    server = serve()
    for number in PROCESSORS:
        with on_processor(number):
            one, other = server.path / ("a" * 254 + str(number % 10)), server.path / ("b" * 255)
            one.write_text("content")
            one.rename(other)
            assert other.read_text() == "content"
            os.link(other, one)
            assert one.stat().st_nlink == 2
            one.unlink()
            other.unlink()
    assert os.listdir(server.source) == []


# ---- many at once ----------------------------------------------------------------------------------


def work_on_names(top, me, turns):
    """Every kind of change of names, checked at once. Raises OSError for a wrong result too."""
    for turn in range(turns):
        path, other = f"{top}/{me}-{turn}", f"{top}/{me}-{turn}-other"
        data = some_bytes(turn * 97 % 9000, turn)
        with open(path, "xb") as file:
            file.write(data)
        os.rename(path, other)
        os.link(other, path)
        os.mkdir(path + ".d")
        os.symlink(other, path + ".d/link")
        with open(path + ".d/link", "rb") as file:
            if file.read() != data or os.fstat(file.fileno()).st_nlink != 2:
                raise OSError(errno.EBADMSG, "other data")
        os.truncate(path, len(data) // 2)
        if os.stat(other).st_size != len(data) // 2 or os.listdir(path + ".d") != ["link"]:
            raise OSError(errno.EBADMSG, "other attributes")
        os.unlink(path + ".d/link")
        os.rmdir(path + ".d")
        os.unlink(path)
        os.unlink(other)


@pytest.mark.parametrize("options", [(), ("--threads=1", "--max-threads=1")], ids=["", "one thread"])
def test_from_every_processor(serve, options):
    server = serve(*THROUGH_THE_SERVER, *options)
    pids = [client_on(number, lambda n=number: work_on_names(server.path, n, 100)) for number in PROCESSORS]
    assert [reap(pid, 60) for pid in pids] == [0] * len(pids)
    assert os.listdir(server.source) == []


def test_a_client_that_changes_processors(serve):
    """Between and within its calls: another thread moves it about all the time."""
    server = serve(*THROUGH_THE_SERVER)
    done = threading.Event()

    def move(pid):
        turn = 0
        while not done.wait(0.001):
            turn += 1
            os.sched_setaffinity(pid, {PROCESSORS[turn % len(PROCESSORS)]})

    pid = in_background(lambda: work_on_names(server.path, 0, 200))
    mover = threading.Thread(target=move, args=(pid,))
    mover.start()
    try:
        assert reap(pid, 60) == 0
    finally:
        done.set()
        mover.join()
    assert os.listdir(server.source) == []


def test_64_threads(serve):
    """Threads of one program that check every byte, more than there are places in any queue."""
    server = serve("--cache=never", *THROUGH_THE_SERVER)
    done = run(client("storm"), server.path, 3, 64, 1)
    assert "violations 0" in done.stdout
    statistics = server.statistics()
    assert statistics["pending"] == 0 and statistics["malformed"] == 0


def test_64_clients_move_much_data(serve):
    """Reads and writes of 1 MiB at once, more than any buffers for them."""
    server = serve("--cache=never", *THROUGH_THE_SERVER)

    def act(me):
        data = some_bytes(MIB, me)
        path = server.path / f"file{me}"
        with open(path, "xb", buffering=0) as file:
            if file.write(data) != MIB:
                raise OSError(errno.EBADMSG, "a short write")
        for _ in range(3):
            if path.read_bytes() != data:
                raise OSError(errno.EBADMSG, "other data")

    pids = [client_on(PROCESSORS[n % len(PROCESSORS)], lambda n=n: act(n)) for n in range(64)]
    assert [reap(pid, 60) for pid in pids] == [0] * len(pids)
    for number in range(64):
        assert (server.source / f"file{number}").read_bytes() == some_bytes(MIB, number)


def test_asynchronous_direct_reads(serve):
    """One program with 32 reads under way: all right, whatever order they come in."""
    server = serve("--cache=never", *THROUGH_THE_SERVER)
    done = run(
        "fio", "--name=deep", f"--filename={server.path}/file", "--size=16m", "--ioengine=libaio", "--iodepth=32",
        "--direct=1", "--rw=randrw", "--bs=4k", "--verify=crc32c", "--verify_fatal=1", "--verify_async=1",
        cwd=pathlib.Path(server.path).parent, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert "err= 0" in done.stdout
