# SPDX-License-Identifier: BSD-3-Clause
"""Programs that run pyfuse3.main() in asyncio say so before they use pyfuse3: enable()."""

from __future__ import annotations

import asyncio as _asyncio

from . import _state

Lock = _asyncio.Lock


def enable() -> None:
    """main() is to run in asyncio."""
    _state.use_asyncio = True


def disable() -> None:
    """main() is to run in trio."""
    _state.use_asyncio = False
