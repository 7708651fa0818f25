# SPDX-License-Identifier: BSD-3-Clause
"""What programs import from fuse (fusepy) or mfusepy, on libfb.

    from libfb.compat.fusepy import FUSE, FuseOSError, LoggingMixIn, Operations, fuse_get_context

Differences, all of them to a program's advantage: names that are not UTF-8 come as surrogates; a
file handle may be any object; a directory of any size is read once per listing; more than one mount
can be served by a process; times that are to stay are set to what getattr says. Without nothreads
up to `WORKERS` calls run at a time. Locks are the kernel's own: `lock` is not called. The ctypes
structures of fusepy are not here, besides `fuse_file_info`, which is a plain object.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import libfb
from libfb._mount import stop_on_signals

from .. import _options
from ._adapter import Adapter, fuse_config, fuse_conn_info, fuse_file_info
from ._background import Background, enter
from ._calls import Calls, log, serving
from ._operations import (ENOATTR, ENOTSUP, FuseOSError, LoggingMixIn, Operations, ReadDirResult,
                          log_callback, overrides)
from ._values import Values

#: Threads that call a file system which did not ask for nothreads.
WORKERS = 8


def fuse_get_context() -> tuple[int, int, int]:
    """(uid, gid, pid) of whoever asks; zeros outside of calls that somebody asked for."""
    try:
        request = libfb.request()
    except RuntimeError:
        return 0, 0, 0
    return request.uid, request.gid, request.pid


def fuse_exit() -> None:
    """Have FUSE(…) return, from within one of its calls. RuntimeError elsewhere."""
    fuse: FUSE | None = getattr(serving, "fuse", None)
    if fuse is None:
        raise RuntimeError("fuse_exit() is for methods of a file system that is being served")
    fuse.exit()


def _texts(options: dict[str, Any]) -> Iterator[str]:
    """Keywords as mount options: True is a bare name, False nothing."""
    for name, value in options.items():
        if value is True:
            yield name
        elif value is not False:
            yield f"{name}={value}"


class FUSE:
    """Mounts a file system and serves it; returns when it is unmounted, by fusermount3 -u, Ctrl-C,
    SIGTERM or fuse_exit().

    foreground: stay in this process, else the program goes on in a child. nothreads: one call at a
    time. debug: describe requests on standard error. raw_fi: open files are `fuse_file_info`.
    encoding, errors: of names. Other keywords are mount options. Raises RuntimeError where nothing
    can be mounted, and what a method raised that is no Exception.
    """

    def __init__(self, operations: Any, mountpoint: str, raw_fi: bool = False,
                 encoding: str = "utf-8", errors: str = "surrogateescape", *,
                 foreground: bool = False, nothreads: bool = False, debug: bool = False,
                 **options: Any) -> None:
        self.operations = operations
        self.raw_fi, self.encoding, self.errors = raw_fi, encoding, errors
        self.use_ns = bool(getattr(operations, "use_ns", False))
        self._mount: libfb.Mount | None = None
        self._asked = False
        options.setdefault("fsname", type(operations).__name__)
        background = None if foreground or debug else enter()
        with _reported(background):
            split = _split(_texts(options))
            mount = self._open(os.path.abspath(mountpoint), split, 1 if nothreads else WORKERS)
            if debug or split.debug:
                mount.trace(_print)
        self._serve(mount, background)

    def _open(self, mountpoint: str, options: _options.Options, workers: int) -> libfb.Mount:
        calls = Calls(self.operations, self, self.encoding, self.errors)
        values = Values(self.use_ns, options.settings)
        adapter = Adapter(self.operations, calls, values, self.raw_fi)
        self._mount = libfb.Mount(adapter, mountpoint, options=options.mount, workers=workers,
                                  default_permissions=False, **options.session)
        return self._mount

    def _serve(self, mount: libfb.Mount, background: Background | None) -> None:
        try:
            with stop_on_signals(self.exit), contextlib.closing(mount):
                with _reported(background):
                    self._start(mount)
                    if background is not None:
                        background.ready()
                mount.wait()
        except KeyboardInterrupt:
            if mount.error is not None:
                raise
        finally:
            self._mount = None
            del self.operations  # what it holds may go now

    def _start(self, mount: libfb.Mount) -> None:
        """Whoever asks for the end before we hear of the beginning has had both."""
        try:
            mount.start()
        except OSError:
            if not self._asked or mount.error is not None:
                raise

    def exit(self) -> None:
        """Unmount, from any thread; returns at once."""
        self._asked = True
        if self._mount is not None:
            self._mount.stop()


def _print(line: str) -> None:
    print(line, file=sys.stderr)


def _split(texts: Iterable[str]) -> _options.Options:
    try:
        return _options.split(texts)
    except ValueError as error:
        raise OSError(f"a mount option's value is wrong: {error}") from error


@contextlib.contextmanager
def _reported(background: Background | None) -> Iterator[None]:
    """Failures to mount are RuntimeErrors, in the process that the user looks at."""
    try:
        yield
    except Exception as error:
        if background is not None:
            background.failed(error)
        if isinstance(error, OSError):
            log.error("%s", error)
            raise RuntimeError(1) from error
        raise


__all__ = [
    "ENOATTR", "ENOTSUP", "FUSE", "FuseOSError", "LoggingMixIn", "Operations", "ReadDirResult",
    "WORKERS", "fuse_config", "fuse_conn_info", "fuse_exit", "fuse_file_info", "fuse_get_context",
    "log_callback", "overrides",
]
