# SPDX-License-Identifier: BSD-3-Clause
"""Places of which more is known than fsspec tells: local files, memory, HTTP; the way to them."""

from __future__ import annotations

import os
import shutil
import stat
import urllib.parse
from typing import IO, Any

import fsspec  # type: ignore[import]
import fsspec.asyn  # type: ignore[import]
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import]
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import]

from .errors import translated
from .info import DIRECTORY, Info, from_raw, from_stat, time_ns
from .place import PIECE, Place, Reader


class LocalPlace(Place):
    """Local files keep everything, and links are seen as such."""

    keeps_attributes = True
    forgets_directories = False
    reader = Reader

    def info(self, path: str) -> Info:
        return from_stat(os.lstat(self.full(path)))

    def listing(self, path: str) -> dict[str, Info]:
        found = {}
        with os.scandir(self.full(path)) as entries:
            for entry in entries:
                try:
                    found[entry.name] = from_stat(entry.stat(follow_symlinks=False))
                except FileNotFoundError:  # removed meanwhile
                    continue
        return found

    def open_reading(self, path: str) -> Any:
        return open(self.full(path), "rb")

    def readlink(self, path: str) -> str:
        return os.readlink(self.full(path))

    def create(self, path: str, mode: int) -> None:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        os.close(os.open(self.full(path), flags, mode))
        os.chmod(self.full(path), mode)  # whatever our umask is

    def upload(self, path: str, source: IO[bytes]) -> None:
        with open(self.full(path), "wb") as to:
            shutil.copyfileobj(source, to, PIECE)

    def remove(self, path: str) -> None:
        os.unlink(self.full(path))

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(self.full(path))
        os.chmod(self.full(path), mode)

    def rmdir(self, path: str) -> None:
        os.rmdir(self.full(path))

    def move(self, path: str, new: str, directory: bool, replaced: bool) -> None:
        os.rename(self.full(path), self.full(new))

    def chmod(self, path: str, mode: int) -> None:
        os.chmod(self.full(path), mode)

    def chown(self, path: str, uid: int, gid: int) -> None:
        os.lchown(self.full(path), uid, gid)

    def utime(self, path: str, atime_ns: int, mtime_ns: int) -> None:
        os.utime(self.full(path), ns=(atime_ns, mtime_ns), follow_symlinks=False)

    def symlink(self, path: str, target: str) -> None:
        os.symlink(target, self.full(path))


class MemoryPlace(Place):
    """How times of files in memory are told differs between versions, but for modified()."""

    def describe(self, raw: dict[str, Any]) -> Info:
        info = from_raw(raw)
        if info.is_directory:
            return info
        return info._replace(mtime_ns=time_ns(self.fs.modified(raw["name"])))


class HttpPlace(Place):
    """Pages with links are directories. Sizes and times come from HEAD; a URL that leads to one
    with a slash at its end is a directory."""

    writes = False
    lists_all = False

    def full(self, path: str) -> str:
        quoted = urllib.parse.quote(os.fsencode(path))
        return self.root if path == "/" else self._base + quoted

    def info(self, path: str) -> Info:
        if path == "/":
            return DIRECTORY
        with translated(path):
            found: Info | None = fsspec.asyn.sync(self.fs.loop, self._head, self.full(path))
            return from_raw(self.fs.info(self.full(path))) if found is None else found

    async def _head(self, url: str) -> Info | None:
        """None where the server has no HEAD."""
        session = await self.fs.set_session()
        how = dict(self.fs.kwargs)
        how["headers"] = {**how.get("headers", {}), "Accept-Encoding": "identity"}
        how.setdefault("allow_redirects", True)
        async with session.head(self.fs.encode_url(url), **how) as answer:
            if answer.status in (405, 501):
                return None
            answer.raise_for_status()
            changed = time_ns(answer.headers.get("Last-Modified"))
            if answer.url.path.endswith("/"):
                return DIRECTORY._replace(mtime_ns=changed)
            length = answer.headers.get("Content-Length")
            return Info(
                size=int(length) if length else None, mtime_ns=changed,
                version=answer.headers.get("ETag"),
            )

    def listing(self, path: str) -> dict[str, Info]:
        """Links to what lies below; of files only that they are there is known."""
        with translated(path):
            base = self.full(path).rstrip("/") + "/"
            found = {}
            for raw in self.fs.ls(base, detail=True):
                link = raw["name"].split("#")[0].split("?")[0]
                part = link[len(base):].rstrip("/") if link.startswith(base) else ""
                name = os.fsdecode(urllib.parse.unquote_to_bytes(part))
                if name and "/" not in name and name not in (".", ".."):
                    found[name] = Info(stat.S_IFDIR if link.endswith("/") else stat.S_IFREG)
            return found


def _connect_options(url: str, options: dict[str, Any], timeout: float) -> dict[str, Any]:
    """Time limits, and a connection of our own, where fsspec would have none."""
    protocol = url.partition("://")[0]
    if protocol in ("http", "https"):
        import aiohttp

        limit = aiohttp.ClientTimeout(total=None, sock_connect=timeout, sock_read=timeout)
        client = {"timeout": limit, **options.get("client_kwargs", {})}
        return {**options, "client_kwargs": client}
    if protocol in ("sftp", "ssh"):
        return {"timeout": timeout, "skip_instance_cache": True, **options}
    return options


def find_place(what: Any, options: dict[str, Any], timeout: float) -> Place:
    """The place of a URL, or of the root of a file system of fsspec's."""
    if isinstance(what, (str, os.PathLike)):
        url = os.fspath(what)
        with translated(url):
            fs, root = fsspec.core.url_to_fs(url, **_connect_options(url, options, timeout))
    elif options:
        raise TypeError(f"options are for a URL: {', '.join(options)}")
    else:
        fs, root = what, what.root_marker
    return _class_for(fs)(fs, root, timeout)


def _class_for(fs: Any) -> type[Place]:
    if isinstance(fs, LocalFileSystem):
        return LocalPlace
    if isinstance(fs, MemoryFileSystem):
        return MemoryPlace
    names = {cls.__module__ for cls in type(fs).__mro__}
    if "fsspec.implementations.sftp" in names:
        from .sftp import SftpPlace

        return SftpPlace
    return HttpPlace if "fsspec.implementations.http" in names else Place
