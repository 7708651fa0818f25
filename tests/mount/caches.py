# SPDX-License-Identifier: BSD-3-Clause
"""The kernel's caches, which all runs of the tests share: some drop them, some must find what they cached."""
import contextlib
import fcntl
import os
import pathlib
import threading

# Held alone by who keeps them, shared by who drops them. tests/python/test_examples_stores.py knows it, too.
LOCK = pathlib.Path("/run/fb-tests-caches")
DROP = pathlib.Path("/proc/sys/vm/drop_caches")

_dropping = threading.Lock()
_kept = False


@contextlib.contextmanager
def kept():
    """Nobody else drops them meanwhile; needs root."""
    global _kept
    with open(LOCK, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _kept = True
        try:
            yield
        finally:
            _kept = False


def drop(what):
    """2: names and inodes that are not in use; 3: data too. What is dirty is written first."""
    os.sync()
    forget(what)


def forget(what=2):
    """The same for what is clean."""
    with _dropping, open(LOCK, "a") as file:
        if not _kept:
            fcntl.flock(file, fcntl.LOCK_SH)
        DROP.write_text(str(what))
