# SPDX-License-Identifier: BSD-3-Clause
"""Tells people how far it is."""

from __future__ import annotations

import sys
import time


class Progress:
    """A line that changes on a terminal; elsewhere a line for each server and round."""

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self.start = time.monotonic()
        self.terminal = sys.stderr.isatty()

    def left(self) -> str:
        """Roughly: as if all that is to come took as long as what was."""
        if not self.done:
            return ""
        seconds = (time.monotonic() - self.start) / self.done * (self.total - self.done)
        return f", about {int(seconds) // 60}:{int(seconds) % 60:02d} left"

    def show(self, where: str, what: str) -> None:
        if self.terminal:
            sys.stderr.write(f"\r\x1b[K{where}  {what}  ({100 * self.done // max(self.total, 1)} %{self.left()})")
            sys.stderr.flush()

    def begin(self, where: str) -> None:
        if not self.terminal:
            self.say(f"{where}{self.left()}")

    def advance(self, steps: int) -> None:
        self.done += steps

    def say(self, text: str) -> None:
        self.clear()
        print(f"bench: {text}", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self.terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
