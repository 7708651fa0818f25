# SPDX-License-Identifier: BSD-3-Clause
"""What requests cost the server: no system call that is not the work itself, and no malloc.

tests/bench/calls.py prints the whole table; here stands what must not become more.
"""
import importlib.util
import pathlib
import shutil

import pytest

from fixtures import SANITIZED, needs_root, tidy  # noqa: F401

pytestmark = [
    needs_root,
    pytest.mark.skipif(SANITIZED, reason="sanitizers have a malloc of their own"),
    pytest.mark.skipif(not (shutil.which("strace") and shutil.which("addr2line")), reason="needs strace and addr2line"),
]

CALLS = pathlib.Path(__file__).resolve().parent.parent / "bench" / "calls.py"
# Without kernel passthrough, so that there are reads and writes.
EXPECTED = {
    "LOOKUP, No such file or directory": ["openat2"],
    "GETATTR": ["statx"],
    "READLINK": ["readlinkat"],
    "UNLINK": ["unlinkat"],
    "RMDIR": ["unlinkat"],
    "RENAME": ["renameat2"],
    "LINK": ["linkat", "statx"],
    "OPEN": ["openat"],
    "READ": ["preadv2"],
    "WRITE": ["pwritev2"],
    "STATFS": ["fstatfs"],
    "RELEASE": ["close"],
    "FSYNC": ["fsync"],
    "SETXATTR": ["setxattr"],
    "GETXATTR": ["getxattr"],
    "REMOVEXATTR": ["removexattr"],
    "RELEASEDIR": ["close"],
    "LSEEK": ["lseek"],
}
MAKES_NODE = ["openat2", "statx", "name_to_handle_at"]
AS_CALLER = ["unshare", "umask", "umask"]


@pytest.fixture(scope="module")
def rows():
    spec = importlib.util.spec_from_file_location("calls", CALLS)
    calls = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(calls)
    most_common = {}
    for row in calls.measure(["--no-kernel-passthrough"]):
        most_common.setdefault(row.name, row)
    return most_common


@pytest.mark.parametrize("name", EXPECTED)
def test_simple_requests(rows, name):
    row = rows[name]
    assert row.calls == EXPECTED[name]
    assert row.mallocs == []
    assert len(row.locks) <= 3


def test_requests_that_make_something(rows):
    """Their only malloc is the node."""
    assert sorted(rows["MKDIR"].calls) == sorted([*AS_CALLER, "mkdirat", *MAKES_NODE])
    assert sorted(rows["SYMLINK"].calls) == sorted([*AS_CALLER, "symlinkat", *MAKES_NODE])
    assert sorted(rows["CREATE"].calls) == sorted([*AS_CALLER, "openat", *MAKES_NODE])
    for name in "MKDIR", "SYMLINK", "CREATE":
        assert len(rows[name].mallocs) == 1, str(rows[name])
