# SPDX-License-Identifier: BSD-3-Clause
"""Id-mapped mounts (Linux 6.12): one mount shown a second time with other owners."""
import ctypes
import errno
import os
import subprocess

import pytest

from fixtures import as_user, host, needs_root, serve, tidy, umount  # noqa: F401

pytestmark = needs_root

# System calls that no wrapper of Debian 12's libc or util-linux reaches.
SYS_OPEN_TREE, SYS_MOVE_MOUNT, SYS_MOUNT_SETATTR = 428, 429, 442
OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH, AT_EMPTY_PATH, AT_FDCWD = 4, 0x1000, -100
MOUNT_ATTR_IDMAP = 0x00100000

STORED, SHOWN, COUNT = 0, 10000, 1000  # ids of the source and of who works on the mapped mount

libc = ctypes.CDLL(None, use_errno=True)


class MountAttr(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns_fd")]


def call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class UserNamespace:
    """A user namespace with one range of ids, for as long as its process sleeps."""

    def __enter__(self):
        self.process = subprocess.Popen(
            ["unshare", "--user", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE
        )
        self.process.stdout.readline()
        for kind in ("uid", "gid"):
            with open(f"/proc/{self.process.pid}/{kind}_map", "w") as file:
                file.write(f"{STORED} {SHOWN} {COUNT}\n")
        self.fd = os.open(f"/proc/{self.process.pid}/ns/user", os.O_RDONLY)
        return self.fd

    def __exit__(self, *_):
        os.close(self.fd)
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def mapped(serve, host):
    """(source, mapped): a source and an id-mapped view of its mount."""
    server = serve()
    target = host.folder("mapped")
    tree = call(SYS_OPEN_TREE, AT_FDCWD, os.fsencode(server.mountpoint),
                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
    try:
        with UserNamespace() as namespace:
            attr = MountAttr(MOUNT_ATTR_IDMAP, 0, 0, namespace)
            try:
                call(SYS_MOUNT_SETATTR, tree, b"", AT_EMPTY_PATH, ctypes.byref(attr),
                     ctypes.c_size_t(ctypes.sizeof(attr)))
            except OSError as error:
                pytest.skip(f"this kernel has no id-mapped FUSE mounts: {error}")
        call(SYS_MOVE_MOUNT, tree, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_F_EMPTY_PATH)
    finally:
        os.close(tree)
    yield server.source, target
    umount(target)


def test_owners_are_shown_mapped(mapped):
    source, view = mapped
    path = os.path.join(source, "file")
    open(path, "w").close()
    os.chown(path, STORED + 7, STORED + 8)
    shown = os.stat(os.path.join(view, "file"))
    assert (shown.st_uid, shown.st_gid) == (SHOWN + 7, SHOWN + 8)


def test_files_are_created_unmapped(mapped):
    source, view = mapped
    os.chown(source, STORED + 7, STORED + 7)

    def make():
        open(os.path.join(view, "made"), "x").close()
        os.mkdir(os.path.join(view, "folder"))
        os.symlink("made", os.path.join(view, "link"))

    assert as_user(SHOWN + 7, make) == 0
    for name in ("made", "folder", "link"):
        stored = os.lstat(os.path.join(source, name))
        assert (stored.st_uid, stored.st_gid) == (STORED + 7, STORED + 7), name


def test_owner_reads_writes_and_removes(mapped):
    source, view = mapped
    os.chown(source, STORED + 7, STORED + 7)
    path = os.path.join(view, "own")

    def work():
        with open(path, "x") as file:
            file.write("text")
        os.chmod(path, 0o600)
        with open(path) as file:
            assert file.read() == "text"
        os.rename(path, path + "2")
        os.unlink(path + "2")

    assert as_user(SHOWN + 7, work) == 0
    assert os.listdir(source) == []


def test_ids_without_a_mapping_create_nothing(mapped):
    source, view = mapped
    os.chmod(source, 0o777)
    result = as_user(SHOWN + COUNT + 1, lambda: open(os.path.join(view, "none"), "x").close())
    assert result == errno.EOVERFLOW
    assert os.listdir(source) == []
