# SPDX-License-Identifier: BSD-3-Clause
"""Extended attributes as ordinary users see them, and sources that have them in some places only."""
import ctypes
import errno
import fcntl
import json
import os
import subprocess
import sys

import pytest

from conftest import NOBODY, SECONDS
from fixtures import host, needs_root, serve, tidy  # noqa: F401

pytestmark = needs_root

libc = ctypes.CDLL(None, use_errno=True)

# CAP_NET_RAW permitted, version 2.
CAPABILITY = bytes([0, 0, 0, 2, 0, 0x20]) + bytes(14)
FS_IOC_GETFLAGS = 0x80086601
NAMES = ["user.a", "user.none", "trusted.a", "security.fbtest", "security.capability"]

# Prints what one may do with each attribute of each path: the value in hex, or the error.
LOOK = """
import errno, json, os, sys
def result(call, *arguments, **words):
    try:
        return call(*arguments, **words)
    except OSError as error:
        return errno.errorcode[error.errno]
top, names = sys.argv[1], json.loads(sys.argv[2])
seen = {}
for path in sorted(os.listdir(top)):
    at = os.path.join(top, path)
    listed = result(os.listxattr, at, follow_symlinks=False)
    seen[path, "list"] = sorted(listed) if isinstance(listed, list) else listed
    for name in names:
        got = result(os.getxattr, at, name, follow_symlinks=False)
        seen[path, "get " + name] = got.hex() if isinstance(got, bytes) else got
        # With a flag that makes success impossible where there is none, to change nothing.
        flag = os.XATTR_CREATE if isinstance(got, bytes) else os.XATTR_REPLACE
        seen[path, "set " + name] = result(os.setxattr, at, name, b"x", flag, follow_symlinks=False)
        if not isinstance(got, bytes):
            seen[path, "remove " + name] = result(os.removexattr, at, name, follow_symlinks=False)
print(json.dumps([[*where, what] for where, what in seen.items()]))
"""


def look(top, uid):
    """{(path, question): answer} for everything in a folder, as a user without privileges or root."""
    command = [sys.executable, "-c", LOOK, str(top), json.dumps(NAMES)]
    if uid:
        command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=SECONDS, check=True)
    return {(path, question): answer for path, question, answer in json.loads(done.stdout)}


def make_files(folder):
    """A file of each kind that differs in who may do what, each with an attribute of each kind."""
    kinds = {
        "everybodys": (0o666, 0), "roots": (0o600, 0), "closed": (0, 0), "own": (0o600, NOBODY),
        "own closed": (0, NOBODY), "own folder": (0o700, NOBODY), "own sticky": (0o1777, NOBODY),
        "sticky": (0o1777, 0), "link": (None, NOBODY), "fifo": (0o666, NOBODY),
    }  # fmt: skip
    for name, (mode, owner) in kinds.items():
        path = folder / name
        if name == "link":
            path.symlink_to("roots")
        elif name == "fifo":
            os.mkfifo(path)
        elif "folder" in name or "sticky" in name:
            path.mkdir()
        else:
            path.write_text("content")
        os.setxattr(path, "trusted.a", b"t", follow_symlinks=False)
        os.setxattr(path, "security.fbtest", b"s", follow_symlinks=False)
        if name not in ("link", "fifo"):
            os.setxattr(path, "user.a", b"u")
        os.chown(path, owner, owner, follow_symlinks=False)
        if mode is not None:
            path.chmod(mode)
        if path.is_file() and name != "link":
            os.setxattr(path, "security.capability", CAPABILITY)


def assert_same_answers(source, mounted, uid, ignore=lambda where: False):
    """Whoever looks sees the same through the mount as on the host. Returns what the host shows."""
    expected, got = look(source, uid), look(mounted, uid)
    assert expected.keys() == got.keys()
    wrong = {
        where: (answer, got[where])
        for where, answer in expected.items()
        if got[where] != answer and not ignore(where)
    }
    assert not wrong, "\n".join(f"{where}: {host} on the host, {seen}" for where, (host, seen) in wrong.items())
    return expected


MODES = [(), ("--inode-file-handles=never",), ("--cache=always",), ("--posix-acl",)]


@pytest.mark.parametrize("options", MODES, ids=lambda options: " ".join(options) or "default")
@pytest.mark.parametrize("uid", [0, NOBODY], ids=["root", "nobody"])
def test_a_user_sees_what_the_host_shows(serve, options, uid):
    """
    Files need not be readable for their attributes to be listed, nor for security.*. With
    default_permissions the server lists for everybody: the names of trusted.* show there.
    """
    server = serve(*options)
    make_files(server.source)
    got = look(server.path, uid)
    names = {where: answer for where, answer in got.items() if where[1] == "list"}
    expected = assert_same_answers(server.source, server.path, uid, ignore=lambda where: where in names)
    for where, answer in names.items():
        assert [name for name in answer if not name.startswith("trusted.")] == [
            name for name in expected[where] if not name.startswith("trusted.")
        ]
    if uid == 0:
        assert got["closed", "list"] == sorted(NAMES[:1] + NAMES[2:])
    else:
        assert got["closed", "get security.fbtest"] == b"s".hex()
        assert got["closed", "get user.a"] == "EACCES"
        assert got["everybodys", "get trusted.a"] == "ENODATA"
        assert got["own", "set trusted.a"] == got["own", "remove trusted.a"] == "EPERM"


@pytest.mark.parametrize("uid", [0, NOBODY], ids=["root", "nobody"])
def test_the_host_checks_for_each_caller(serve, uid):
    """Without default_permissions the server asks as the caller: names of trusted.* are hidden, too."""
    server = serve("--no-default-permissions")
    make_files(server.source)
    expected = assert_same_answers(server.source, server.path, uid)
    assert ("trusted.a" in expected["own", "list"]) == (uid == 0)


def test_a_server_without_privileges(mount, area, serves_as_nobody, users_mount, watchdog):
    """It needs not open a file to list its attributes or to read security.*: mode 0000 is no hindrance."""
    make_files(area / "src")
    with mount(prefix=serves_as_nobody):
        expected = assert_same_answers(area / "src", area / "mnt", NOBODY)
    assert expected["own closed", "list"] == ["security.capability", "security.fbtest", "user.a"]
    assert expected["own closed", "get security.fbtest"] == b"s".hex()
    assert expected["own closed", "get user.a"] == "EACCES"


# ---- a source of two file systems ------------------------------------------------------------------------


def error_of(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return None


def get_flags(path):
    with open(path) as file:
        fcntl.ioctl(file, FS_IOC_GETFLAGS, bytes(8))


def allocate(path):
    """os.posix_fallocate() would write zeroes where the file system can not do it."""
    with open(path, "r+b") as file:
        if libc.fallocate(file.fileno(), 1, ctypes.c_int64(0), ctypes.c_int64(4096)) < 0:
            raise OSError(ctypes.get_errno(), "fallocate")


QUESTIONS = {
    "set": lambda path: os.setxattr(path, "user.b", b"x"),
    "get": lambda path: os.getxattr(path, "user.a"),
    "list": lambda path: os.listxattr(path),
    "remove": lambda path: os.removexattr(path, "user.a"),
    "flags": get_flags,
    "allocate": allocate,
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("options", [(), ("--announce-submounts", "--inode-file-handles=never")], ids=["default", "announced"])
def test_what_one_file_system_lacks_the_other_keeps(host, serve, options, question):
    """Linux remembers some errors for the whole mount (ENOSYS): one file system must not cause that."""
    source = host.folder("source")
    without = host.mount("ramfs", "ramfs", "mode=755", "ramfs", parent=source)
    ask = QUESTIONS[question]
    for folder in source, without:
        (folder / "file").write_text("content")
        (folder / "other").write_text("content")
    for name in "file", "other":
        os.setxattr(source / name, "user.a", b"a")
    lacking = error_of(ask, without / "other")
    assert question == "list" or lacking in ("EOPNOTSUPP", "ENOTSUP", "ENOTTY"), f"ramfs has it: {lacking}"
    server = serve(*options, source=source)
    for _ in range(2):
        assert error_of(ask, server.path / without.name / "file") == lacking
    assert error_of(ask, server.path / "file") is None
    assert error_of(ask, server.path / without.name / "file") == lacking
    assert error_of(ask, server.path / "other") is None
    assert ("user.b" in os.listxattr(source / "file")) == (question == "set")
    assert ("user.a" in os.listxattr(source / "other")) == (question != "remove")
    assert ("user.a" in os.listxattr(server.path / "other")) == (question != "remove")
