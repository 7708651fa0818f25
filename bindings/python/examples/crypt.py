#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A folder that keeps names and contents encrypted, and a mount that shows them in the clear.

    PASSPHRASE=secret python3 crypt.py /srv/sealed /mnt
    PASSPHRASE=secret python3 -m libfb crypt.py:Crypt /mnt --arg folder=/srv/sealed

A file is a row of blocks. Each is sealed by itself, so that any part can be read or written without
the rest:

    nonce (16 bytes, new at each write) | text XOR keystream | tag (16 bytes) of these and the place

To stay within Python's own library, the keystream is SHAKE-256 over key and nonce, and the tag a
keyed BLAKE2b. A product would take AES-GCM or ChaCha20-Poly1305 from python3-cryptography (a line
in seal() and one in unseal()), and also bind blocks to their file. What anybody still sees: sizes,
times, modes, the shape of the tree, and that two names are equal.
"""
from __future__ import annotations

import base64
import binascii
import errno
import hashlib
import hmac
import os
import stat
import sys
from collections.abc import Iterator

import libfb

BLOCK = 4096
NONCE = TAG = 16
SEALED = NONCE + BLOCK + TAG
SALT_FILE = "salt"  # names of sealed files are longer


def xor(text: bytes, stream: bytes) -> bytes:
    mixed = int.from_bytes(text, "big") ^ int.from_bytes(stream, "big")
    return mixed.to_bytes(len(text), "big")


class Sealer:
    """Seals blocks and names with keys made of a passphrase."""

    def __init__(self, passphrase: str, salt: bytes) -> None:
        keys = hashlib.scrypt(passphrase.encode(), salt=salt, n=1 << 14, r=8, p=1, dklen=96)
        self.stream_key, self.tag_key, self.name_key = keys[:32], keys[32:64], keys[64:]

    def stream(self, nonce: bytes, size: int) -> bytes:
        return hashlib.shake_256(self.stream_key + nonce).digest(size)

    def tag(self, number: int, sealed: bytes) -> bytes:
        place = number.to_bytes(8, "big")
        return hashlib.blake2b(place + sealed, key=self.tag_key, digest_size=TAG).digest()

    def seal(self, number: int, text: bytes) -> bytes:
        nonce = os.urandom(NONCE)
        sealed = nonce + xor(text, self.stream(nonce, len(text)))
        return sealed + self.tag(number, sealed)

    def unseal(self, number: int, block: bytes) -> bytes:
        """A block of zeros is a hole. OSError EIO: somebody has tampered with it."""
        if not any(block):
            return bytes(max(0, len(block) - NONCE - TAG))
        sealed, tag = block[:-TAG], block[-TAG:]
        if not hmac.compare_digest(tag, self.tag(number, sealed)):
            raise OSError(errno.EIO, "the block is damaged, or the passphrase is wrong")
        return xor(sealed[NONCE:], self.stream(sealed[:NONCE], len(sealed) - NONCE))

    def seal_name(self, name: str) -> str:
        """Always the same for one name: the nonce is made of it."""
        text = os.fsencode(name)
        nonce = hashlib.blake2b(text, key=self.name_key, digest_size=NONCE).digest()
        sealed = nonce + xor(text, self.stream(nonce, len(text)))
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def unseal_name(self, name: str) -> str | None:
        """None for names that we did not make."""
        try:
            sealed = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4))
        except (binascii.Error, ValueError):
            return None
        text = xor(sealed[NONCE:], self.stream(sealed[:NONCE], max(0, len(sealed) - NONCE)))
        nonce = hashlib.blake2b(text, key=self.name_key, digest_size=NONCE).digest()
        return os.fsdecode(text) if nonce == sealed[:NONCE] else None


def sealed_size(size: int) -> int:
    full, rest = divmod(size, BLOCK)
    return full * SEALED + (rest + NONCE + TAG if rest else 0)


def plain_size(size: int) -> int:
    full, rest = divmod(size, SEALED)
    return full * BLOCK + max(0, rest - NONCE - TAG)


class Crypt(libfb.PathFS):
    """The tree in a folder. A handle is a descriptor of the sealed file, open for reading, too."""

    def __init__(self, folder: str, passphrase: str | None = None) -> None:
        self.folder = folder
        salt_file = os.path.join(folder, SALT_FILE)
        if not os.path.exists(salt_file):
            with open(salt_file, "xb") as file:
                file.write(os.urandom(16))
        with open(salt_file, "rb") as file:
            salt = file.read()
        self.sealer = Sealer(passphrase or os.environ["PASSPHRASE"], salt)

    def real(self, path: str) -> str:
        """Where it lies."""
        sealed = [self.sealer.seal_name(name) for name in path.split("/") if name]
        return os.path.join(self.folder, *sealed)

    def own(self, path: str) -> None:
        """What we, who may be root, have made is the caller's."""
        caller = libfb.request()
        os.chown(self.real(path), caller.uid, caller.gid, follow_symlinks=False)

    # ---- attributes: what stat(2) says, but for the sizes ----

    def getattr(self, path: str | None, fh: int | None = None) -> libfb.Attr:
        """The path is None for an open file that has lost its name; then there is a handle."""
        st = os.stat(fh) if path is None else os.lstat(self.real(path))  # type: ignore[arg-type]
        size = plain_size(st.st_size) if stat.S_ISREG(st.st_mode) else st.st_size
        if stat.S_ISLNK(st.st_mode) and path is not None:
            size = len(os.fsencode(self.readlink(path)))
        return libfb.Attr(st.st_mode, size=size, blocks=st.st_blocks, ino=st.st_ino,
                          nlink=st.st_nlink, uid=st.st_uid, gid=st.st_gid, rdev=st.st_rdev,
                          atime_ns=st.st_atime_ns, mtime_ns=st.st_mtime_ns,
                          ctime_ns=st.st_ctime_ns)

    def chmod(self, path: str | None, mode: int, fh: int | None = None) -> None:
        os.chmod(fh if path is None else self.real(path), mode)  # type: ignore[arg-type]

    def chown(self, path: str | None, uid: int, gid: int, fh: int | None = None) -> None:
        if path is None:
            os.chown(fh, uid, gid)  # type: ignore[arg-type]
        else:
            os.chown(self.real(path), uid, gid, follow_symlinks=False)

    def utimens(self, path: str | None, atime_ns: int | None, mtime_ns: int | None,
                fh: int | None = None) -> None:
        """None: leave it as it is."""
        now = self.getattr(path, fh)
        times = (now.st_atime_ns if atime_ns is None else atime_ns,
                 now.st_mtime_ns if mtime_ns is None else mtime_ns)
        if path is None:
            os.utime(fh, ns=times)  # type: ignore[arg-type]
        else:
            os.utime(self.real(path), ns=times, follow_symlinks=False)

    def statfs(self, path: str) -> os.statvfs_result:
        return os.statvfs(self.folder)

    # ---- names ----

    def readdir(self, path: str) -> Iterator[str]:
        for name in os.listdir(self.real(path)):
            if (plain := self.sealer.unseal_name(name)) is not None:
                yield plain

    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(self.real(path), mode)
        self.own(path)

    def mknod(self, path: str, mode: int, rdev: int) -> None:
        os.mknod(self.real(path), mode, rdev)
        self.own(path)

    def symlink(self, path: str, target: str) -> None:
        os.symlink(self.sealer.seal_name(target), self.real(path))
        self.own(path)

    def readlink(self, path: str) -> str:
        target = self.sealer.unseal_name(os.readlink(self.real(path)))
        if target is None:
            raise OSError(errno.EIO, "the link is damaged, or the passphrase is wrong")
        return target

    def link(self, path: str, new_path: str) -> None:
        os.link(self.real(path), self.real(new_path), follow_symlinks=False)

    def unlink(self, path: str) -> None:
        os.unlink(self.real(path))

    def rmdir(self, path: str) -> None:
        os.rmdir(self.real(path))

    def rename(self, path: str, new_path: str) -> None:
        """Without an argument for flags libfb refuses renames that have some."""
        os.rename(self.real(path), self.real(new_path))

    # ---- contents ----

    def open(self, path: str, flags: int) -> int:
        """To write a part of a block, we read the rest of it. O_APPEND is the kernel's business: it
        tells us where to write."""
        writes = flags & os.O_ACCMODE != os.O_RDONLY
        return os.open(self.real(path), (os.O_RDWR if writes else os.O_RDONLY) | flags & os.O_TRUNC)

    def create(self, path: str, mode: int, flags: int) -> int:
        fh = os.open(self.real(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        self.own(path)
        return fh

    def release(self, path: str | None, fh: int) -> None:
        os.close(fh)

    def fsync(self, path: str | None, fh: int, datasync: bool) -> None:
        os.fsync(fh)

    def block(self, fh: int, number: int) -> bytes:
        return self.sealer.unseal(number, os.pread(fh, SEALED, number * SEALED))

    def read(self, path: str | None, fh: int, off: int, size: int) -> bytes:
        first, skip = divmod(off, BLOCK)
        count = (skip + size + BLOCK - 1) // BLOCK
        sealed = os.pread(fh, count * SEALED, first * SEALED)
        blocks = [sealed[at:at + SEALED] for at in range(0, len(sealed), SEALED)]
        text = b"".join(self.sealer.unseal(first + n, block) for n, block in enumerate(blocks))
        return text[skip:skip + size]

    def write(self, path: str | None, fh: int, off: int, data: bytes) -> None:
        if off > plain_size(os.fstat(fh).st_size):
            self.truncate(path, off, fh)  # the last block may be short: fill it up
        at = 0
        while at < len(data):
            number, skip = divmod(off + at, BLOCK)
            piece = data[at:at + BLOCK - skip]
            old = self.block(fh, number) if len(piece) < BLOCK else b""
            text = old[:skip] + piece + old[skip + len(piece):]
            os.pwrite(fh, self.sealer.seal(number, text), number * SEALED)
            at += len(piece)

    def truncate(self, path: str | None, size: int, fh: int | None = None) -> None:
        """The last block changes its length, and so its tag."""
        file = os.open(self.real(path), os.O_RDWR) if fh is None else fh  # type: ignore[arg-type]
        try:
            last = min(size, plain_size(os.fstat(file).st_size)) // BLOCK
            room = min(BLOCK, size - last * BLOCK)
            text = self.block(file, last)
            os.ftruncate(file, sealed_size(size))
            if text and room:
                sealed = self.sealer.seal(last, text[:room].ljust(room, b"\0"))
                os.pwrite(file, sealed, last * SEALED)
        finally:
            if fh is None:
                os.close(file)


if __name__ == "__main__":
    with libfb.mount(Crypt(sys.argv[1]), sys.argv[2]) as mount:
        mount.wait()
