# SPDX-License-Identifier: BSD-3-Clause
"""The examples that keep files elsewhere, on real mounts: crypt.py and sqlite.py."""
import errno
import multiprocessing
import os
import pathlib
import random
import sqlite3
import time
from collections.abc import Callable

import libfb
import pytest
from example_rig import Serve, needs_mount, run, serve  # noqa: F401
from example_work import fails, load, make_tree, real_work, same

# ---- crypt.py ------------------------------------------------------------


@needs_mount
def test_crypt(serve: Serve, tmp_path: pathlib.Path) -> None:
    sealed = tmp_path / "sealed"
    sealed.mkdir()
    example = serve("crypt.py", sealed, PASSPHRASE="secret")
    # Two names of a file are two nodes of the path layer: the kernel remembers the count of one.
    real_work(example.path, tmp_path, links=False)
    text = b"nobody shall know this. " * 1000
    (example.path / "private").write_bytes(text)
    with open(example.path / "private", "r+b", buffering=0) as file:
        file.seek(4090)
        file.write(b"across blocks")
        os.unlink(example.path / "private")
        assert os.fstat(file.fileno()).st_size == len(text)
        os.truncate(file.fileno(), 5000)
        os.truncate(file.fileno(), 9000)
        expected = (text[:4090] + b"across blocks" + text[4103:5000]).ljust(9000, b"\0")
        assert os.pread(file.fileno(), 10000, 0) == expected
    (example.path / "left").write_bytes(expected)
    example.end()
    everything = b"".join(path.read_bytes() for path in sealed.rglob("*") if path.is_file())
    assert b"nobody" not in everything and not list(sealed.rglob("*left*"))

    again = serve("crypt.py", sealed, PASSPHRASE="secret")
    assert (again.path / "left").read_bytes() == expected
    assert os.listdir(serve("crypt.py", sealed, PASSPHRASE="guess").path) == []
    (name,) = [path for path in sealed.iterdir() if path.name != "salt"]
    with open(name, "r+b", buffering=0) as file:
        file.seek(5000)
        file.write(b"\xff\xfe\xfd")
    # Others may need what the kernel has cached (tests/mount/caches.py).
    run("flock", "--shared", "/run/fb-tests-caches", "sh", "-c", "echo 3 > /proc/sys/vm/drop_caches", ok=False)
    with open(again.path / "left", "rb") as reader:
        fails(errno.EIO, os.pread, reader.fileno(), 100, 5000)


# ---- sqlite.py ------------------------------------------------------------


def consistent(database: pathlib.Path) -> None:
    """What has to hold for the tables whatever happened."""
    with sqlite3.connect(database) as db:
        def rows(query: str) -> list[object]:
            return db.execute(query).fetchall()

        assert rows("PRAGMA integrity_check") == [("ok",)]
        assert rows("PRAGMA foreign_key_check") == []
        assert rows("SELECT id, nlink FROM inode WHERE mode & 61440 <> 16384 AND nlink <> "
                    "(SELECT count(*) FROM entry WHERE inode = id)") == []
        assert rows("SELECT id, nlink FROM inode WHERE mode & 61440 = 16384 AND nlink <> 2 + "
                    "(SELECT count(*) FROM entry JOIN inode child ON child.id = entry.inode "
                    " WHERE entry.parent = inode.id AND child.mode & 61440 = 16384)") == []
        assert rows("SELECT number FROM block JOIN inode ON id = inode "
                    "WHERE number * 65536 >= size") == []
    db.close()


@needs_mount
def test_sqlite(serve: Serve, tmp_path: pathlib.Path) -> None:
    database = tmp_path / "tree.db"
    example = serve("sqlite.py", database)
    real_work(example.path, tmp_path)
    make_tree(example.path)
    os.setxattr(example.path / "hard", "user.x", b"value")
    with open(example.path / "gone", "w+b") as file:
        file.write(b"unlinked")
        file.flush()
        os.unlink(example.path / "gone")
        assert os.pread(file.fileno(), 10, 0) == b"unlinked"
    fails(errno.ENOTEMPTY, os.rmdir, example.path / "sub")
    run("cp", "-a", f"{example.path}/.", tmp_path / "kept")
    example.end()
    consistent(database)
    again = serve("sqlite.py", database)
    same(tmp_path / "kept", again.path)
    assert os.getxattr(again.path / "hard", "user.x") == b"value"


def write_until_killed(path: pathlib.Path, log: int) -> None:
    """Files that appear by rename, and one that is open without a name. Each one is told."""
    os.chdir(path)  # once it is dead, nothing is written to the folder below it
    try:
        with open("unnamed", "wb") as unnamed:
            os.unlink("unnamed")
            for number in range(100_000):
                unnamed.write(bytes(70_000))
                unnamed.flush()
                pathlib.Path("new").write_bytes(b"%d " % number * 20_000)
                os.rename("new", f"file{number % 10}")
                os.write(log, b"%d\n" % number)
    except OSError:
        os._exit(0)


@needs_mount
def test_sqlite_killed(serve: Serve, tmp_path: pathlib.Path) -> None:
    """kill -9 in the middle of work: what was answered is there, and the tables agree."""
    database, told = tmp_path / "tree.db", -1
    for _ in range(3):
        example = serve("sqlite.py", database)
        reading, writing = os.pipe()
        worker = multiprocessing.get_context("fork").Process(
            target=write_until_killed, args=(example.path, writing))
        worker.start()
        os.close(writing)
        time.sleep(0.4)
        example.kill()
        worker.join(20)
        with os.fdopen(reading) as pipe:
            told = int(pipe.read().split()[-1])
        consistent(database)
        assert told >= 0
    again = serve("sqlite.py", database)
    consistent(database)
    for path in again.path.glob("file*"):
        content = path.read_bytes()
        assert content == content.split()[0] + b" " + content[len(content.split()[0]) + 1:]
        assert len(set(content.split())) == 1 and content.count(b" ") == 20_000
    last = int((again.path / f"file{told % 10}").read_bytes().split()[0])
    assert last in (told, told + 10)
    with sqlite3.connect(database) as db:
        assert db.execute("SELECT count(*) FROM inode WHERE nlink = 0").fetchone() == (0,)
    db.close()


# ---- all that can be written to ------------------------------------------------------------


def make(name: str, folder: pathlib.Path) -> object:
    """The file system of an example, empty."""
    if name == "memory":
        return load(name).Memory()
    if name == "crypt":
        return load(name).Crypt(str(folder), "x")
    return load(name).Sqlite(str(folder / "tree.db"))


@pytest.mark.parametrize("name", ["memory", "crypt", "sqlite"])
def test_random_access(
    fb_client: Callable[..., libfb.testing.Client], name: str, tmp_path: pathlib.Path
) -> None:
    """Any mix of writes and truncations gives what a bytearray gives."""
    client = fb_client(make(name, tmp_path))
    chance, text = random.Random(name), bytearray()
    client.write_bytes("/f", b"")
    for _ in range(400):
        at, size = chance.randrange(200_000), chance.choice([1, 100, 4096, 9000, 70_000])
        if chance.random() < 0.3:
            client.truncate("/f", at)
            text = text[:at].ljust(at, b"\0")
        else:
            data = chance.randbytes(size)
            with client.open("/f", os.O_RDWR) as file:
                file.write(data, at)
            text = text.ljust(at, b"\0")
            text[at:at + size] = data
        assert client.read_bytes("/f") == text


def test_memory_holes() -> None:
    """Holes and reserved pages read as zeros, are found, and every page is given back."""
    memory = load("memory")
    chance, text, room = random.Random(3), bytearray(), memory.Room(1000)
    file = memory.File(libfb.File(0o644), room)
    for _ in range(500):
        at, size = chance.randrange(200_000), chance.choice([1, 100, 4096, 9000, 70_000])
        kind = chance.choice(["write", "punch", "reserve", "truncate"])
        if kind == "write":
            file.write(at, b"x" * size)
            text = text.ljust(at + size, b"\0")
            text[at:at + size] = b"x" * size
        elif kind == "punch":
            file.punch(at, at + size)
            text[at:at + size] = bytes(len(text[at:at + size]))
        elif kind == "reserve":
            file.reserve(at, size)
        else:
            file.truncate(at)
            text = text[:at].ljust(at, b"\0")
        assert file.read(0, 1 << 20) == text
        assert room.free + len(file.pages) == room.total
    del file
    assert room.free == room.total


def test_memory_seek() -> None:
    memory = load("memory")
    file = memory.File(libfb.File(0o644), memory.Room(1000))
    file.write(3 * 4096, b"x" * 8192)
    file.truncate(8 * 4096 + 10)
    assert [file.seek(at, os.SEEK_DATA) for at in (0, 3 * 4096, 4 * 4096 + 1)] == [
        3 * 4096, 3 * 4096, 4 * 4096 + 1]  # fmt: skip
    assert [file.seek(at, os.SEEK_HOLE) for at in (5, 3 * 4096, 6 * 4096)] == [5, 5 * 4096, 6 * 4096]
    fails(errno.ENXIO, file.seek, 5 * 4096, os.SEEK_DATA)
    fails(errno.ENXIO, file.seek, 8 * 4096 + 10, os.SEEK_HOLE)
