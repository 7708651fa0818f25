# SPDX-License-Identifier: BSD-3-Clause
"""What goes wrong, in words for those who typed the command."""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType

#: Frames from here are ours, not the user's.
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


class UserError(Exception):
    """Something that the user can mend: one line, and the traceback of their code if it has one."""

    def __init__(self, text: str, cause: BaseException | None = None) -> None:
        super().__init__(text)
        self.cause = cause


class Terminated(SystemExit):
    """SIGTERM came before there was a server to stop."""


def complain(error: UserError, debug: bool = False) -> None:
    """Print it on standard error. debug: with all tracebacks there are."""
    if debug:
        error.__suppress_context__ = False
        traceback.print_exception(error)
    elif error.cause is not None:
        sys.stderr.write(users_traceback(error.cause))
    print(f"libfb: {error}", file=sys.stderr)


def _is_ours(trace: TracebackType) -> bool:
    name = trace.tb_frame.f_code.co_filename
    return name.startswith((_PACKAGE, "<frozen importlib")) or "importlib" in name.split(os.sep)


def users_traceback(error: BaseException) -> str:
    """A traceback that begins in the user's code; "" when it never gets there."""
    trace = error.__traceback__
    while trace is not None and _is_ours(trace):
        trace = trace.tb_next
    if trace is None and not isinstance(error, SyntaxError):
        return ""
    return "".join(traceback.format_exception(type(error), error, trace))


def in_short(error: BaseException) -> str:
    """Class and text of an exception in one line."""
    text = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
