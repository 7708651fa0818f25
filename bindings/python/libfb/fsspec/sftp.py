# SPDX-License-Identifier: BSD-3-Clause
"""SFTP by the paramiko client that fsspec has opened."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from typing import IO, Any

from .errors import failure
from .info import NS, Info
from .place import Place, Reader


class SftpReader(Reader):
    """Asks for all parts of a piece at once, as a round trip for each would be slow."""

    _place: SftpPlace

    def read(self, path: str, start: int, end: int) -> bytes:
        with self._place.calling(path):
            if self._file is not None and self._file.sftp is not self._place.ftp:
                self.close()  # of a connection that is gone
            return super().read(path, start, end)

    def _piece(self, start: int, end: int) -> bytes:
        return b"".join(self._file.readv([(start, end - start)]))


def _info(st: Any) -> Info:
    """Whole seconds, and no ctime: that is all SFTP has."""
    mode = st.st_mode or stat.S_IFREG
    return Info(
        kind=stat.S_IFMT(mode), size=st.st_size, mode=stat.S_IMODE(mode),
        uid=st.st_uid, gid=st.st_gid, mtime_ns=(st.st_mtime or 0) * NS,
        atime_ns=(st.st_atime or 0) * NS,
    )


def _list_bytes(ftp: Any, name: bytes) -> Iterator[Any]:
    """As listdir_attr(), which insists on names in UTF-8."""
    from paramiko import SFTPAttributes, sftp  # type: ignore[import]

    handle = ftp._request(sftp.CMD_OPENDIR, name)[1].get_binary()
    try:
        while True:
            answer = ftp._request(sftp.CMD_READDIR, handle)[1]
            for _ in range(answer.get_int()):
                filename = answer.get_binary()
                answer.get_binary()  # a line as of ls -l
                st = SFTPAttributes._from_msg(answer, filename)
                if filename not in (b".", b".."):
                    yield st
    except EOFError:
        return
    finally:
        ftp._request(sftp.CMD_CLOSE, handle)


class SftpPlace(Place):
    """Names of any bytes, modes, links; a lost connection is made again by the next call."""

    keeps_attributes = True
    forgets_directories = False
    reader = SftpReader

    def __init__(self, fs: Any, root: str, timeout: float) -> None:
        super().__init__(fs, root, timeout)
        self.lock = threading.RLock()  # threads would take each other's answers
        fs.ftp.get_channel().settimeout(timeout)

    @property
    def ftp(self) -> Any:
        """The client, connected."""
        transport = self.fs.client.get_transport()
        channel = self.fs.ftp.get_channel()
        if transport is None or not transport.is_active() or channel.closed:
            self.fs.client.close()
            self.fs._connect()
            self.fs.ftp.get_channel().settimeout(self.timeout)
        return self.fs.ftp

    def close(self) -> None:
        self.fs.client.close()

    def name(self, path: str) -> bytes:
        """A path as the server has it."""
        return os.fsencode(self.full(path))

    def info(self, path: str) -> Info:
        with self.calling(path):
            return _info(self.ftp.lstat(self.name(path)))

    def listing(self, path: str) -> dict[str, Info]:
        with self.calling(path):
            try:
                found = self.ftp.listdir_attr(self.name(path))
            except UnicodeDecodeError:
                found = list(_list_bytes(self.ftp, self.name(path)))
            return {os.fsdecode(st.filename): _info(st) for st in found}

    def open_reading(self, path: str) -> Any:
        return self.ftp.open(self.name(path), "rb")

    def readlink(self, path: str) -> str:
        with self.calling(path):
            return os.fsdecode(self.ftp.readlink(self.name(path)))

    def create(self, path: str, mode: int) -> None:
        with self.calling(path):
            self.ftp.open(self.name(path), "wx").close()
            self.ftp.chmod(self.name(path), mode)

    def upload(self, path: str, source: IO[bytes]) -> None:
        with self.calling(path):
            self.ftp.putfo(source, self.name(path))

    def remove(self, path: str) -> None:
        with self.calling(path):
            self.ftp.remove(self.name(path))

    def mkdir(self, path: str, mode: int) -> None:
        with self.calling(path):
            self.ftp.mkdir(self.name(path), mode)
            self.ftp.chmod(self.name(path), mode)  # whatever the umask is there

    def rmdir(self, path: str) -> None:
        with self.calling(path):
            self.ftp.rmdir(self.name(path))

    def move(self, path: str, new: str, directory: bool, replaced: bool) -> None:
        with self.calling(path):
            self.ftp.posix_rename(self.name(path), self.name(new))

    def chmod(self, path: str, mode: int) -> None:
        with self.calling(path):
            self.ftp.chmod(self.name(path), mode)

    def chown(self, path: str, uid: int, gid: int) -> None:
        with self.calling(path):
            st = self.ftp.stat(self.name(path))
            ids = (st.st_uid if uid == -1 else uid), (st.st_gid if gid == -1 else gid)
            self.ftp.chown(self.name(path), *ids)

    def utime(self, path: str, atime_ns: int, mtime_ns: int) -> None:
        with self.calling(path):
            if not 0 <= min(atime_ns, mtime_ns) <= max(atime_ns, mtime_ns) < 2**32 * NS:
                raise failure(errno.EOPNOTSUPP, path, "SFTP has times of 32 bits")
            self.ftp.utime(self.name(path), (atime_ns // NS, mtime_ns // NS))

    def symlink(self, path: str, target: str) -> None:
        with self.calling(path):
            self.ftp.symlink(os.fsencode(target), self.name(path))
