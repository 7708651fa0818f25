# SPDX-License-Identifier: BSD-3-Clause
"""What help() shows: the C headers' comments, and words for everything that is public."""

import inspect
import pathlib
import re
import types
from collections.abc import Iterator
from typing import Any

import libfb
import libfb.testing
import pytest
from libfb import _check
from libfb._binding import swig as _swig

SOURCE = pathlib.Path(__file__).parents[2]
HEADERS = "\n".join(path.read_text(encoding="utf-8")
                    for path in sorted((SOURCE / "libfb/include/libfb").glob("*.h")))
#: Functions of the binding, under their own names.
BINDING = "\n".join((SOURCE / "bindings/python" / name).read_text(encoding="utf-8")
                    for name in ("handle.h", "super.h"))


def words(text: str) -> str:
    """Without line breaks and the stars of a comment."""
    return " ".join(text.replace("\n *", "\n").split())


def comment(name: str) -> str | None:
    """What stands right above the function or struct of this name; None: nothing does."""
    for header, full in ((BINDING, name), (HEADERS, f"fb_{name}")):
        found = re.search(rf"/\*((?:(?!\*/).)*)\*/\n(?:struct {full} \{{|"
                          rf"[a-zA-Z][^;{{}}\n]*\b{full}\()", header, re.S)
        if found:
            return words(found[1])
    return None


def wrapped() -> list[str]:
    """Functions and structs that SWIG has wrapped."""
    return [name for name, value in vars(_swig).items()
            if not name.startswith("_") and inspect.isfunction(value) or
            isinstance(value, type) and hasattr(value, "thisown")]


@pytest.mark.parametrize("name", wrapped())
def test_a_header_s_comment_is_the_docstring(name: str) -> None:
    expected = comment(name)
    if expected is None:  # the second and third of a group that has one comment
        assert name in ("rdev_major", "rdev_minor")
        return
    assert expected in words(getattr(_swig, name).__doc__)


@pytest.mark.parametrize(("struct", "field", "text"), [
    ("session_options", "max_workers", "workers = 1 stays 1"),
    ("mount_options", "replace_stale", "what a dead server left at the mountpoint"),
    ("session_stats", "workers_peak", "threads"),
    ("passthrough_options", "dir_attr_timeout_ns", "The same for directories apart"),
])
def test_fields_have_their_comments(struct: str, field: str, text: str) -> None:
    assert text in getattr(_swig, struct).__dict__[field].__doc__


def members(owner: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Public methods and properties of a class of ours. Operations of a file system are explained
    by the protocols."""
    known = _check.operations(owner._layer) if issubclass(owner, libfb.PathFS) else ()
    for member, value in vars(owner).items():
        if not member.startswith("_") and member not in known and isinstance(
                value, (types.FunctionType, property, types.GetSetDescriptorType,
                        types.MethodDescriptorType, staticmethod, classmethod)):
            yield f"{name}.{member}", value


def public() -> Iterator[tuple[str, Any]]:
    """Everything that users can name, but constants."""
    for module in (libfb, libfb.testing):
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value) and not isinstance(value, type(libfb.Answer)):
                yield f"{module.__name__}.{name}", value
            if isinstance(value, type):
                yield from members(value, f"{module.__name__}.{name}")


@pytest.mark.parametrize(("name", "value"), [pytest.param(*pair, id=pair[0]) for pair in public()])
def test_public_names_are_explained(name: str, value: Any) -> None:
    text = value.__doc__
    assert text and text.strip(), f"{name} has no docstring"
    assert text != object.__init__.__doc__


@pytest.mark.parametrize("make", [libfb.File, libfb.Dir, libfb.Symlink, libfb.Fifo, libfb.Socket,
                                  libfb.Device, libfb.Attr, libfb.Attr.replace])
def test_functions_in_c_have_signatures(make: Any) -> None:
    fields = set(inspect.signature(make).parameters) - {"self", "st_fields"}
    assert fields == {name.removeprefix("st_") for name in vars(libfb.Attr)
                      if name.startswith("st_")}


@pytest.mark.parametrize("make", [libfb.File, libfb.Dir, libfb.Symlink, libfb.Fifo, libfb.Socket,
                                  libfb.Device])
def test_signatures_tell_the_mode(make: Any) -> None:
    mode = inspect.signature(make).parameters["mode"].default
    assert make().st_mode & 0o7777 == mode & 0o7777
    assert make(mode) == make()
