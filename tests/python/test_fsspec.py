# SPDX-License-Identifier: BSD-3-Clause
"""libfb.fsspec on memory, local files, archives and places that lack something."""
import contextlib
import datetime
import errno
import functools
import itertools
import os
import pathlib
import stat
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import libfb
import pytest
from fsspec_servers import no_threads_are_left  # noqa: F401
from libfb.testing import Check, Client, posix
from libfb.testing.plugin import fb_client, fb_mount, why_no_mount  # noqa: F401

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")

import libfb.fsspec  # noqa: E402
from libfb.fsspec import FsspecFS, errors, info  # noqa: E402
from libfb.fsspec.blocks import Blocks  # noqa: E402

MakeClient = Callable[..., Client]
Mount = Callable[..., str]
needs_mount = pytest.mark.skipif(bool(why_no_mount()), reason=why_no_mount())
numbers = itertools.count()


def new_memory() -> str:
    """The URL of a new folder in memory."""
    path = f"/test-{next(numbers)}"
    fsspec.filesystem("memory").mkdir(path)
    return f"memory:/{path}"


def memory_fs() -> FsspecFS:
    return FsspecFS(new_memory(), writable=True)


@contextlib.contextmanager
def local_fs() -> Iterator[FsspecFS]:
    with tempfile.TemporaryDirectory() as folder:
        yield FsspecFS(f"file://{folder}", writable=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="the checks act for several users")
@pytest.mark.parametrize("check", posix(local_fs), ids=str)
def test_posix_local(check: Check) -> None:
    check()


@pytest.mark.parametrize("check", posix(memory_fs), ids=str)
def test_posix_memory(check: Check) -> None:
    check()


def test_fsspec_is_imported_when_it_is_asked_for() -> None:
    code = "import sys, libfb; assert 'fsspec' not in sys.modules; import libfb.fsspec, fsspec; " \
           "assert fsspec is sys.modules['fsspec'] is not libfb.fsspec; print(fsspec.__name__)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True,
                          check=True, timeout=60)
    assert done.stdout == "fsspec\n"


def test_open_takes_texts(fb_client: MakeClient) -> None:
    fs = libfb.fsspec.open(new_memory(), writable="yes", block_size="4096", attr_timeout="0.5")
    fb_client(fs).write_bytes("/f", b"x")
    assert fs.attr_timeout == 0.5
    with pytest.raises(OSError):
        Client(libfb.fsspec.open(new_memory(), writable="no")).mkdir("/d")


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(ValueError):
        FsspecFS("nosuchprotocol://x")
    with pytest.raises(ValueError, match="block"):
        FsspecFS(new_memory(), block_size=0)
    with pytest.raises(TypeError, match="options are for a URL"):
        FsspecFS(fsspec.filesystem("memory"), user="me")
    with pytest.raises(FileNotFoundError):
        Client(FsspecFS("memory://never-made"))


def test_a_root_that_is_a_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        Client(FsspecFS(f"file://{tmp_path}/f"))


def test_written_is_there_after_close_and_fsync(fb_client: MakeClient,
                                                tmp_path: pathlib.Path) -> None:
    c = fb_client(FsspecFS(f"file://{tmp_path}", writable=True))
    with c.create("/f") as file:
        assert (tmp_path / "f").read_bytes() == b""
        file.write(b"one")
        file.fsync()
        assert (tmp_path / "f").read_bytes() == b"one"
        file.write(b"two", 3)
        assert c.stat("/f").st_size == 6
        file.flush()
        assert (tmp_path / "f").read_bytes() == b"onetwo"


@pytest.mark.parametrize("url", ["memory", "file"])
def test_existing_files_are_changed(fb_client: MakeClient, tmp_path: pathlib.Path,
                                    url: str) -> None:
    c = fb_client(FsspecFS(new_memory() if url == "memory" else f"file://{tmp_path}",
                           writable=True, block_size=1000))
    data = os.urandom(100_000)
    c.write_bytes("/f", data)
    with c.open("/f", os.O_RDWR) as file:
        file.write(b"middle", 50_000)
    with c.open("/f", os.O_WRONLY | os.O_APPEND) as file:
        file.write(b"end")
    changed = data[:50_000] + b"middle" + data[50_006:] + b"end"
    assert c.read_bytes("/f") == changed
    c.truncate("/f", 60_000)
    assert c.read_bytes("/f") == changed[:60_000]
    c.truncate("/f", 60_010)
    assert c.read_bytes("/f") == changed[:60_000] + bytes(10)
    c.write_bytes("/f", b"short")
    assert c.read_bytes("/f") == b"short"


def test_times_are_those_of_the_place(fb_client: MakeClient, tmp_path: pathlib.Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    os.utime(tmp_path / "f", ns=(10**18, 10**18 + 123_456_789))
    c = fb_client(FsspecFS(f"file://{tmp_path}"))
    assert c.stat("/f").st_mtime_ns == 10**18 + 123_456_789
    memory = fb_client(memory_fs())
    memory.write_bytes("/f", b"x")
    before = memory.stat("/f").st_mtime_ns
    assert abs(before - time.time_ns()) < 60 * 10**9
    time.sleep(0.01)
    listed = [e.attr and e.attr.st_mtime_ns for e in memory.scandir("/", plus=True)]
    assert memory.stat("/f").st_mtime_ns == before and listed == [before]


def test_times_in_another_zone() -> None:
    """What fsspec tells of files in memory depends on the zone, what we tell does not."""
    code = "import time, fsspec, libfb.fsspec; from libfb.testing import Client\n" \
           "c = Client(libfb.fsspec.FsspecFS('memory://', writable=True))\n" \
           "c.write_bytes('/f', b'')\n" \
           "l = [e.attr.st_mtime_ns for e in c.scandir('/', plus=True)]\n" \
           "assert l == [c.stat('/f').st_mtime_ns] and abs(l[0] / 1e9 - time.time()) < 60, l"
    subprocess.run([sys.executable, "-P", "-c", code], check=True, timeout=60,
                   env={**os.environ, "TZ": "Asia/Tokyo"})


def test_changes_of_others_are_seen_in_time(fb_client: MakeClient, tmp_path: pathlib.Path) -> None:
    c = fb_client(FsspecFS(f"file://{tmp_path}", attr_timeout=0.2))
    assert c.listdir("/") == []
    (tmp_path / "f").write_bytes(b"one")
    assert c.listdir("/") == [], "For so long it is remembered."
    time.sleep(0.25)
    assert c.listdir("/") == ["f"] and c.read_bytes("/f") == b"one"
    (tmp_path / "f").write_bytes(b"TWO")
    time.sleep(0.25)
    assert c.read_bytes("/f") == b"TWO"


def test_zip(fb_client: MakeClient, tmp_path: pathlib.Path) -> None:
    data = os.urandom(200_000)
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(zipfile.ZipInfo("top", (2001, 2, 3, 4, 5, 6)), b"top")
        z.writestr("d/e/deep", data)
    c = fb_client(FsspecFS(f"zip://::file://{tmp_path}/z.zip", block_size=4096))
    assert sorted(c.listdir("/")) == ["d", "top"] and c.listdir("/d") == ["e"]
    assert c.read_bytes("/d/e/deep") == data and c.read_bytes("/top") == b"top"
    with c.open("/d/e/deep") as file:
        assert file.read(100, 150_000) == data[150_000:150_100]
        assert file.read(100, 10) == data[10:110]
    local = time.mktime((2001, 2, 3, 4, 5, 6, -1, -1, -1))
    assert c.stat("/top").st_mtime_ns == int(local) * 10**9
    with pytest.raises(ValueError, match="can only be read"):
        FsspecFS(f"zip://::file://{tmp_path}/z.zip", writable=True)


def test_names_that_look_like_patterns(fb_client: MakeClient) -> None:
    c = fb_client(memory_fs())
    for name in ("a*", "ab", "[a]", "a?"):
        c.write_bytes("/" + name, name.encode())
    c.rename("/a*", "/moved")
    c.unlink("/a?")
    assert sorted(c.listdir("/")) == ["[a]", "ab", "moved"]
    assert c.read_bytes("/moved") == b"a*"


def test_a_directory_that_is_copied_to_its_new_name(fb_client: MakeClient) -> None:
    c = fb_client(memory_fs())
    c.mkdir("/a")
    c.mkdir("/a/empty")
    c.mkdir("/a/b")
    for i in range(3):
        c.write_bytes(f"/a/b/f{i}", bytes([i]))
    with c.open("/a/b/f1", os.O_RDWR) as file:
        file.write(b"not uploaded yet")
        c.rename("/a", "/n")
        assert file.read() == b"not uploaded yet"
    assert c.listdir("/") == ["n"] and sorted(c.listdir("/n")) == ["b", "empty"]
    assert [c.read_bytes(f"/n/b/f{i}") for i in (0, 2)] == [b"\0", b"\2"]
    assert c.read_bytes("/n/b/f1") == b"not uploaded yet"


class Answer(Exception):
    """As libraries for HTTP raise them."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


@pytest.mark.parametrize("error, number", [
    (Answer(404), errno.ENOENT), (Answer(403), errno.EACCES), (Answer(401), errno.EACCES),
    (Answer(500), errno.EIO), (Answer(503), errno.EIO), (Answer(504), errno.ETIMEDOUT),
    (Answer(507), errno.ENOSPC), (EOFError(), errno.ECONNRESET), (KeyError("bug"), None),
    (OSError("Socket is closed"), errno.ECONNRESET), (OSError(errno.ENOSPC, ""), None),
    (FileNotFoundError("x"), None), (UnicodeEncodeError("utf8", "", 0, 0, ""), errno.EILSEQ),
])
def test_errno_of(error: BaseException, number: int | None) -> None:
    assert errors.errno_of(error) == number


def test_errno_of_a_cause() -> None:
    """fsspec says FileNotFoundError of a URL for whatever has gone wrong."""
    for cause, number in ((Answer(403), errno.EACCES), (ConnectionRefusedError(111, ""), 111)):
        error = FileNotFoundError("http://x")
        error.__cause__ = cause
        assert errors.errno_of(error) == number


SECOND = 10**9
STAMP = 1_700_000_000


@pytest.mark.parametrize("value, ns", [
    (STAMP, STAMP * SECOND), (STAMP + 0.25, STAMP * SECOND + SECOND // 4),
    (STAMP * 1000 + 250, STAMP * SECOND + SECOND // 4), (str(STAMP), STAMP * SECOND),
    (datetime.datetime(2023, 11, 14, 22, 13, 20), STAMP * SECOND),
    (datetime.datetime(2023, 11, 15, 0, 13, 20, 5, datetime.timezone(datetime.timedelta(hours=2))),
     STAMP * SECOND + 5000),
    ("2023-11-14T22:13:20Z", STAMP * SECOND), ("2023-11-14T23:13:20+01:00", STAMP * SECOND),
    ("Tue, 14 Nov 2023 22:13:20 GMT", STAMP * SECOND), ("yesterday", None), (None, None),
    (True, None), (-1, -SECOND),
])
def test_time_ns(value: Any, ns: int | None) -> None:
    assert info.time_ns(value) == ns


def test_the_better_time_counts() -> None:
    assert info.changed_ns({"created": 1, "mtime": 2}) == 2 * SECOND
    assert info.changed_ns({"created": 1, "LastModified": None}) == SECOND
    assert info.changed_ns({"name": "x"}) is None


def test_blocks_are_limited() -> None:
    blocks = Blocks(10, 25)
    for number in range(4):
        blocks.put(("/f", 1), number, bytes(10))
    assert [blocks.get(("/f", 1), n) is None for n in range(4)] == [True, True, False, False]
    blocks.put(("/d/g", 1), 0, b"x")
    blocks.forget("/d")
    assert blocks.get(("/d/g", 1), 0) is None and blocks.size == 20


@needs_mount
def test_mounted_memory(fb_mount: Mount) -> None:
    path = pathlib.Path(fb_mount(functools.partial(
        libfb.fsspec.open, "memory://mounted", writable=True)))
    data = os.urandom(3_000_000)
    (path / "d").mkdir(0o750)
    (path / "d" / "f").write_bytes(data)
    assert stat.S_IMODE((path / "d").stat().st_mode) == 0o750
    subprocess.run(["cp", "-pr", path / "d", path / "e"], check=True, timeout=60)
    assert (path / "e" / "f").read_bytes() == data
    assert (path / "e" / "f").stat().st_mtime_ns == (path / "d" / "f").stat().st_mtime_ns
    (path / "e" / "f").rename(path / "g")
    subprocess.run(["touch", path / "t"], check=True, timeout=60)
    subprocess.run(["rm", "-r", path / "d", path / "e"], check=True, timeout=60)
    assert sorted(os.listdir(path)) == ["g", "t"]
    archive = subprocess.run(["tar", "-cC", path, "."], capture_output=True, check=True, timeout=60)
    assert len(archive.stdout) > len(data)


@needs_mount
def test_mounted_local(fb_mount: Mount, tmp_path: pathlib.Path) -> None:
    path = pathlib.Path(fb_mount(functools.partial(
        libfb.fsspec.open, f"file://{tmp_path}", writable=True), workers=2))
    with open(path / "f", "w+b") as file:
        file.write(b"0123456789" * 100_000)
        file.seek(500_000)
        assert file.read(10) == b"0123456789"
        file.truncate(10)
    assert (tmp_path / "f").read_bytes() == b"0123456789"
    os.utime(path / "f", ns=(10**18, 10**18 + 1))
    assert (tmp_path / "f").stat().st_mtime_ns == 10**18 + 1
    (path / "l").symlink_to("f")
    assert (path / "l").read_bytes() == b"0123456789" and os.readlink(tmp_path / "l") == "f"
