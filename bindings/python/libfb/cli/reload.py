# SPDX-License-Identifier: BSD-3-Clause
"""Go on with new code when the source files change."""

from __future__ import annotations

import importlib
import os
import sys
import threading
import traceback
from types import ModuleType
from typing import Any

from .._fs import FileSystem, NodeFS, PathFS
from .._mount import Mount
from .._vhost_user import VhostUser
from .errors import UserError, complain
from .target import Target

POLL_SECONDS = 0.2
ROOT = 1  # of a Passthrough

Stamp = tuple[int, int, int]


def _stamp(path: str) -> Stamp | None:
    """Changes with the file; None while it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def sources(main: ModuleType) -> dict[str, str]:
    """The names of modules that lie beside the main one, or below, and their files."""
    path = getattr(main, "__file__", None)
    if not path:
        return {}
    folder = os.path.dirname(os.path.abspath(path)) + os.sep
    found = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and name != "__main__" and os.path.abspath(file).startswith(folder):
            found[name] = os.path.abspath(file)
    return {name: file for name, file in found.items() if file.endswith(".py")}


class Reloader:
    """Watches the modules of a target in a thread, and swaps the code of what serves."""

    def __init__(self, target: Target, server: Mount | VhostUser) -> None:
        self.target, self.server = target, server
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="libfb-reload", daemon=True)
        self._stamps = self._look()

    def start(self) -> None:
        """Watch from now on."""
        self._thread.start()

    def stop(self) -> None:
        """No more."""
        self._done.set()
        self._thread.join()

    def _look(self) -> dict[str, Stamp | None]:
        assert self.target.module is not None
        return {path: _stamp(path) for path in sources(self.target.module).values()}

    def _run(self) -> None:
        pending = self._stamps
        while not self._done.wait(POLL_SECONDS):
            now = {path: _stamp(path) for path in self._stamps}
            # An editor may be in the middle of it: wait until nothing changes any more.
            if now != self._stamps and now == pending and None not in now.values():
                self._stamps = now
                self._reload()
                self._stamps.update((p, s) for p, s in self._look().items() if p not in now)
            pending = now

    def _reload(self) -> None:
        try:
            new, gone = swap(self.target, self.server)
        except UserError as error:
            complain(error)
            print("libfb: the old code goes on serving", file=sys.stderr, flush=True)
            return
        except Exception:  # of the user's __reload__(), say
            traceback.print_exc()
            print("libfb: the old code goes on serving", file=sys.stderr, flush=True)
            return
        forget_caches(self.server)
        print(f"libfb: reloaded {self.target.name}", file=sys.stderr, flush=True)
        if new:
            print(f"libfb: not called before the next mount: {', '.join(new)}", file=sys.stderr)
        if gone:
            print(f"libfb: fails from now on: {', '.join(gone)}", file=sys.stderr)


def load_anew(target: Target) -> Any:
    """Import the target's modules once more, beside the old ones, which stay when that fails."""
    assert target.module is not None
    main = target.module
    old = {name: sys.modules.pop(name) for name in sources(main)}
    importlib.invalidate_caches()
    try:
        return target.load()
    except BaseException:
        for name in sources(main):
            del sys.modules[name]
        sys.modules.update(old)
        target.module = main
        raise


def _renew(target: Target, old: FileSystem, found: Any) -> FileSystem:
    """The object that is to serve: a new one that takes over, or the old one with its new class."""
    cls = found if isinstance(found, type) else type(target.make(found))
    if not issubclass(cls, FileSystem) or cls._layer != old._layer:
        raise UserError(f"{cls.__name__} is no file system of the same kind any more")
    if hasattr(cls, "__reload__"):
        new = target.make(found)
        new.__reload__(old)  # type: ignore[attr-defined]
        return new
    try:
        old.__class__ = cls
    except TypeError as error:
        raise UserError(f"{cls.__name__} can not take the place of its older self ({error}); a "
                        "method __reload__(self, old) can") from None
    return old


def swap(target: Target, server: Mount | VhostUser) -> tuple[list[str], list[str]]:
    """Load the code anew and have it serve. Returns the names of methods that are (new, gone).
    Raises UserError or what the user's code raises; the old code is in place then."""
    old, before, module = server.fs, type(server.fs), target.module
    found = load_anew(target)
    try:
        return server.replace(_renew(target, old, found))
    except BaseException as error:
        if type(old) is not before:
            old.__class__ = before
        target.module = module
        if isinstance(error, TypeError):
            raise UserError(str(error)) from None
        raise


def forget_caches(server: Mount | VhostUser) -> None:
    """Have the kernel ask again. Guests can not be told: their timeouts end."""
    if not isinstance(server, Mount):
        return
    fs = server.fs
    root: Any = "/" if isinstance(fs, PathFS) else fs.root if isinstance(fs, NodeFS) else ROOT
    for forget in (lambda: server.invalidate(root), server.invalidate_all):
        try:
            forget()
        except OSError:
            pass  # a kernel without it, or it is over
