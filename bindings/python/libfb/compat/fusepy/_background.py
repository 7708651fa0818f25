# SPDX-License-Identifier: BSD-3-Clause
"""Go on in the background, as programs of libfuse do unless they are told otherwise."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

_READY = b"\0"


class Background:
    """The child of a fork, before its mount is there: somebody waits to hear that it is."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def ready(self) -> None:
        """Let the waiting process end with success, and the terminal go."""
        os.chdir("/")
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(null, descriptor)
        os.close(null)
        os.write(self._pipe, _READY)
        os.close(self._pipe)

    def failed(self, error: BaseException) -> NoReturn:
        """Have the waiting process raise it, and end."""
        os.write(self._pipe, str(error).encode(errors="replace") or b"?")
        os._exit(1)


def enter() -> Background:
    """Fork; returns in the child. The parent waits for it and ends, or raises RuntimeError with
    what the child reports. To be called before there are threads."""
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        os.setsid()
        return Background(writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    if said == _READY:
        os._exit(0)
    os.waitpid(pid, 0)
    raise RuntimeError(1) from OSError(said.decode(errors="replace") or "the server died")
