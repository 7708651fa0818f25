# SPDX-License-Identifier: BSD-3-Clause
"""Open files."""
from __future__ import annotations

import errno
import os
import select
from types import TracebackType

from . import wire
from .attributes import Stat
from .locks import Locks
from .nodes import Nodes
from .wire import Op, SetAttr

PIECE = 128 << 10
"""Bytes of one READ or WRITE."""
IOC_WRITE, IOC_READ = 1, 2


class File(Locks):
    """An open file, for a with block. Offsets and sizes are in bytes; there is no position."""

    def __init__(self, nodes: Nodes, node: int, flags: int, fh: int | None) -> None:
        self.asker, self.node, self.flags = nodes, node, flags
        self._nodes = nodes
        self._stateless = fh is None
        self.fh = fh or 0
        self.closed = False

    # ---- data --------------------------------------------------------------------------------

    def read(self, size: int = -1, off: int = 0) -> bytes:
        """Up to size bytes from off; all up to the end of the file for -1."""
        pieces: list[bytes] = []
        while size != 0:
            want = PIECE if size < 0 else min(size, PIECE)
            piece = self._read_piece(want, off)
            pieces.append(piece)
            off += len(piece)
            size -= len(piece) if size > 0 else 0
            if len(piece) < want:
                break
        return b"".join(pieces)

    def _read_piece(self, size: int, off: int) -> bytes:
        body = wire.pack(
            "read_in",
            fh=self.fh,
            offset=off,
            size=size,
            read_flags=wire.READ_LOCKOWNER,
            lock_owner=self.owner(),
            flags=self.flags,
        )
        data = self.asker.ask(Op.READ, self.node, body, room=size + 4096)
        assert len(data) <= size, f"{len(data)} bytes read where {size} were asked for"
        return data

    def write(self, data: bytes | bytearray | memoryview, off: int = 0) -> int:
        """Write all of data at off, at the end with O_APPEND. Returns the bytes written.

        They are fewer when the server took less of a piece than it was given.
        """
        view, done = memoryview(data).cast("B"), 0
        if self.flags & os.O_APPEND:
            off = self.fstat().st_size
        while done < len(view):
            piece = bytes(view[done : done + self._piece_size()])
            count = self._write_piece(piece, off + done)
            done += count
            if count < len(piece):
                break
        return done

    def _piece_size(self) -> int:
        return min(PIECE, getattr(self.asker.connection.backend, "max_write", PIECE))

    def _write_piece(self, data: bytes, off: int) -> int:
        body = wire.pack(
            "write_in",
            fh=self.fh,
            offset=off,
            size=len(data),
            write_flags=wire.WRITE_LOCKOWNER
            | (wire.WRITE_KILL_SUIDGID if self.asker.restrained() else 0),
            lock_owner=self.owner(),
            flags=self.flags,
        )
        answer = self.asker.ask(Op.WRITE, self.node, body + data)
        count = wire.unpack("write_out", answer)["size"]
        assert count <= len(data), f"{count} bytes written where {len(data)} were given"
        return count

    def copy_to(self, off: int, to: File, to_off: int, count: int, flags: int = 0) -> int:
        """COPY_FILE_RANGE from here. Returns the bytes copied, perhaps fewer than count."""
        body = wire.pack(
            "copy_file_range_in",
            fh_in=self.fh,
            off_in=off,
            nodeid_out=to.node,
            fh_out=to.fh,
            off_out=to_off,
            len=count,
            flags=flags,
        )
        answer = self.asker.answer(Op.COPY_FILE_RANGE_64, self.node, body)
        if answer.error != errno.ENOSYS:
            wide = answer.check("COPY_FILE_RANGE_64")
            return wire.unpack("copy_file_range_out", wide)["bytes_copied"]
        narrow = self.asker.ask(Op.COPY_FILE_RANGE, self.node, body)
        return wire.unpack("write_out", narrow)["size"]

    def fsync(self, datasync: bool = False) -> None:
        """Have what was written stored for good; datasync: attributes only as far as needed."""
        flags = wire.FSYNC_DATASYNC if datasync else 0
        body = wire.pack("fsync_in", fh=self.fh, fsync_flags=flags)
        self.asker.ask(Op.FSYNC, self.node, body)

    def flush(self) -> None:
        """What close(2) sends for each descriptor; drops the caller's range locks."""
        body = wire.pack("flush_in", fh=self.fh, lock_owner=self.owner())
        self.asker.ask(Op.FLUSH, self.node, body)

    def fallocate(self, mode: int, off: int, length: int) -> None:
        """Reserve, punch or move a range; mode is made of FALLOC_FL_*."""
        body = wire.pack("fallocate_in", fh=self.fh, offset=off, length=length, mode=mode)
        self.asker.ask(Op.FALLOCATE, self.node, body)

    def lseek_data(self, off: int) -> int:
        """Where data begins, from off on; ENXIO when there is none."""
        return self._lseek(off, wire.SEEK_DATA)

    def lseek_hole(self, off: int) -> int:
        """Where a hole begins, from off on: at the latest at the end of the file."""
        return self._lseek(off, wire.SEEK_HOLE)

    def _lseek(self, off: int, whence: int) -> int:
        body = wire.pack("lseek_in", fh=self.fh, offset=off, whence=whence)
        answer = self.asker.answer(Op.LSEEK, self.node, body)
        if answer.error == errno.ENOSYS:
            return self._lseek_dense(off, whence)
        return wire.unpack("lseek_out", answer.check("LSEEK"))["offset"]

    def _lseek_dense(self, off: int, whence: int) -> int:
        """What a kernel does where the server knows no holes: all is data."""
        size = self.fstat().st_size
        if off >= size:
            raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
        return off if whence == wire.SEEK_DATA else size

    # ---- attributes and control --------------------------------------------------------------

    def fstat(self) -> Stat:
        """Attributes, asked for by this open file."""
        return self._nodes.get_attributes(self.node, None if self._stateless else self.fh)

    def truncate(self, size: int) -> None:
        """Set the size in bytes."""
        fh = None if self._stateless else self.fh
        self._nodes.set_attributes(self.node, SetAttr.SIZE, fh, size=size)

    def chmod(self, mode: int) -> None:
        """Set the permission bits."""
        kind = self.fstat().st_mode & ~0o7777
        self._nodes.set_attributes(self.node, SetAttr.MODE, mode=kind | (mode & 0o7777))

    def ioctl(self, command: int, data: bytes = b"", *, arg: int = 0) -> tuple[int, bytes]:
        """Returns what ioctl(2) would, and the bytes that come back.

        How many bytes go either way is in command, as _IOC() puts it there; data is cut or filled
        with zeros.
        """
        way, size = command >> 30, (command >> 16) & 0x3FFF
        given = data[:size].ljust(size, b"\0") if way & IOC_WRITE else b""
        taken = size if way & IOC_READ else 0
        body = wire.pack(
            "ioctl_in", fh=self.fh, cmd=command, arg=arg, in_size=len(given), out_size=taken
        )
        answer = self.asker.ask(Op.IOCTL, self.node, body + given)
        fields = wire.unpack("ioctl_out", answer)
        back = answer[wire.layout("ioctl_out").size :]
        assert len(back) <= taken, f"ioctl gave {len(back)} bytes where {taken} were asked for"
        if fields["result"] < 0:
            raise OSError(-fields["result"], os.strerror(-fields["result"]))
        return fields["result"], back

    def poll(self, events: int = select.POLLIN | select.POLLOUT, *, wake: int = 0) -> int:
        """Which events (POLL*) are there. wake: a number that a notification is to bring later."""
        flags = wire.POLL_SCHEDULE_NOTIFY if wake else 0
        body = wire.pack("poll_in", fh=self.fh, kh=wake, flags=flags, events=events)
        answer = self.asker.answer(Op.POLL, self.node, body)
        if answer.error == errno.ENOSYS:
            return events & (select.POLLIN | select.POLLOUT)
        return wire.unpack("poll_out", answer.check("POLL"))["revents"]

    # ---- the end -----------------------------------------------------------------------------

    def close(self) -> None:
        """FLUSH and RELEASE; once is enough. What FLUSH answers is raised after the release."""
        if self.closed:
            return
        self.closed = True
        try:
            self.flush()
        finally:
            self._release()

    def _release(self) -> None:
        if self._stateless:
            return
        body = wire.pack(
            "release_in",
            fh=self.fh,
            flags=self.flags,
            release_flags=wire.RELEASE_FLOCK_UNLOCK if self.flocked else 0,
            lock_owner=self.owner(flock=True) if self.flocked else 0,
        )
        self.asker.ask(Op.RELEASE, self.node, body)

    def __enter__(self) -> File:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
