# SPDX-License-Identifier: BSD-3-Clause
"""Testing file systems without a mount: `Client` plays the kernel's part.

    with libfb.testing.Client(MyFS()) as c:
        c.write_bytes("/a", b"x")
        assert c.listdir("/") == ["a"]

`posix(fs_factory)` checks what POSIX expects of a file system; `libfb.testing.plugin` has fixtures
for pytest. Everything is imported when it is first used, as the plugin is part of every run of
pytest on the machine.
"""
from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .attributes import NOW, OMIT, Stat, StatFS, Time
    from .client import Client
    from .connection import Answer, AnswerLost, Backend, Caller, Notification, Pending
    from .directories import Directory, DirEntry
    from .files import File
    from .locks import Lock
    from .posix_suite import Check, NotOffered, Report, posix
    from .watchdog import Watchdog
    from .wire import Notify, Op

_HOMES = {
    "attributes": ("NOW", "OMIT", "Stat", "StatFS", "Time"),
    "client": ("Client",),
    "connection": ("Answer", "AnswerLost", "Backend", "Caller", "Notification", "Pending"),
    "directories": ("DirEntry", "Directory"),
    "files": ("File",),
    "locks": ("Lock",),
    "posix_suite": ("Check", "NotOffered", "Report", "posix"),
    "watchdog": ("Watchdog",),
    "wire": ("Notify", "Op"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "NOW",
    "OMIT",
    "Answer",
    "AnswerLost",
    "Backend",
    "Caller",
    "Check",
    "Client",
    "DirEntry",
    "Directory",
    "File",
    "Lock",
    "NotOffered",
    "Notification",
    "Notify",
    "Op",
    "Pending",
    "Report",
    "Stat",
    "StatFS",
    "Time",
    "Watchdog",
    "posix",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
