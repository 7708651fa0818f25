# SPDX-License-Identifier: BSD-3-Clause
"""--pdb: look around where a handler has failed."""

from __future__ import annotations

import pdb
import sys
import threading

from .. import _errors
from .errors import UserError

_one_at_a_time = threading.Lock()


def install() -> None:
    """Open pdb for every exception that is a bug, in the thread of its handler. UserError without a
    terminal."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UserError("--pdb needs a terminal")
    _errors.on_bug = _look_around


def _look_around(error: BaseException) -> None:
    with _one_at_a_time:
        print(f"libfb: {type(error).__name__}: {error}; q goes on, and its caller gets EIO",
              file=sys.stderr, flush=True)
        debugger = pdb.Pdb(stdin=sys.stdin, stdout=sys.stderr, nosigint=True)
        debugger.reset()
        debugger.interaction(None, error.__traceback__)
