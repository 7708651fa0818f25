# SPDX-License-Identifier: BSD-3-Clause
"""A share that is read-only at the server, whatever its clients have made of their mount."""
import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import struct

import pytest

from conftest import NOBODY, mount_entry
from fixtures import host, in_background, needs_root, reap, serve, tidy  # noqa: F401

pytestmark = needs_root

MS_NOSUID, MS_NODEV, MS_REMOUNT = 2, 4, 32
AT_FDCWD, RENAME_EXCHANGE = -100, 2
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_NODUMP_FL = 0x80086601, 0x40086602, 0x40
FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR = 0x801C581F, 0x401C5820

libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def opened(path, flags=os.O_RDONLY):
    fd = os.open(path, flags)
    try:
        yield fd
    finally:
        os.close(fd)


def name_of(call):
    """The error of a call by its name; None for success."""
    try:
        call()
    except OSError as error:
        return errno.errorcode[error.errno]
    return None


def make_writable(mountpoint):
    """As root of a client may do: the kernel lets every change pass from here on."""
    assert "ro" in mount_entry(mountpoint)["options"]
    check(libc.mount(None, os.fsencode(mountpoint), None, MS_REMOUNT | MS_NOSUID | MS_NODEV, None))
    assert "ro" not in mount_entry(mountpoint)["options"]


def set_flags(path):
    with opened(path) as fd:
        flags = struct.unpack("i", fcntl.ioctl(fd, FS_IOC_GETFLAGS, bytes(4)))[0]
        fcntl.ioctl(fd, FS_IOC_SETFLAGS, struct.pack("i", flags ^ FS_NODUMP_FL))


def set_project(path):
    with opened(path) as fd:
        xattr = bytearray(fcntl.ioctl(fd, FS_IOC_FSGETXATTR, bytes(28)))
        xattr[12] ^= 1
        fcntl.ioctl(fd, FS_IOC_FSSETXATTR, bytes(xattr))


def exchange(one, other):
    check(libc.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE))


def changes(top):
    """Every way to change something by a name."""
    file, folder, new = top / "file", top / "folder", top / "new"
    return {
        "create": lambda: open(new, "x"),
        "create, not exclusive": lambda: os.open(new, os.O_CREAT | os.O_RDONLY),
        "open": lambda: open(file, "r+"),
        "open to write only": lambda: os.open(file, os.O_WRONLY),
        "open to append": lambda: open(file, "a"),
        "open O_TRUNC": lambda: os.open(file, os.O_RDONLY | os.O_TRUNC),
        "O_TMPFILE": lambda: os.open(top, os.O_TMPFILE | os.O_RDWR),
        "truncate": lambda: os.truncate(file, 0),
        "unlink": lambda: os.unlink(file),
        "mkdir": lambda: os.mkdir(new),
        "rmdir": lambda: os.rmdir(folder),
        "rename": lambda: os.rename(file, new),
        "rename over": lambda: os.rename(file, top / "second"),
        "exchange": lambda: exchange(file, top / "second"),
        "link": lambda: os.link(file, new),
        "symlink": lambda: os.symlink("x", new),
        "mkfifo": lambda: os.mkfifo(new),
        "mknod": lambda: os.mknod(new, 0o600),
        "chmod": lambda: os.chmod(file, 0),
        "chmod of a folder": lambda: os.chmod(folder, 0),
        "chown": lambda: os.chown(file, 1, 1),
        "chown of a link": lambda: os.chown(top / "link", 1, 1, follow_symlinks=False),
        "utime": lambda: os.utime(file),
        "utime of a link": lambda: os.utime(top / "link", (1, 1), follow_symlinks=False),
        "setxattr": lambda: os.setxattr(file, "user.b", b""),
        "setxattr, trusted": lambda: os.setxattr(file, "trusted.b", b""),
        "removexattr": lambda: os.removexattr(file, "user.a"),
        "chattr": lambda: set_flags(file),
        "chattr of a folder": lambda: set_flags(folder),
        "chattr -p": lambda: set_project(file),
    }


def make_source(host):
    source = host.folder("source")
    (source / "file").write_text("content")
    (source / "second").write_text("second")
    (source / "folder").mkdir()
    (source / "link").symlink_to("file")
    os.setxattr(source / "file", "user.a", b"1")
    return source


def picture(folder):
    """All that could have changed; ctime sees every change."""
    return {
        entry.name: (entry.stat(follow_symlinks=False).st_ctime_ns, entry.inode())
        for entry in os.scandir(folder)
    } | {".": os.stat(folder).st_ctime_ns}


OPTIONS = [(), ("--inode-file-handles=never", "--no-kernel-passthrough", "--no-killpriv-v2"),
           ("--cache=always", "--writeback"), ("--no-default-permissions",)]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(options) or "default")
def test_the_server_refuses_every_change(host, serve, options):
    """The mount was made writable again: EROFS is the server's own."""
    source = make_source(host)
    server = serve("--readonly", "--set-inode-flags", *options, source=source)
    before = picture(source)
    make_writable(server.path)
    results = {name: name_of(change) for name, change in changes(server.path).items()}
    wrong = {name: result for name, result in results.items() if result != "EROFS"}
    assert not wrong
    assert picture(source) == before
    assert (server.path / "file").read_text() == "content"
    assert sorted(os.listdir(server.path)) == sorted(os.listdir(source))


def test_the_server_refuses_data_without_opens(host, serve):
    """With stateless opens no open is there to be refused; the data itself is."""
    source = make_source(host)
    server = serve("--readonly", "--stateless-open", source=source)
    before = picture(source)
    make_writable(server.path)
    (server.path / "second").read_text()  # from here on the kernel opens by itself
    requests = server.statistics().get("OPEN", 0)
    with opened(server.path / "file", os.O_RDWR) as fd, opened(server.path / "second") as second:
        assert server.statistics().get("OPEN", 0) == requests
        with mmap.mmap(fd, 0) as mapping:
            mapping[:7] = b"changed"
            assert name_of(mapping.flush) == "EROFS"
        assert name_of(lambda: os.ftruncate(fd, 1)) == "EROFS"
        assert name_of(lambda: os.pwrite(fd, b"x", 0)) == "EROFS"
        assert name_of(lambda: os.posix_fallocate(fd, 0, 100)) == "EROFS"
        assert name_of(lambda: os.copy_file_range(second, fd, 3)) == "EROFS"
    assert picture(source) == before
    assert (source / "file").read_text() == "content"
    assert server.process.poll() is None


def test_create_reads_no_file_of_others(host, serve):
    """CREATE of a name that the kernel believes to be missing opens it only if its caller may."""
    source = host.folder("source")
    source.chmod(0o777)
    server = serve("--readonly", "--negative-timeout=60", source=source)
    make_writable(server.path)
    for name, mode, expected in ("secret", 0o600, errno.EACCES), ("open", 0o644, 0):
        path = server.path / name
        assert not path.exists()
        (source / name).write_text("content")
        (source / name).chmod(mode)

        def read_as_nobody():
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            with opened(path, os.O_RDONLY | os.O_CREAT) as fd:
                assert os.read(fd, 100) == b"content"

        assert reap(in_background(read_as_nobody)) == expected
