# SPDX-License-Identifier: BSD-3-Clause
"""The command line: ``python3 -m libfb module:Class MOUNTPOINT``."""

from __future__ import annotations

from . import background, monitors, serve
from .errors import UserError, complain
from .options import parse

INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Do what the arguments say. Returns the exit code: 0 for an orderly end, 1 for errors, 130 after
    Ctrl-C; SystemExit for wrong usage (2), --help, and when a handler wants it."""
    options = parse(arguments)
    try:
        if options.qemu_args:
            print(monitors.describe(options.vhost_user, serve.tag_of(options)))
            return 0
        if options.daemon:
            return background.run(lambda ready: serve.serve(options, ready), options.debug)
        serve.serve(options, lambda: None)
    except UserError as error:
        complain(error, options.debug)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


__all__ = ["main"]
