# SPDX-License-Identifier: BSD-3-Clause
"""Serve what the command line asks for, until the end."""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from .. import _mount, _vhost_user
from .._binding import swig
from .._fs import FileSystem, Passthrough
from . import debugger, figures
from .errors import Terminated, UserError, in_short, users_traceback
from .monitors import TAG_MAX
from .notify import sd_notify
from .reload import Reloader
from .target import Target, split

Running = _mount.Mount | _vhost_user.VhostUser


def tag_of(options: argparse.Namespace) -> str:
    """The tag that was given, or one that fits. UserError for one that no guest could mount."""
    where, name = split(options.target)
    tag: str = options.tag or (name or os.path.basename(where).removesuffix(".py")).lower()
    if len(tag.encode()) > TAG_MAX or "\n" in tag or not tag:
        raise UserError(f"a tag has 1 to {TAG_MAX} bytes in one line: {tag!r}")
    return tag


def serve(options: argparse.Namespace, ready: Callable[[], None]) -> None:
    """Serve until it is unmounted, or told to end. ready() is called once it serves.

    Raises UserError, KeyboardInterrupt, and SystemExit with the code of a handler.
    """
    _prepare(options)
    target = Target(options.target, dict(options.arg))
    with _Terminator() as terminator:
        fs = target.make(target.load())
        server = _open(options, fs)
        terminator.stop = server.stop
        with server, _extras(options, target, server):
            _say_ready(options, target, server)
            ready()
            try:
                _wait(server)
            finally:
                sd_notify("STOPPING=1")


def _prepare(options: argparse.Namespace) -> None:
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR2, all_threads=True)
    logging.basicConfig(level=logging.DEBUG if options.debug else logging.INFO,
                        format="libfb: %(message)s")
    if options.debug:
        swig.log_set_level(swig.LOG_DEBUG)
    if options.pdb:
        debugger.install()
    if options.reload:
        # Bytecode is compared by whole seconds, and an editor can be faster than that.
        sys.dont_write_bytecode = True


class _Terminator:
    """SIGTERM and SIGHUP: the orderly end, whatever is going on."""

    def __init__(self) -> None:
        self.stop: Callable[[], None] | None = None
        self._before: dict[int, object] = {}

    def _end(self, number: int, frame: FrameType | None) -> None:
        if self.stop is None:
            raise Terminated(0)
        self.stop()

    def __enter__(self) -> _Terminator:
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as for nohup
                self._before[number] = signal.signal(number, self._end)
        return self

    def __exit__(self, *error: object) -> None:
        for number, action in self._before.items():
            signal.signal(number, action)  # type: ignore[arg-type]


def _open(options: argparse.Namespace, fs: FileSystem) -> Running:
    """Mount, or listen. Raises UserError."""
    if os.path.isfile(options.mountpoint or "") and not isinstance(fs, Passthrough):
        raise UserError(f"mountpoint {options.mountpoint} is not a directory")
    try:
        if options.vhost_user is None:
            return _mount.mount(fs, options.mountpoint, options=",".join(options.mount_options),
                                replace=options.replace, transport=options.transport,
                                workers=options.workers)
        return _vhost_user.vhost_user(fs, options.vhost_user, tag=tag_of(options),
                                      group=options.group, keep_listening=not options.once,
                                      workers=options.workers)
    except OSError as error:
        if users_traceback(error):
            raise _failed(fs, error) from None
        raise UserError(_sentence(options, error)) from None
    except (TypeError, ValueError) as error:
        raise UserError(str(error), error) from None
    except Exception as error:
        raise _failed(fs, error) from None


def _failed(fs: FileSystem, error: Exception) -> UserError:
    return UserError(f"{type(fs).__name__} can not start: {in_short(error)}", error)


def _sentence(options: argparse.Namespace, error: OSError) -> str:
    """libfb's own sentence, which says what to do."""
    text = error.strerror or str(error)
    folder = os.path.dirname(os.path.abspath(options.vhost_user or "/"))
    if not os.path.isdir(folder):
        return f"{options.vhost_user}: there is no directory {folder}"
    return text


@contextmanager
def _extras(options: argparse.Namespace, target: Target, server: Running) -> Iterator[None]:
    """What was asked for besides serving."""
    if options.trace:
        server.trace(lambda line: print(line, file=sys.stderr, flush=True))
    before = signal.signal(signal.SIGUSR1, lambda *_: _print_figures(server))
    reloader = Reloader(target, server) if options.reload else None
    if reloader:
        reloader.start()
    try:
        yield
    finally:
        if reloader:
            reloader.stop()
        signal.signal(signal.SIGUSR1, before)


def _print_figures(server: Running) -> None:
    session = server.server if isinstance(server, _vhost_user.VhostUser) else server
    try:
        text = figures.table(session.statistics(), session.transport) if session else ""
    except RuntimeError:  # it has ended this very moment
        text = ""
    sys.stderr.write(text or "libfb: no machine is connected\n")
    sys.stderr.flush()


def _say_ready(options: argparse.Namespace, target: Target, server: Running) -> None:
    if isinstance(server, _vhost_user.VhostUser):
        place = f"at {os.path.abspath(options.vhost_user)}, tag {tag_of(options)}"
    else:
        place = f"at {os.path.abspath(options.mountpoint)}"
    print(f"ready: {target.name or target.where} {place} (pid {os.getpid()})", flush=True)
    sd_notify(f"READY=1\nMAINPID={os.getpid()}")


def _wait(server: Running) -> None:
    try:
        server.wait()
    except OSError as error:
        raise UserError(error.strerror or str(error)) from None
