# SPDX-License-Identifier: BSD-3-Clause
"""The client in place of a kernel, against the C library's own driver."""
import errno
import os
import pathlib
import stat
from collections.abc import Callable, Iterator

import libfb
import pytest
from libfb.testing import NOW, OMIT, AnswerLost, Client, Op
from libfb.testing import wire

FS_IOC_GETFLAGS = (2 << 30) | (8 << 16) | (ord("f") << 8) | 1
EXCHANGE, NOREPLACE = 2, 1


@pytest.fixture
def source(tmp_path: pathlib.Path) -> pathlib.Path:
    """What is served."""
    tmp_path.chmod(0o777)
    return tmp_path


@pytest.fixture
def c(source: pathlib.Path) -> Iterator[Client]:
    """A client, which holds nothing in the end."""
    with Client(libfb.Passthrough(source)) as client:
        yield client


def test_the_example(c: Client) -> None:
    c.write_bytes("/a", b"x")
    c.rename("/a", "/b")
    assert c.listdir("/") == ["b"]
    with pytest.raises(FileNotFoundError):
        c.stat("/a")
    assert c.raw(Op.READ, node=99, body=b"\0" * 7).error == errno.EINVAL


def test_every_message_may_be_cut_short(c: Client) -> None:
    for op in Op:
        if op in (Op.INIT, Op.DESTROY):
            continue
        for size in (0, 1, 7):
            answer = c.raw(op, body=b"\0" * size)
            assert answer.answered == (op not in wire.NO_ANSWER)
    assert c.raw(9999).error == errno.ENOSYS
    assert c.raw(Op.GETATTR, len=17).error == errno.EINVAL
    assert c.stat("/").st_nlink >= 2


@pytest.mark.parametrize("op, size", [(Op.OPEN, 8), (Op.GETATTR, 16)])
def test_a_forged_node_is_refused(c: Client, op: Op, size: int) -> None:
    assert c.raw(op, node=0xDEAD, body=bytes(size)).error in (errno.ESTALE, errno.EBADF)


def test_lookups_are_counted_and_given_back(c: Client, source: pathlib.Path) -> None:
    (source / "f").write_bytes(b"x")
    for _ in range(10):
        node = c.lookup(wire.ROOT, b"f").node
    assert c.known == {node: 10}
    c.forget(node, 4)
    assert c.known == {node: 6}
    with pytest.raises(ValueError):
        c.forget(node, 7)
    c.batch_forget({node: 5})
    with pytest.raises(AssertionError, match="lookups still held"):
        c.assert_balanced()
    with c.open("/f"):
        c.forget_all()
        assert list(c.known) == [node]
    c.forget_all()
    c.assert_balanced()
    assert c.raw(Op.GETATTR, node=node, body=bytes(16)).error


def test_a_listing_with_attributes_counts_lookups(c: Client, source: pathlib.Path) -> None:
    for i in range(100):
        (source / f"{i}").write_bytes(b"x" * i)
    entries = c.scandir("/", plus=True, size=1000)
    assert {entry.name: entry.attr.st_size for entry in entries if entry.attr} == {f"{i}": i for i in range(100)}
    assert len(c.known) == 100


def test_what_was_removed_is_forgotten(c: Client) -> None:
    c.write_bytes("/f", b"x")
    c.link("/f", "/g")
    c.unlink("/f")
    assert len(c.known) == 1
    c.unlink("/g")
    c.mkdir("/d")
    c.rmdir("/d")
    c.assert_balanced()


def test_a_file_left_open_is_told(source: pathlib.Path) -> None:
    client = Client(libfb.Passthrough(source))
    client.create("/f")
    with pytest.raises(AssertionError, match="not closed before"):
        client.close()
    client.close()


def test_paths(c: Client) -> None:
    c.mkdir("/d")
    c.write_bytes("/d/f", b"x")
    c.symlink("/d/../d", "/l")
    c.symlink("loop", "/loop")
    assert c.read_bytes("//l/./f") == b"x"
    assert stat.S_ISLNK(c.lstat("/l").st_mode) and stat.S_ISDIR(c.lstat("/l/").st_mode)
    for path, error in {
        "": errno.ENOENT,
        "/d/f/": errno.ENOTDIR,
        "/d/f/x": errno.ENOTDIR,
        "/loop": errno.ELOOP,
    }.items():
        with pytest.raises(OSError) as raised:
            c.stat(path)
        assert raised.value.errno == error, path


@pytest.mark.parametrize("name", [b"\xff\n", "ü".encode(), b"..x", b" "])
def test_names_of_any_bytes(c: Client, source: pathlib.Path, name: bytes) -> None:
    c.write_bytes(b"/" + name, b"x")
    assert os.listdir(os.fsencode(source)) == [name]
    assert [os.fsencode(each) for each in c.listdir("/")] == [name]


def test_what_a_kernel_refuses_by_itself(c: Client) -> None:
    c.mkdir("/d")
    c.mkdir("/d/e")
    c.write_bytes("/f", b"x")
    refusals: list[tuple[Callable[[], object], int]] = [
        (lambda: c.mkdir("/d"), errno.EEXIST),
        (lambda: c.mkdir("/"), errno.EEXIST),
        (lambda: c.unlink("/d"), errno.EISDIR),
        (lambda: c.rmdir("/f"), errno.ENOTDIR),
        (lambda: c.rename("/d", "/d/e/x"), errno.EINVAL),
        (lambda: c.rename("/d/e", "/d"), errno.ENOTEMPTY),
        (lambda: c.rename("/d", "/f"), errno.ENOTDIR),
        (lambda: c.rename("/f", "/d"), errno.EISDIR),
        (lambda: c.rename("/f", "/x", EXCHANGE), errno.ENOENT),
        (lambda: c.rename("/f", "/d", NOREPLACE), errno.EEXIST),
        (lambda: c.link("/d", "/x"), errno.EPERM),
        (lambda: c.open("/d", os.O_RDWR), errno.EISDIR),
        (lambda: c.open("/f", os.O_DIRECTORY), errno.ENOTDIR),
        (lambda: c.readlink("/f"), errno.EINVAL),
    ]
    for action, error in refusals:
        with pytest.raises(OSError) as raised:
            action()
        assert raised.value.errno == error


def test_attributes(c: Client, source: pathlib.Path) -> None:
    c.write_bytes("/f", b"content")
    here, there = c.stat("/f"), (source / "f").stat()
    for name in ("st_mode", "st_size", "st_ino", "st_nlink", "st_uid", "st_gid", "st_mtime_ns", "st_blocks"):
        assert getattr(here, name) == getattr(there, name), name
    c.utime("/f", ns=(-1, 2**60))
    assert ((source / "f").stat().st_atime_ns, (source / "f").stat().st_mtime_ns) == (-1, 2**60)
    c.utime("/f", ns=(OMIT, NOW))
    assert c.stat("/f").st_atime_ns == -1 and c.stat("/f").st_mtime_ns > 2**60


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes devices")
def test_devices(c: Client, source: pathlib.Path) -> None:
    device = os.makedev(300, 70000)
    c.mknod("/dev", stat.S_IFCHR | 0o600, device)
    assert c.stat("/dev").st_rdev == device == (source / "dev").stat().st_rdev


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be somebody else")
def test_somebody_else(c: Client) -> None:
    c.by(uid=1000, gid=1001, umask=0o077).mkdir("/d")
    st = c.stat("/d")
    assert (st.st_uid, st.st_gid, st.st_mode & 0o777) == (1000, 1001, 0o700)
    assert c.caller.uid == 0


def test_reading_and_writing(c: Client, source: pathlib.Path) -> None:
    data = os.urandom(3 << 20)
    with c.create("/f") as file:
        assert file.write(data) == len(data)
        assert file.read(5, 1 << 20) == data[1 << 20 : (1 << 20) + 5]
        file.truncate(10)
        assert file.fstat().st_size == 10
        assert file.ioctl(FS_IOC_GETFLAGS)[0] == 0
    assert (source / "f").read_bytes() == data[:10]
    c.write_bytes("/f", memoryview(b"short"))
    assert c.read_bytes("/f") == b"short"


def test_xattrs(c: Client) -> None:
    c.write_bytes("/f", b"")
    c.setxattr("/f", "user.big", b"v" * 2000)
    assert c.getxattr("/f", "user.big") == b"v" * 2000
    assert "user.big" in c.listxattr("/f")
    with pytest.raises(FileExistsError):
        c.setxattr("/f", "user.big", b"", os.XATTR_CREATE)


def test_directories(c: Client, source: pathlib.Path) -> None:
    for i in range(500):
        (source / f"{i:03}").touch()
    for size in (128, 333, 4096, 1 << 17):
        assert sorted(entry.name for entry in c.scandir("/", size=size)) == [f"{i:03}" for i in range(500)]
    with c.opendir("/") as directory:
        first = directory.read(256)
        assert {".", ".."} <= {entry.name for entry in [*first, *directory]}
        directory.rewind()
        assert directory.read(256) == first
        directory.seek(first[0].cookie)
        assert directory.read(256)[0] == first[1]


def test_a_lost_answer_hands_out_nothing(c: Client) -> None:
    c.write_bytes("/f", b"x")
    c.forget_all()
    c.drop_answers(1, errno.ECONNABORTED)
    with pytest.raises(AnswerLost) as raised:
        c.lookup(wire.ROOT, b"f")
    assert raised.value.errno == errno.ECONNABORTED
    c.assert_balanced()
    c.drop_answers(2)
    for _ in range(2):
        with pytest.raises(AnswerLost):
            c.raw(Op.OPENDIR, body=bytes(8))
    c.assert_balanced()


@pytest.mark.parametrize("thread", [False, True])
def test_interrupt(source: pathlib.Path, thread: bool) -> None:
    with Client(libfb.Passthrough(source, posix_lock=True)) as c:
        with c.create("/f") as one, c.by(pid=22).open("/f", os.O_RDWR) as two:
            one.lock(start=0, length=10)
            found = two.getlk()
            assert found and (found.start, found.length, found.exclusive) == (0, 10, True)
            waiting = two.lock_later(start=5, length=1, thread=thread)
            with pytest.raises(TimeoutError):
                waiting.wait(0.05)
            waiting.interrupt()
            assert waiting.wait().error == errno.EINTR and waiting.done
            waiting = two.lock_later(start=5, length=1, thread=thread)
            one.unlock(start=0, length=10)
            assert waiting.wait().error == 0


def test_start(c: Client) -> None:
    pending = [c.start(Op.GETATTR, body=bytes(16)) for _ in range(10)]
    assert all(each.done for each in pending)
    assert len({each.wait().unique for each in pending}) == 10


def test_notifications(c: Client) -> None:
    assert c.notifications() == []
    with pytest.raises(TimeoutError):
        c.notification(0.01)
