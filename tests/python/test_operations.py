# SPDX-License-Identifier: BSD-3-Clause
"""The protocols say what is: every operation is called with the arguments written there."""

import os
import select
from typing import Any

import libfb
import pytest
from libfb import _check
from libfb.testing import Client

NAMES = ("mkdir", "mknod", "symlink", "link", "create", "tmpfile")
#: Of each argument, the types that a call may have for it.
KINDS: dict[str, tuple[type, ...]] = {
    "path": (str,), "new_path": (str,), "name": (str,), "new_name": (str,), "target": (str,),
    "node": (int, str), "parent": (int, str), "new_parent": (int, str), "new_node": (int, str),
    "data": (bytes,), "value": (bytes,), "datasync": (bool,), "fh": (list, type(None)),
    "new_fh": (list,), "kh": (int, type(None)), "flock_owner": (int, type(None)), "lock": (libfb.Lock,),
    "changes": (libfb.Changes,), "conn": (libfb.Conn,),
}


class Recorder:
    """Makes the methods of a file system that has everything, and notes their arguments."""

    def __init__(self, base: type[libfb.NodeFS] | type[libfb.PathFS]) -> None:
        self.calls: dict[str, tuple[Any, ...]] = {}
        self.by_node = base is libfb.NodeFS
        self.made: set[Any] = {"/", 1}
        fixed: dict[str, Any] = {
            "open": ["open"], "opendir": ["opendir"], "readdir": ["a"], "read": b"x",
            "readlink": "/", "getxattr": b"1", "listxattr": ["user.a"], "statfs": libfb.StatFS(),
            "statx": libfb.Statx(libfb.File(), 0), "lseek": 0, "copy_file_range": 0, "poll": 0, "bmap": 0,
        }
        names = set(_check.operations(base._layer)) - {"chmod", "chown", "truncate", "utimens"}
        self.fs: Any = type("Everything", (base,), {
            name: self.method(name, fixed.get(name)) for name in names})()

    def method(self, name: str, fixed: Any) -> Any:
        """An operation that remembers its arguments."""
        def handler(fs: Any, *args: Any) -> Any:
            self.calls.setdefault(name, args)
            return self.answer(name, args, fixed)
        return handler

    def answer(self, name: str, args: tuple[Any, ...], fixed: Any) -> Any:
        """What there is: directories whose name begins with d, links with l, else files."""
        if name in ("getattr", "setattr"):
            return self.attributes(args[0])
        if name == "lookup":
            return self.entry(args[1])
        if name in NAMES:
            new = self.new_name(name, args)
            self.made.add(new)
            fixed = ["open"] if name in ("create", "tmpfile") else None
            if self.by_node:
                return (self.entry(new), fixed) if fixed else self.entry(new)
        return fixed

    def new_name(self, name: str, args: tuple[Any, ...]) -> Any:
        """The path or node that an operation makes: None or "t" where it has no name."""
        if name == "tmpfile":
            return "t" if self.by_node else None
        if name == "link":
            return args[0] if self.by_node else args[1]
        return args[1] if self.by_node else args[0]

    def attributes(self, what: Any) -> libfb.Attr:
        """Of a path or node; ENOENT for what has not been made."""
        if what not in self.made:
            raise FileNotFoundError
        text = str(what)
        if text in ("/", "1") or text.endswith("d"):
            return libfb.Dir()
        return libfb.Symlink() if text.endswith("l") else libfb.File(size=5)

    def entry(self, name: Any) -> libfb.Entry:
        """The node of a name is that name."""
        return libfb.Entry(name, self.attributes(name))


def use_files(client: Client) -> None:
    """Everything that one does to an open file."""
    with client.create("/f") as file:
        file.read(1)
        file.write(b"x")
        file.fsync()
        file.flush()
        file.fallocate(0, 0, 1)
        file.lseek_data(0)
        file.ioctl(0x1234)
        file.poll(select.POLLIN)
        file.lock()
        file.getlk()
        file.copy_to(0, file, 0, 1)
        file.fstat()
    client.open("/f").close()
    client.tmpfile("/").close()
    client.truncate("/f", 1)


def use_names(client: Client) -> None:
    """Everything that one does to names."""
    client.mkdir("/d")
    client.mknod("/c")
    client.symlink("/", "/l")
    client.readlink("/l")
    client.link("/f", "/g")
    client.rename("/f", "/g")
    client.unlink("/f")
    client.rmdir("/d")
    client.setxattr("/c", "user.a", b"1")
    client.getxattr("/c", "user.a")
    client.listxattr("/c")
    client.removexattr("/c", "user.a")
    client.access("/c", os.R_OK)
    client.statfs("/")
    client.syncfs("/")
    with client.opendir("/") as folder:
        folder.read()
        folder.fsync()


@pytest.fixture(params=[libfb.PathFS, libfb.NodeFS], ids=["paths", "nodes"])
def recorder(request: pytest.FixtureRequest) -> Recorder:
    """Of one layer, after a session in which everything was asked for."""
    recorder = Recorder(request.param)
    with Client(recorder.fs) as client:
        use_files(client)
        use_names(client)
    return recorder


def test_calls_have_the_arguments_of_the_protocol(recorder: Recorder) -> None:
    wanted = {name: list(signature.parameters)[1:]
              for name, signature in _check.operations(recorder.fs._layer).items()}
    for name, args in recorder.calls.items():
        assert len(args) == len(wanted[name]), name
        for parameter, value in zip(wanted[name], args):
            assert isinstance(value, KINDS.get(parameter, (int,))), f"{name}: {parameter}={value!r}"


def test_everything_was_called(recorder: Recorder) -> None:
    missing = set(_check.operations(recorder.fs._layer)) - set(recorder.calls)
    assert missing - {"statx", "setupmapping", "removemapping"} == {
        "chmod", "chown", "truncate", "utimens", "bmap"}
