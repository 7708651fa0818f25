# SPDX-License-Identifier: BSD-3-Clause
"""libfb.check, and what a server does about mistakes; the tables that both rest on."""

import inspect
import logging
from collections.abc import AsyncIterator, Iterator
from functools import partialmethod
from typing import Any

import libfb
import pytest
from libfb import _check, _operations
from libfb.testing import Client


class Good(libfb.PathFS):
    def getattr(self, path: str) -> libfb.Attr:
        return libfb.Dir()


LAYERS = [pytest.param(fs._layer, id=fs.__name__) for fs in (libfb.PathFS, libfb.NodeFS)]


@pytest.mark.parametrize("layer", LAYERS)
def test_the_protocols_have_all_operations(layer: int) -> None:
    called = {*_operations.OPERATIONS, "init", "chmod", "chown", "truncate", "utimens"}
    if layer == libfb.PathFS._layer:
        called -= {"lookup", "forget", "statx", "setupmapping", "removemapping"}
    assert set(_check.operations(layer)) == called


def test_nothing_is_wrong_with_good_ones() -> None:
    class Free(Good):
        limit = 3
        part = partialmethod(lambda self, path: None)

        def read(self, *args: Any) -> bytes:
            return b""

        def readdir(self, path: str) -> Iterator[str]:
            yield "a"

        async def listxattr(self, path: str) -> AsyncIterator[str]:
            yield "user.a"

        @staticmethod
        def unlink(path: str) -> None: ...

        @classmethod
        def rmdir(cls, path: str) -> None: ...

        def reads(self) -> None: ...

        def opener(self) -> None: ...

    assert libfb.check(Free) == libfb.check(Free()) == []
    assert libfb.check(libfb.Passthrough("/")) == []


CASES: list[tuple[str, str]] = [
    ("def get_attr(self, path): ...", "get_attr is not called: the operation is getattr"),
    ("def readDir(self, path): ...", "readDir is not called: the operation is readdir"),
    ("def raed(self): ...", "raed is not called: is read meant?"),
    ("def fgetattr(self): ...", "fgetattr is not called: the operation is getattr"),
    ("def readdirplus(self): ...", "readdirplus is not called: the operation is readdir"),
    ("def lookup(self, a, b): ...", "lookup is not called: it is no operation of this layer"),
    ("def read(self, path): ...",
     "read takes too few arguments (1): it is called as read(path, fh, off, size)"),
    ("def flush(self, a, b, c, d): ...",
     "flush needs 4 arguments, but it is called as flush(path, fh, lock_owner=0)"),
    ("def rmdir(self, path, *, force): ...",
     "rmdir needs force= by name, but it is called as rmdir(path)"),
    ("def getxattr(self, path, name): yield 1",
     "getxattr is a generator: it returns no result (yield in it?)"),
    ("async def init(self): ...", "init can not be async"),
    ("bmap = 5", "bmap is no method"),
    ("getattr = None", "needs getattr()"),
    ("@staticmethod\n def unlink(path, more): ...",
     "unlink needs 2 arguments, but it is called as unlink(path)"),
]


def broken(body: str) -> type[libfb.PathFS]:
    scope: dict[str, Any] = {"Good": Good}
    exec(f"class Bad(Good):\n {body}", scope)
    made: type[libfb.PathFS] = scope["Bad"]
    return made


@pytest.mark.parametrize(("body", "sentence"), CASES)
def test_mistakes_are_named(body: str, sentence: str) -> None:
    cls = broken(body)
    assert libfb.check(cls) == libfb.check(cls()) == [
        f"Bad {sentence}" if sentence.startswith("needs") else f"Bad.{sentence}"]


def test_nodes_need_a_lookup() -> None:
    assert libfb.check(type("Empty", (libfb.NodeFS,), {})) == [
        "Empty needs lookup()", "Empty needs getattr()"]


def test_the_driver_keeps_its_nodes() -> None:
    cls = type("Forgetful", (libfb.Passthrough,), {"forget": lambda self, node: None})
    assert libfb.check(cls) == ["Forgetful.forget is not called: the driver below keeps the nodes"]


@pytest.mark.parametrize("what", [object(), object, libfb.Attr(), 5])
def test_what_is_no_file_system_is_refused(what: Any) -> None:
    with pytest.raises(TypeError, match="does not derive from"):
        libfb.check(what)


@pytest.mark.parametrize("body", [body for body, sentence in CASES
                                  if "needs " in sentence
                                  or "async" in sentence or "no method" in sentence])
def test_a_server_refuses_what_can_not_be_called(body: str) -> None:
    with pytest.raises(TypeError, match=r"^Bad[. ]"):
        Client(broken(body)())


def test_a_server_warns_once_for_a_class(caplog: pytest.LogCaptureFixture) -> None:
    cls = broken("def get_attr(self, path): ...")
    with caplog.at_level(logging.WARNING, "libfb"):
        for _ in range(2):
            Client(cls()).close()
    assert caplog.messages == ["Bad.get_attr is not called: the operation is getattr"]


def test_a_server_does_not_guess(caplog: pytest.LogCaptureFixture) -> None:
    Client(broken("def raed(self): ...")()).close()
    assert caplog.messages == []


def test_the_protocols_are_explained() -> None:
    for protocol in (libfb.PathOperations, libfb.NodeOperations):
        for name, method in inspect.getmembers(protocol, inspect.isfunction):
            assert name.startswith("_") or method.__doc__, name
