# SPDX-License-Identifier: BSD-3-Clause
"""Mistakes that a class tells before it is mounted: misspelt operations, wrong numbers of
arguments."""

from __future__ import annotations

import difflib
import functools
import inspect
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ._errors import log
from ._fs import LAYER_LOWER, LAYER_NODES, LAYER_PATHS, FileSystem
from ._node_operations import NodeOperations
from ._operations import is_default
from ._protocols import PathOperations

_PROTOCOLS = {LAYER_PATHS: PathOperations, LAYER_NODES: NodeOperations,
              LAYER_LOWER: NodeOperations}
_MUST = {LAYER_PATHS: ("getattr",), LAYER_NODES: ("lookup", "getattr"), LAYER_LOWER: ()}
#: What other libraries call our operations.
_ELSEWHERE = {"fgetattr": "getattr", "fchmod": "chmod", "fchown": "chown", "ftruncate": "truncate",
              "utime": "utimens", "utimes": "utimens", "getdir": "readdir", "statvfs": "statfs"}
#: Operations of C drivers that no method is called for.
_C_ONLY = {"readdirplus": "readdir"}
_PLAIN = ("init",)  #: may do without any argument, but not await
_MANY = ("readdir", "listxattr")
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_LIKE = 0.85  #: how alike a name must be for a guess

_warned: weakref.WeakSet[type] = weakref.WeakSet()


@functools.cache
def operations(layer: int) -> dict[str, inspect.Signature]:
    """The operations of a layer; the signatures have self."""
    return {name: inspect.signature(method)
            for name, method in vars(_PROTOCOLS[layer]).items()
            if inspect.isfunction(method) and not name.startswith("_")}


def _parameters(fs: Any, name: str) -> list[inspect.Parameter] | None:
    """What a method takes besides self; None: that can not be known."""
    method = getattr(fs, name)
    try:
        found = list(inspect.signature(method).parameters.values())
    except (TypeError, ValueError):
        return None
    plain = isinstance(fs, type) and inspect.isfunction(inspect.getattr_static(fs, name))
    return found[1:] if plain else found


def _describe(signature: inspect.Signature) -> str:
    """As (path, fh=None)."""
    parts = [p.name if p.default is p.empty else f"{p.name}={p.default!r}"
             for p in list(signature.parameters.values())[1:]]
    return f"({', '.join(parts)})"


def _count_mistakes(name: str, found: list[inspect.Parameter],
                    wanted: inspect.Signature) -> Iterator[tuple[bool, str]]:
    """(it can not be called at all, sentence) for wrong numbers of arguments."""
    given = list(wanted.parameters.values())[1:]
    least = 0 if name in _PLAIN else sum(p.default is p.empty for p in given)
    needed = sum(p.kind in _POSITIONAL and p.default is p.empty for p in found)
    most = sum(p.kind in _POSITIONAL for p in found)
    text = f"{name}{_describe(wanted)}"
    if needed > len(given):
        yield True, f"{name} needs {needed} arguments, but it is called as {text}"
    for parameter in found:
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            yield True, f"{name} needs {parameter.name}= by name, but it is called as {text}"
    if most < least and not any(p.kind is p.VAR_POSITIONAL for p in found):
        yield False, f"{name} takes too few arguments ({most}): it is called as {text}"


def _kind_mistakes(name: str, method: Callable[..., Any]) -> Iterator[tuple[bool, str]]:
    """Generators and coroutines where there must be none."""
    many = inspect.isgeneratorfunction(method) or inspect.isasyncgenfunction(method)
    if many and name not in _MANY:
        yield False, f"{name} is a generator: it returns no result (yield in it?)"
    if inspect.iscoroutinefunction(method) and name in _PLAIN:
        yield True, f"{name} can not be async"


def _method_mistakes(fs: Any, name: str, wanted: inspect.Signature) -> Iterator[tuple[bool, str]]:
    method = getattr(fs, name)
    if not callable(method):
        yield True, f"{name} is no method"
        return
    found = _parameters(fs, name)
    if found is not None:
        yield from _count_mistakes(name, found, wanted)
    yield from _kind_mistakes(name, method)


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _alike(name: str, known: Iterable[str]) -> str | None:
    """The operation that a typing mistake may have made this name of; no reads(), opened() and
    such."""
    swapped = [op for op in known if sorted(op) == sorted(name)]
    close = swapped or difflib.get_close_matches(name, list(known), 1, _LIKE)
    return close[0] if close and not name.startswith(close[0]) else None


def _name_mistakes(names: list[str], known: dict[str, Any], layer: int,
                   guess: bool) -> Iterator[tuple[bool, str]]:
    """Methods that nobody calls and whose names say that somebody should."""
    spellings = {_plain(name): name for name in known}
    other = operations(LAYER_NODES if layer == LAYER_PATHS else LAYER_PATHS)
    for name in names:
        meant = _ELSEWHERE.get(name) or _C_ONLY.get(name) or spellings.get(_plain(name))
        if meant is not None:
            yield False, f"{name} is not called: the operation is {meant}"
        elif name in other:
            yield False, f"{name} is not called: it is no operation of this layer"
        elif guess and (close := _alike(name, known)):
            yield False, f"{name} is not called: is {close} meant?"


def _own_methods(fs: Any) -> list[str]:
    """Public methods that the class and its bases have beside ours."""
    cls = fs if isinstance(fs, type) else type(fs)
    ours = {name for base in cls.__mro__ if base.__module__ == FileSystem.__module__
            for name in vars(base)}
    return [name for name in dir(cls) if not name.startswith("_") and name not in ours
            and callable(inspect.getattr_static(cls, name))]


def _operation_mistakes(fs: Any, known: dict[str, inspect.Signature],
                        guess: bool) -> Iterator[tuple[bool, str]]:
    """What is wrong with the methods that there are."""
    for name, wanted in known.items():
        method = getattr(fs, name, None)
        if method is not None and not is_default(method):
            yield from _method_mistakes(fs, name, wanted)
    yield from _name_mistakes([name for name in _own_methods(fs) if name not in known], known,
                              fs._layer, guess)
    if fs._layer == LAYER_LOWER and hasattr(fs, "forget"):
        yield False, "forget is not called: the driver below keeps the nodes"


def _mistakes(fs: Any, guess: bool) -> Iterator[tuple[bool, str]]:
    """(it can not be served, sentence) for each mistake."""
    owner = (fs if isinstance(fs, type) else type(fs)).__name__
    for name in _MUST[fs._layer]:
        if getattr(fs, name, None) is None:
            yield True, f"{owner} needs {name}()"
    for fatal, text in _operation_mistakes(fs, operations(fs._layer), guess):
        yield fatal, f"{owner}.{text}"


def check(fs: FileSystem | type[FileSystem]) -> list[str]:
    """What looks wrong with a file system, or its class: operations that are missing, misspelt
    or of another layer, methods that need more arguments than they get or ignore some that
    matter. One sentence each; empty: nothing was found. For tests:

        def test_operations():
            assert libfb.check(MyFS) == []

    Raises TypeError for what is no file system.
    """
    cls = fs if isinstance(fs, type) else type(fs)
    if not (issubclass(cls, FileSystem) and hasattr(cls, "_layer")):
        raise TypeError(f"{cls.__name__} does not derive from libfb.PathFS, NodeFS or Passthrough")
    return [text for _fatal, text in _mistakes(fs, guess=True)]


def enforce(fs: FileSystem) -> None:
    """What a server does first: TypeError for a method that can not be called, a warning in the
    log, once for each class, for what else is surely a mistake."""
    cls = type(fs)
    mistakes = list(_mistakes(fs, guess=False))
    fatal = [text for is_fatal, text in mistakes if is_fatal]
    if fatal:
        raise TypeError("; ".join(fatal))
    if cls not in _warned:
        _warned.add(cls)
        for _fatal, text in mistakes:
            log.warning("%s", text)
