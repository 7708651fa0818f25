# SPDX-License-Identifier: BSD-3-Clause
"""File systems that were written for other Python bindings of FUSE, served by libfb.

`libfb.compat.fusepy` stands in for fusepy (``import fuse`` or ``fusepy``) and mfusepy,
`libfb.compat.pyfuse3` for pyfuse3. A program needs another import and nothing else:

    from libfb.compat.fusepy import FUSE, Operations     # was: from fuse import …
    import libfb.compat.pyfuse3 as pyfuse3               # was: import pyfuse3

or none at all: ``python3 -m libfb.compat program.py ARGUMENT…`` runs it with the modules of these
names replaced, as `install` does from within. What differs is said in the two packages.
"""

from __future__ import annotations

import importlib
import sys

#: What a program imports, and what it is given.
_STANDS_FOR = {
    "fuse": "fusepy",
    "fusepy": "fusepy",
    "mfusepy": "fusepy",
    "pyfuse3": "pyfuse3",
    "pyfuse3.asyncio": "pyfuse3.asyncio",
    "pyfuse3_asyncio": "pyfuse3.asyncio",
    "_pyfuse3": "pyfuse3",
}


def install(*names: str) -> None:
    """Have imports of these modules give libfb's; without names, of all: fuse, fusepy, mfusepy and
    pyfuse3. To be called before they are imported. Raises ValueError for a name that has none."""
    unknown = [name for name in names if name not in _STANDS_FOR]
    if unknown:
        raise ValueError(f"libfb.compat stands for {', '.join(_STANDS_FOR)}, not for {unknown[0]}")
    for name, ours in _STANDS_FOR.items():
        if not names or name.split(".")[0] in names:
            sys.modules[name] = importlib.import_module(f"{__name__}.{ours}")


__all__ = ["install"]
