# SPDX-License-Identifier: BSD-3-Clause
"""Go to the background: once it serves, and not before."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable

from .errors import UserError, complain

READY = b"\1"


def run(serve: Callable[[Callable[[], None]], None], debug: bool) -> int:
    """Run serve(ready) in a child of its own session, and return when it has called ready(), or has
    ended. Returns the exit code for the parent: 0 when it serves. Threads come after the fork."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(serve, writing, debug)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as pipe:
            if pipe.read(1) == READY:
                return 0
    except KeyboardInterrupt:  # which its session of its own keeps from the child
        os.kill(child, signal.SIGTERM)
        raise
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) or 1


def _child(serve: Callable[[Callable[[], None]], None], writing: int, debug: bool) -> None:
    code = 1
    os.setsid()

    def ready() -> None:
        _let_go_of_stdio()
        os.write(writing, READY)
        os.close(writing)

    try:
        serve(ready)
        code = 0
    except UserError as error:
        complain(error, debug)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _let_go_of_stdio() -> None:
    """Nobody reads what it prints from here on, and its directory can be unmounted."""
    sys.stdout.flush()
    sys.stderr.flush()
    sys.path[:] = [os.path.abspath(entry) for entry in sys.path]
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    if null > 2:
        os.close(null)
