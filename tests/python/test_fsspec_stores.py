# SPDX-License-Identifier: BSD-3-Clause
"""libfb.fsspec on object stores, and on places that lack something or fail."""
import contextlib
import errno
import os
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fsspec_servers import no_threads_are_left  # noqa: F401
from libfb.testing import Check, Client, posix
from libfb.testing.plugin import fb_client  # noqa: F401

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed")

from fsspec import AbstractFileSystem  # type: ignore[import]  # noqa: E402
from fsspec.asyn import AsyncFileSystem  # type: ignore[import]  # noqa: E402
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import]  # noqa: E402
from libfb.fsspec import FsspecFS  # noqa: E402

MakeClient = Callable[..., Client]


class ObjectStore(MemoryFileSystem):  # type: ignore[misc]
    """Directories are only there while something is in them; nothing is moved."""

    protocol = "teststore"
    cachable = False
    store: dict[str, Any] = {}
    pseudo_dirs = [""]

    def mkdir(self, path: str, create_parents: bool = True, **how: Any) -> None:
        """Nothing to do."""

    def rmdir(self, path: str) -> None:
        raise FileNotFoundError(path)


class Plain(AbstractFileSystem):  # type: ignore[misc]
    """Only what every implementation has to have: ls, open; and removing."""

    cachable = False
    root_marker = "/"

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = folder
        self.opened = 0

    def ls(self, path: str, detail: bool = True, **how: Any) -> Any:
        with os.scandir(self.folder + path) as entries:
            return [{"name": f"{path.rstrip('/')}/{e.name}", "size": e.stat().st_size,
                     "type": "directory" if e.is_dir() else "file"} for e in entries]

    def _open(self, path: str, mode: str = "rb", **how: Any) -> Any:
        self.opened += 1
        return open(self.folder + path, mode)

    def _rm(self, path: str) -> None:
        os.unlink(self.folder + path)


@contextlib.contextmanager
def object_store_fs() -> Iterator[FsspecFS]:
    ObjectStore.store.clear()
    yield FsspecFS(ObjectStore(), writable=True)


@pytest.mark.parametrize("check", posix(object_store_fs), ids=str)
def test_posix_object_store(check: Check) -> None:
    check()


class AsyncStore(AsyncFileSystem):  # type: ignore[misc]
    """An object store as most are made: by coroutines. It has names, and no directories."""

    cachable = False
    root_marker = ""

    def __init__(self) -> None:
        super().__init__()
        self.objects = MemoryFileSystem()
        self.ranges: list[tuple[int, int]] = []

    async def _info(self, path: str, **how: Any) -> Any:
        return self.objects.info(path)

    async def _ls(self, path: str, detail: bool = True, **how: Any) -> Any:
        return self.objects.ls(path, detail=detail)

    async def _cat_file(self, path: str, start: Any = None, end: Any = None, **how: Any) -> bytes:
        self.ranges.append((start, end))
        data: bytes = self.objects.cat_file(path, start=start, end=end)
        return data

    async def _cp_file(self, path1: str, path2: str, **how: Any) -> None:
        self.objects.cp_file(path1, path2)

    async def _rm_file(self, path: str, **how: Any) -> None:
        self.objects.rm_file(path)

    def rmdir(self, path: str) -> None:
        raise FileNotFoundError(path)

    def _open(self, path: str, mode: str = "rb", **how: Any) -> Any:
        assert mode == "wb", "It is read by ranges."
        return self.objects.open(path, mode)


@contextlib.contextmanager
def async_store_fs() -> Iterator[FsspecFS]:
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    yield FsspecFS(AsyncStore(), writable=True)


@pytest.mark.parametrize("check", posix(async_store_fs), ids=str)
def test_posix_async_store(check: Check) -> None:
    check()


def test_an_async_store_is_read_by_ranges(fb_client: MakeClient) -> None:
    store = AsyncStore()
    data = os.urandom(100_000)
    store.objects.pipe_file("/ranges/f", data)
    c = fb_client(FsspecFS(store, block_size=10_000))
    with c.open("/ranges/f") as file:
        assert file.read(100, 55_555) == data[55_555:55_655]
    assert store.ranges == [(50_000, 60_000)]
    store.objects.rm("/ranges", recursive=True)


def test_a_place_with_the_least(fb_client: MakeClient, tmp_path: pathlib.Path) -> None:
    (tmp_path / "f").write_bytes(bytes(100_000) + b"end")
    place = Plain(str(tmp_path))
    c = fb_client(FsspecFS(place, writable=True, block_size=4096))
    with c.open("/f") as file:
        assert file.read(10, 99_998) == b"\0\0end" and file.read(2, 0) == b"\0\0"
        assert place.opened == 1, "It stays open."
    assert c.stat("/f").st_mtime_ns == c.stat("/f").st_mtime_ns
    c.rename("/f", "/g")
    assert os.listdir(tmp_path) == ["g"] and c.stat("/g").st_size == 100_003
    c.unlink("/g")
    c.mkdir("/d")  # nothing happens there, so that it is remembered here
    assert c.listdir("/") == ["d"] and c.listdir("/d") == [] == os.listdir(tmp_path)


class Failing(MemoryFileSystem):  # type: ignore[misc]
    """Raises what it is told to when something is written."""

    cachable = False
    error: BaseException | None = None

    def _open(self, path: str, mode: str = "rb", **how: Any) -> Any:
        if self.error is not None and "w" in mode:
            raise self.error
        return super()._open(path, mode, **how)


def test_close_tells_what_fails_and_tries_again(fb_client: MakeClient,
                                                caplog: pytest.LogCaptureFixture) -> None:
    place = Failing()
    place.mkdir("/failing")
    c = fb_client(FsspecFS(place, writable=True))
    with c.create("/failing/f") as file:
        file.write(b"kept")
        place.error = PermissionError("no more")
        with pytest.raises(PermissionError):
            file.flush()
        with pytest.raises(PermissionError):
            file.fsync()
        place.error = None
        file.flush()
        assert place.cat_file("/failing/f") == b"kept"
        file.write(b"lost")
        place.error = OSError(errno.ENOSPC, "full")
        with contextlib.suppress(OSError):
            file.close()
    assert "what was written since the last fsync is lost" in caplog.text
    place.rm("/failing", recursive=True)


def test_a_bug_is_logged_and_others_are_not(fb_client: MakeClient,
                                            caplog: pytest.LogCaptureFixture) -> None:
    place = Failing()
    c = fb_client(FsspecFS(place, writable=True))
    for error, number in ((TimeoutError(), errno.ETIMEDOUT), (FileNotFoundError("x"), errno.ENOENT),
                          (ConnectionResetError(), errno.ECONNRESET)):
        place.error = error
        with pytest.raises(OSError) as raised:
            c.create("/failing-f")
        assert raised.value.errno == number and caplog.records == []
    place.error = ZeroDivisionError()
    with pytest.raises(OSError) as raised:
        c.create("/failing-f")
    assert raised.value.errno == errno.EIO and "ZeroDivisionError" in caplog.text


def test_s3(fb_client: MakeClient) -> None:
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    server = pytest.importorskip("moto.server", reason="moto, which plays S3, is not installed")
    s3 = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    s3.start()
    try:
        host, port = s3.get_host_and_port()
        options: dict[str, Any]
        options = {"endpoint_url": f"http://{host}:{port}", "key": "k", "secret": "s"}
        fsspec.filesystem("s3", **options).mkdir("bucket")
        c = fb_client(FsspecFS("s3://bucket/top", writable=True, **options))
        c.mkdir("/d")
        data = os.urandom(200_000)
        c.write_bytes("/d/f", data)
        with c.open("/d/f", os.O_RDWR) as file:
            file.write(b"x", 100)
        assert c.read_bytes("/d/f") == data[:100] + b"x" + data[101:]
        assert abs(c.stat("/d/f").st_mtime_ns - time.time_ns()) < 60 * 10**9
        c.rename("/d", "/e")
        assert c.listdir("/") == ["e"] and c.listdir("/e") == ["f"]
        c.unlink("/e/f")
        assert c.listdir("/e") == []
        c.rmdir("/e")
        assert c.listdir("/") == []
    finally:
        s3.stop()


def test_hdfs(fb_client: MakeClient) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    url = os.environ.get("FB_TEST_HDFS_URL")
    if url is None:
        pytest.skip("FB_TEST_HDFS_URL names no empty folder of an HDFS")
    c = fb_client(FsspecFS(url, writable=True))
    c.write_bytes("/f", b"data")
    c.rename("/f", "/g")
    assert c.read_bytes("/g") == b"data" and c.listdir("/") == ["g"]
    c.unlink("/g")
