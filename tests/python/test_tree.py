# SPDX-License-Identifier: BSD-3-Clause
"""TreeFS: what a dict looks like as a file system, and what is written into it."""
import errno
import importlib.resources
import io
import os
import pathlib
import stat
import subprocess
import time
import zipfile
from collections.abc import Callable
from typing import Any

import libfb
import pytest
from libfb.testing import Check, Client, posix
from libfb.testing.names import EXCHANGE
from libfb.testing.plugin import fb_client, fb_mount, why_no_mount  # noqa: F401

MakeClient = Callable[..., Client]
Mount = Callable[..., str]
needs_mount = pytest.mark.skipif(bool(why_no_mount()), reason=why_no_mount())


@pytest.mark.parametrize("check", posix(lambda: libfb.TreeFS({}, writable=True)), ids=str)
def test_posix(check: Check) -> None:
    check()


def tree() -> dict[str, Any]:
    return {
        "bytes": b"12345",
        "text": "gr\u00fc\u00df",
        "dir": {"inner": {"deep": b"deep"}, "empty": {}},
        "link": pathlib.PurePosixPath("dir/inner"),
        "attr": (libfb.File(0o640, uid=12, gid=34, mtime_ns=10**18), b"abc"),
        "pipe": libfb.Fifo(0o600),
    }


def test_files_directories_and_links(fb_client: MakeClient) -> None:
    c = fb_client(libfb.TreeFS(tree()))
    assert sorted(c.listdir("/")) == sorted(tree())
    assert c.read_bytes("/bytes") == b"12345" and c.stat("/bytes").st_size == 5
    assert c.read_bytes("/text") == "gr\u00fc\u00df".encode() and c.stat("/text").st_size == 6
    assert c.read_bytes("/dir/inner/deep") == b"deep" == c.read_bytes("/link/deep")
    assert c.readlink("/link") == "dir/inner" and c.lstat("/link").st_size == 9
    assert c.listdir("/dir/empty") == []
    assert stat.S_ISFIFO(c.stat("/pipe").st_mode)
    with pytest.raises(FileNotFoundError):
        c.stat("/dir/missing")
    with pytest.raises(NotADirectoryError):
        c.stat("/bytes/x")


def test_attributes_count(fb_client: MakeClient) -> None:
    st = fb_client(libfb.TreeFS(tree())).stat("/attr")
    assert st.st_mode == stat.S_IFREG | 0o640 and (st.st_uid, st.st_gid) == (12, 34)
    assert st.st_size == 3 and st.st_mtime_ns == 10**18


def test_times_are_stable(fb_client: MakeClient) -> None:
    c = fb_client(libfb.TreeFS(tree()))
    before = c.stat("/bytes").st_mtime_ns
    time.sleep(0.01)
    assert c.stat("/bytes").st_mtime_ns == before
    assert abs(before - time.time_ns()) < 60 * 10**9


def test_the_dict_is_live(fb_client: MakeClient) -> None:
    files = tree()
    c = fb_client(libfb.TreeFS(files))
    before = c.stat("/bytes").st_mtime_ns
    files["bytes"] = b"longer than before"
    assert c.stat("/bytes").st_size == 18 and c.read_bytes("/bytes") == b"longer than before"
    assert c.stat("/bytes").st_mtime_ns > before
    files["dir"]["new"] = "x"
    del files["text"]
    assert c.read_bytes("/dir/new") == b"x" and "text" not in c.listdir("/")


def test_an_open_file_keeps_what_was_replaced_and_follows_a_bytearray(
    fb_client: MakeClient,
) -> None:
    files: dict[str, Any] = {"a": b"old", "log": bytearray(b"1")}
    c = fb_client(libfb.TreeFS(files))
    with c.open("/a") as replaced, c.open("/log") as log:
        files["a"] = b"new"
        files["log"] += b"2"
        assert replaced.read() == b"old" and log.read() == b"12"


def test_a_callable_is_asked_at_each_open(fb_client: MakeClient) -> None:
    made: list[int] = []

    def now() -> str:
        made.append(len(made))
        return f"call {len(made)}"

    c = fb_client(libfb.TreeFS({"now": now}))
    assert c.stat("/now").st_size == 0 and made == []
    assert c.read_bytes("/now") == b"call 1"
    with c.open("/now") as file:
        assert file.read(4, 0) + file.read(10, 4) == b"call 2"


def test_a_callable_with_a_size(fb_client: MakeClient) -> None:
    c = fb_client(libfb.TreeFS({"f": (libfb.File(0o400, size=4), lambda: b"four")}))
    assert c.stat("/f").st_size == 4 and c.read_bytes("/f") == b"four"


def test_errors_of_a_callable(fb_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    def locked() -> bytes:
        raise PermissionError("locked")

    def broken() -> bytes:
        raise ZeroDivisionError

    c = fb_client(libfb.TreeFS({"locked": locked, "broken": broken, "wrong": lambda: 7}))
    with pytest.raises(PermissionError):
        c.open("/locked")
    assert caplog.records == []
    for name in ("broken", "wrong"):
        with pytest.raises(OSError) as raised:
            c.open("/" + name)
        assert raised.value.errno == errno.EIO
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [
        ZeroDivisionError, TypeError]


def test_a_value_without_a_meaning_is_a_bug(
    fb_client: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    c = fb_client(libfb.TreeFS({"number": 7}))
    with pytest.raises(OSError) as raised:
        c.stat("/number")
    assert raised.value.errno == errno.EIO and "int is no content" in caplog.text
    with pytest.raises(TypeError):
        libfb.TreeFS([])  # type: ignore[arg-type]


def test_read_only_by_default(fb_client: MakeClient) -> None:
    files = tree()
    c = fb_client(libfb.TreeFS(files))
    changes: list[Callable[[], Any]] = [
        lambda: c.open("/bytes", os.O_WRONLY), lambda: c.create("/new"),
        lambda: c.mkdir("/new"), lambda: c.unlink("/bytes"), lambda: c.rmdir("/dir/empty"),
        lambda: c.rename("/bytes", "/b"), lambda: c.chmod("/bytes", 0o600),
        lambda: c.truncate("/bytes", 0), lambda: c.symlink("x", "/l"),
    ]
    for change in changes:
        with pytest.raises(OSError) as raised:
            change()
        assert raised.value.errno == errno.EROFS
    assert list(files) == list(tree())


def test_written_files_are_bytes_in_the_dict(fb_client: MakeClient) -> None:
    attr = libfb.File(0o600)
    files: dict[str, Any] = {"text": "text", "attr": (attr, b"a")}
    c = fb_client(libfb.TreeFS(files, writable=True))
    c.write_bytes("/new", b"content")
    with c.open("/text", os.O_WRONLY | os.O_APPEND) as file:
        file.write(b" and more")
        assert files["text"] == bytearray(b"text and more")
    c.write_bytes("/attr", b"other")
    c.truncate("/new", 3)
    assert files == {"new": b"con", "text": b"text and more", "attr": (attr, b"other")}
    assert all(type(value) is bytes for value in (files["new"], files["text"]))
    c.mkdir("/d")
    c.rename("/new", "/d/moved")
    c.symlink("target", "/l")
    assert files["d"] == {"moved": b"con"} and files["l"] == (libfb.Symlink(), "target")
    c.rename("/text", "/d/moved", EXCHANGE)
    assert files["d"]["moved"] == b"text and more" and files["text"] == b"con"


def test_what_the_program_puts_there_survives_a_writer(fb_client: MakeClient) -> None:
    files: dict[str, Any] = {"f": b"old"}
    c = fb_client(libfb.TreeFS(files, writable=True))
    with c.open("/f", os.O_RDWR) as file:
        file.write(b"mine")
        files["f"] = b"theirs"
        assert file.read() == b"mine"
    assert files == {"f": b"theirs"}


def test_a_callable_is_not_written(fb_client: MakeClient) -> None:
    c = fb_client(libfb.TreeFS({"now": lambda: b"x"}, writable=True))
    with pytest.raises(PermissionError):
        c.open("/now", os.O_WRONLY)
    with pytest.raises(PermissionError):
        c.truncate("/now", 0)


def archive() -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr(zipfile.ZipInfo("top.txt", (2001, 2, 3, 4, 5, 6)), b"top")
        z.writestr("d/e/deep.bin", bytes(100_000), zipfile.ZIP_DEFLATED)
        z.writestr("empty/", b"")
        z.writestr("../../out", b"inside")
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        z.writestr(link, "top.txt")
    file.seek(0)
    return file


def test_zip(fb_client: MakeClient) -> None:
    c = fb_client(libfb.TreeFS.from_zip(archive()))
    assert sorted(c.listdir("/")) == ["d", "empty", "link", "out", "top.txt"]
    assert c.read_bytes("/top.txt") == b"top" == c.read_bytes("/link")
    assert c.stat("/d/e/deep.bin").st_size == 100_000
    assert c.read_bytes("/d/e/deep.bin") == bytes(100_000)
    assert c.listdir("/empty") == [] and c.read_bytes("/out") == b"inside"
    local = time.mktime((2001, 2, 3, 4, 5, 6, -1, -1, -1))
    assert c.stat("/top.txt").st_mtime_ns == int(local) * 10**9
    with pytest.raises(zipfile.BadZipFile):
        libfb.TreeFS.from_zip(io.BytesIO(b"no archive"))


def test_zip_within_a_tree(fb_client: MakeClient) -> None:
    c = fb_client(libfb.TreeFS({"z": libfb.TreeFS.from_zip(archive()).tree, "f": b""}))
    assert c.read_bytes("/z/top.txt") == b"top"


@pytest.mark.parametrize("kind", ["path", "zip"])
def test_traversable(fb_client: MakeClient, tmp_path: pathlib.Path, kind: str) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"data")
    top: Any = tmp_path
    if kind == "zip":
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as z:
            z.write(tmp_path / "d" / "f", "d/f")
        top = zipfile.Path(file)
    c = fb_client(libfb.TreeFS.from_traversable(top))
    assert c.listdir("/") == ["d"] and c.listdir("/d") == ["f"]
    assert c.read_bytes("/d/f") == b"data" and c.stat("/d/f").st_size == 4
    with pytest.raises(FileNotFoundError):
        c.stat("/d/missing")
    with pytest.raises(NotADirectoryError):
        libfb.TreeFS.from_traversable(top / "d" / "f")


def test_resources_of_a_package(fb_client: MakeClient) -> None:
    c = fb_client(libfb.TreeFS.from_traversable(importlib.resources.files("libfb")))
    assert "py.typed" in c.listdir("/")
    assert c.read_bytes("/__init__.py").startswith(b"# SPDX")


def make_mounted() -> libfb.TreeFS:
    return libfb.TreeFS({**tree(), "now": lambda: "made"})


@needs_mount
def test_mounted(fb_mount: Mount) -> None:
    path = pathlib.Path(fb_mount(make_mounted))
    assert (path / "bytes").read_bytes() == b"12345"
    assert (path / "now").read_text() == "made"
    assert subprocess.run(["cat", path / "now"], capture_output=True, timeout=60).stdout == b"made"
    assert (path / "link" / "deep").read_bytes() == b"deep"
    with pytest.raises(OSError) as raised:
        (path / "new").touch()
    assert raised.value.errno == errno.EROFS


@needs_mount
def test_mounted_dict_is_live(fb_mount: Mount) -> None:
    files: dict[str, Any] = {"f": b"one"}
    path = pathlib.Path(fb_mount(libfb.TreeFS(files), inprocess=True))
    assert (path / "f").read_bytes() == b"one"
    files["f"] = b"two and more"
    assert (path / "f").read_bytes() == b"two and more"
    assert (path / "f").stat().st_size == 12


@needs_mount
def test_mounted_and_written(fb_mount: Mount) -> None:
    files: dict[str, Any] = {}
    path = pathlib.Path(fb_mount(libfb.TreeFS(files, writable=True), inprocess=True))
    (path / "d").mkdir()
    (path / "d" / "f").write_bytes(b"x" * 300_000)
    (path / "d" / "f").rename(path / "g")
    with open(path / "g", "ab") as file:
        file.write(b"end")
    assert files == {"d": {}, "g": b"x" * 300_000 + b"end"}
    subprocess.run(["touch", path / "t"], check=True, timeout=60)
    subprocess.run(["cp", "-p", path / "g", path / "copy"], check=True, timeout=60)
    assert files["t"] == b"" and files["copy"] == files["g"]
