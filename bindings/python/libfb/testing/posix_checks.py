# SPDX-License-Identifier: BSD-3-Clause
"""POSIX behaviour of names and attributes. Each check's first sentence is what it demands."""
from __future__ import annotations

import contextlib
import errno
import os
import stat as modes
import time
from collections.abc import Callable, Iterator

from .attributes import NOW, OMIT
from .client import Client
from .names import EXCHANGE, NOREPLACE

CHECKS: list[Callable[[Client], None]] = []
MANY = 1000
NAME_MAX = 255
SLACK_NS = 5 * 10**9
"""By how much a clock of the server may differ."""


def check(function: Callable[[Client], None]) -> Callable[[Client], None]:
    """Put a function into the suite."""
    CHECKS.append(function)
    return function


@contextlib.contextmanager
def refused(*errnos: int) -> Iterator[None]:
    """What is done inside has to fail with one of these errnos."""
    names = " or ".join(errno.errorcode[number] for number in errnos)
    try:
        yield
    except OSError as error:
        said = errno.errorcode.get(error.errno or 0, str(error))
        assert error.errno in errnos, f"It said {said} where {names} was due."
    else:
        raise AssertionError(f"It succeeded where {names} was due.")


@check
def root_is_directory(c: Client) -> None:
    """The root is a directory with at least one link."""
    st = c.stat("/")
    assert modes.S_ISDIR(st.st_mode) and st.st_nlink >= 1, st


@check
def missing_name(c: Client) -> None:
    """A name that is not there gives ENOENT."""
    with refused(errno.ENOENT):
        c.stat("/missing")


@check
def mkdir_makes_directory(c: Client) -> None:
    """mkdir makes a directory with the mode less the umask, and its name is listed."""
    c.by(umask=0o027).mkdir("/d", 0o777)
    assert modes.S_IFMT(c.stat("/d").st_mode) == modes.S_IFDIR
    assert c.stat("/d").st_mode & 0o777 == 0o750, oct(c.stat("/d").st_mode)
    assert c.listdir("/") == ["d"]


@check
def mkdir_existing(c: Client) -> None:
    """mkdir of a name that is there gives EEXIST, whether it is a file or a directory."""
    c.mkdir("/d")
    with refused(errno.EEXIST):
        c.mkdir("/d")


@check
def create_mode(c: Client) -> None:
    """A new file is empty, regular, of one link, with the mode less the umask."""
    c.by(umask=0o022).create("/f", 0o666).close()
    st = c.stat("/f")
    assert modes.S_ISREG(st.st_mode) and st.st_size == 0 and st.st_nlink == 1, st
    assert st.st_mode & 0o7777 == 0o644, oct(st.st_mode)


@check
def create_owner(c: Client) -> None:
    """A new file belongs to its caller."""
    c.chmod("/", 0o777)
    c.by(uid=1234, gid=4321).create("/f").close()
    st = c.stat("/f")
    assert (st.st_uid, st.st_gid) == (1234, 4321), f"It belongs to {st.st_uid}:{st.st_gid}."


@check
def name_of_255_bytes(c: Client) -> None:
    """A name of 255 bytes works, one of 256 gives ENAMETOOLONG."""
    c.create("/" + "n" * NAME_MAX).close()
    assert c.listdir("/") == ["n" * NAME_MAX]
    with refused(errno.ENAMETOOLONG):
        c.create("/" + "n" * (NAME_MAX + 1))


@check
def name_of_any_bytes(c: Client) -> None:
    """A name may hold any bytes but NUL and the slash, and comes back as it was."""
    name = os.fsdecode(b"\xff\n \\\x01")
    c.create("/" + name).close()
    assert c.listdir("/") == [name], c.listdir("/")
    c.stat("/" + name)


@check
def unlink_removes(c: Client) -> None:
    """unlink takes the name away."""
    c.create("/f").close()
    c.unlink("/f")
    assert c.listdir("/") == []
    with refused(errno.ENOENT):
        c.unlink("/f")


@check
def rmdir_not_empty(c: Client) -> None:
    """rmdir of a directory with something in it gives ENOTEMPTY and keeps it."""
    c.mkdir("/d")
    c.create("/d/f").close()
    with refused(errno.ENOTEMPTY, errno.EEXIST):
        c.rmdir("/d")
    c.unlink("/d/f")
    c.rmdir("/d")
    assert c.listdir("/") == []


@check
def directory_links(c: Client) -> None:
    """A directory counts its subdirectories as links, or always says 1."""
    c.mkdir("/d")
    c.mkdir("/d/e")
    assert c.stat("/d").st_nlink in (1, 3), f"It has {c.stat('/d').st_nlink} links."


@check
def rename_moves(c: Client) -> None:
    """rename moves a file with its content and its number."""
    c.mkdir("/d")
    c.write_bytes("/a", b"content")
    number = c.stat("/a").st_ino
    c.rename("/a", "/d/b")
    assert not c.exists("/a") and c.read_bytes("/d/b") == b"content"
    assert c.stat("/d/b").st_ino == number, "Its st_ino has changed."


@check
def rename_replaces(c: Client) -> None:
    """rename replaces a file that has the new name."""
    c.write_bytes("/a", b"new")
    c.write_bytes("/b", b"old")
    c.rename("/a", "/b")
    assert c.listdir("/") == ["b"] and c.read_bytes("/b") == b"new"


@check
def rename_missing(c: Client) -> None:
    """rename of a name that is not there gives ENOENT."""
    with refused(errno.ENOENT):
        c.rename("/a", "/b")


@check
def rename_directory_onto_full_one(c: Client) -> None:
    """rename of a directory onto one with something in it gives ENOTEMPTY."""
    c.mkdir("/a")
    c.mkdir("/b")
    c.create("/b/f").close()
    with refused(errno.ENOTEMPTY, errno.EEXIST):
        c.rename("/a", "/b")
    c.unlink("/b/f")
    c.rename("/a", "/b")
    assert c.listdir("/") == ["b"]


@check
def rename_directory_with_children(c: Client) -> None:
    """What lies in a directory is found under its new name after a rename."""
    c.mkdir("/a")
    c.write_bytes("/a/f", b"x")
    c.rename("/a", "/b")
    assert c.read_bytes("/b/f") == b"x"
    with refused(errno.ENOENT):
        c.stat("/a/f")


@check
def rename_noreplace(c: Client) -> None:
    """rename with NOREPLACE moves where nothing is, and keeps both files elsewhere."""
    c.write_bytes("/a", b"a")
    c.write_bytes("/b", b"b")
    try:
        c.rename("/a", "/c", NOREPLACE)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise OSError(errno.EOPNOTSUPP, "no flags for rename") from error
        raise
    with refused(errno.EEXIST):
        c.rename("/c", "/b", NOREPLACE)
    assert (c.read_bytes("/c"), c.read_bytes("/b")) == (b"a", b"b")


@check
def rename_exchange(c: Client) -> None:
    """rename with EXCHANGE swaps two names and loses neither file."""
    c.write_bytes("/a", b"a")
    c.write_bytes("/b", b"b")
    try:
        c.rename("/a", "/b", EXCHANGE)
    except OSError as error:
        assert (c.read_bytes("/a"), c.read_bytes("/b")) == (b"a", b"b"), "A file was lost."
        if error.errno == errno.EINVAL:
            raise OSError(errno.EOPNOTSUPP, "no flags for rename") from error
        raise
    assert (c.read_bytes("/a"), c.read_bytes("/b")) == (b"b", b"a"), "They were not swapped."


@check
def link_counts(c: Client) -> None:
    """A hard link is the same file, and both names count."""
    c.write_bytes("/a", b"x")
    c.link("/a", "/b")
    a, b = c.stat("/a"), c.stat("/b")
    assert a.st_ino == b.st_ino and a.st_nlink == b.st_nlink == 2, (a, b)
    c.write_bytes("/b", b"changed")
    assert c.read_bytes("/a") == b"changed"
    c.unlink("/a")
    assert c.stat("/b").st_nlink == 1


@check
def symlink_reads_back(c: Client) -> None:
    """A symbolic link keeps its target byte for byte, and its size is the target's length."""
    c.symlink("../some where/\udcff", "/l")
    assert c.readlink("/l") == "../some where/\udcff"
    st = c.lstat("/l")
    assert modes.S_ISLNK(st.st_mode) and st.st_size == len("../some where/x"), st


@check
def symlink_followed(c: Client) -> None:
    """A symbolic link is followed, also to a directory in the middle of a path."""
    c.mkdir("/d")
    c.write_bytes("/d/f", b"x")
    c.symlink("d", "/l")
    assert c.read_bytes("/l/f") == b"x"


@check
def mknod_fifo(c: Client) -> None:
    """mknod makes a named pipe."""
    c.mknod("/p", modes.S_IFIFO | 0o600)
    assert modes.S_ISFIFO(c.stat("/p").st_mode)


@check
def chmod_sets_bits(c: Client) -> None:
    """chmod sets the permission bits and leaves the type."""
    c.create("/f").close()
    c.chmod("/f", 0o4751)
    assert c.stat("/f").st_mode == modes.S_IFREG | 0o4751, oct(c.stat("/f").st_mode)


@check
def chown_sets_ids(c: Client) -> None:
    """chown sets owner and group, and -1 keeps one."""
    c.create("/f").close()
    c.chown("/f", 12, 34)
    c.chown("/f", -1, 56)
    st = c.stat("/f")
    assert (st.st_uid, st.st_gid) == (12, 56), f"It belongs to {st.st_uid}:{st.st_gid}."


@check
def utime_exact(c: Client) -> None:
    """Times are kept to the second at least, and no nanosecond is made up."""
    c.create("/f").close()
    access, change = 1_234_567_890_123_456_789, 1_000_000_000_987_654_321
    c.utime("/f", ns=(access, change))
    st = c.stat("/f")
    for got, due in ((st.st_atime_ns, access), (st.st_mtime_ns, change)):
        kept = str(got).rstrip("0")
        assert 0 <= due - got < 10**9 and str(due).startswith(kept), f"{due} became {got}."


@check
def utime_before_1970(c: Client) -> None:
    """Times before 1970 are kept."""
    c.create("/f").close()
    c.utime("/f", ns=(-10 * 10**9, -20 * 10**9))
    st = c.stat("/f")
    assert (st.st_atime_ns, st.st_mtime_ns) == (-10 * 10**9, -20 * 10**9), st


@check
def utime_omit_and_now(c: Client) -> None:
    """A time that is omitted stays, NOW is the server's clock."""
    c.create("/f").close()
    c.utime("/f", ns=(10**18, 10**18))
    c.utime("/f", ns=(OMIT, NOW))
    st = c.stat("/f")
    assert st.st_atime_ns == 10**18, f"The omitted time became {st.st_atime_ns}."
    late = abs(st.st_mtime_ns - time.time_ns())
    assert late < SLACK_NS, f"NOW is {late / 1e9:.1f} s from the clock."


@check
def listing_in_pieces(c: Client) -> None:
    """A directory of 1000 names lists each once, whatever the size of the buffer."""
    c.mkdir("/d")
    names = {f"name-{i:04}-{'x' * (i % 50)}" for i in range(MANY)}
    for name in names:
        c.mknod(f"/d/{name}")
    for size in (512, 4096, 5000, 1 << 16):
        listed = [entry.name for entry in c.scandir("/d", size=size)]
        assert len(listed) == MANY and set(listed) == names, (
            f"With {size} bytes it lists {len(listed)} names, {len(set(listed))} different ones."
        )


@check
def listing_with_attributes(c: Client) -> None:
    """A listing with attributes has the same names, and attributes as stat tells them."""
    c.mkdir("/d")
    c.write_bytes("/f", b"four")
    plain, plus = c.scandir("/"), c.scandir("/", plus=True)
    assert {e.name for e in plain} == {e.name for e in plus} == {"d", "f"}
    for entry in plus:
        if entry.attr:
            st = c.lstat("/" + entry.name)
            assert entry.attr.st_ino == st.st_ino and entry.attr.st_size == st.st_size, entry


@check
def listing_types(c: Client) -> None:
    """The types in a listing are those of the files, or unknown."""
    c.mkdir("/d")
    c.create("/f").close()
    types = {entry.name: entry.type for entry in c.scandir("/")}
    assert types["d"] in (0, modes.S_IFDIR) and types["f"] in (0, modes.S_IFREG), types


@check
def rewind_sees_changes(c: Client) -> None:
    """After a rewind a listing begins again, with what has changed."""
    c.create("/a").close()
    with c.opendir("/") as directory:
        assert [entry.name for entry in directory.list()] == ["a"]
        c.create("/b").close()
        c.unlink("/a")
        directory.rewind()
        assert [entry.name for entry in directory.list()] == ["b"]


@check
def seek_in_listing(c: Client) -> None:
    """A listing goes on behind the entry whose cookie was sought."""
    for i in range(20):
        c.mknod(f"/{i}")
    with c.opendir("/") as directory:
        entries = directory.list()
        directory.seek(entries[9].cookie)
        rest = [entry.name for entry in directory.list()]
    assert rest == [entry.name for entry in entries[10:]], rest


@check
def remove_while_listing(c: Client) -> None:
    """All files go when each is removed as it is listed."""
    for i in range(200):
        c.mknod(f"/file-{i}")
    with c.opendir("/") as directory:
        while entries := directory.read(1024):
            for entry in entries:
                if entry.name not in (".", ".."):
                    c.unlink("/" + entry.name)
    assert c.listdir("/") == [], f"{len(c.listdir('/'))} names were passed over."


@check
def xattr_life(c: Client) -> None:
    """An extended attribute is set, listed, read and removed."""
    c.create("/f").close()
    c.setxattr("/f", "user.fb", b"va\0lue")
    assert c.getxattr("/f", "user.fb") == b"va\0lue"
    assert "user.fb" in c.listxattr("/f")
    c.removexattr("/f", "user.fb")
    with refused(errno.ENODATA):
        c.getxattr("/f", "user.fb")


@check
def xattr_create_and_replace(c: Client) -> None:
    """XATTR_CREATE gives EEXIST for one that is there, XATTR_REPLACE ENODATA for one that is not."""
    c.create("/f").close()
    c.setxattr("/f", "user.fb", b"1", os.XATTR_CREATE)
    with refused(errno.EEXIST):
        c.setxattr("/f", "user.fb", b"2", os.XATTR_CREATE)
    with refused(errno.ENODATA):
        c.setxattr("/f", "user.other", b"2", os.XATTR_REPLACE)


@check
def statfs_sane(c: Client) -> None:
    """statfs tells no more free blocks than there are, and how long names may be."""
    st = c.statfs("/")
    assert st.f_bavail <= st.f_blocks and st.f_bfree <= st.f_blocks and st.f_namemax > 0, st
