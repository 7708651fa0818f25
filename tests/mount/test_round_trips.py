# SPDX-License-Identifier: BSD-3-Clause
"""
How many requests an operation causes: each costs somebody a round trip, so none may be added.

The numbers are those of Linux 6.18 and fbfsd as root; HACKING.md says why each request comes, and -s
prints the table.
"""
import contextlib
import os
import pathlib
import time

import pytest

from fixtures import host, need_program, needs_root, serve, tidy  # noqa: F401
from round_trips import FOLDERS, HEADERS, OPERATIONS, PROGRAMS, make_project, run_in
from test_passthrough_kernel import kernel_has_passthrough

KERNEL = tuple(int(n) for n in os.uname().release.split("-")[0].split(".")[:2])
pytestmark = [
    needs_root,
    pytest.mark.skipif(KERNEL < (6, 18), reason="the numbers are those of Linux 6.18 and newer"),
]

# The kernel's, when it pleases: they follow from how it forgets.
NOT_COUNTED = {"FORGET", "BATCH_FORGET", "INTERRUPT", "INIT", "pending", "threads", "malformed"}
# Nobody waits for these.
NOT_WAITED_FOR = {"RELEASE", "RELEASEDIR"}

MODES = {
    "default": ("--entry-timeout=1000", "--attr-timeout=1000"),  # as within the second that it has
    "cache=always": ("--cache=always",),
    "stateless": ("--cache=always", "--stateless-open", "--stateless-opendir"),
    "no xattrs": ("--cache=always", "--stateless-open", "--stateless-opendir", "--no-xattr"),
}

# Of each operation: cold, warm.
DEFAULT = {
    "create, close": ("LOOKUP CREATE RELEASE", "GETATTR LOOKUP CREATE RELEASE"),
    "create, write 4 KiB, close": ("LOOKUP CREATE GETXATTR RELEASE", "GETATTR LOOKUP CREATE GETXATTR RELEASE"),
    "open, close": ("LOOKUP OPEN RELEASE", "OPEN RELEASE"),
    "open, read 4 KiB, fstat, close": ("LOOKUP OPEN GETATTR RELEASE", "OPEN GETATTR RELEASE"),
    "open, write 4 KiB twice, close": ("LOOKUP OPEN GETXATTR RELEASE", "OPEN RELEASE"),
    "open with O_TRUNC, close": ("LOOKUP GETXATTR OPEN RELEASE", "GETXATTR OPEN RELEASE"),
    "stat": ("LOOKUP", ""),
    "stat of a missing name": ("LOOKUP", "LOOKUP"),
    "stat of a missing name, create": ("LOOKUP LOOKUP CREATE RELEASE", "GETATTR LOOKUP LOOKUP CREATE RELEASE"),
    "access": ("LOOKUP", ""),
    "chmod": ("LOOKUP SETATTR", "SETATTR"),
    "readlink": ("LOOKUP READLINK", ""),
    "rename": ("LOOKUP LOOKUP RENAME", "GETATTR LOOKUP RENAME"),
    "link": ("LOOKUP LOOKUP LINK", "GETATTR LOOKUP LINK"),
    "symlink": ("LOOKUP SYMLINK", "GETATTR LOOKUP SYMLINK"),
    "unlink": ("LOOKUP UNLINK", "GETATTR UNLINK"),
    "mkdir": ("LOOKUP MKDIR", "GETATTR LOOKUP MKDIR"),
    "rmdir": ("LOOKUP RMDIR", "GETATTR RMDIR"),
    "list 10 files": (
        "OPENDIR READDIRPLUS READDIR RELEASEDIR", "GETATTR OPENDIR READDIRPLUS READDIR RELEASEDIR"
    ),
    "list and stat 10 files": (
        "OPENDIR READDIRPLUS READDIR RELEASEDIR", "GETATTR OPENDIR READDIRPLUS READDIR RELEASEDIR"
    ),
    "getxattr of 10 files": ("LOOKUP " * 10 + "GETXATTR " * 10, "GETXATTR " * 10),
}  # fmt: skip
ALWAYS = DEFAULT | {
    "open, read 4 KiB, fstat, close": ("LOOKUP OPEN GETATTR RELEASE", "OPEN READ GETATTR RELEASE"),
    "stat of a missing name": ("LOOKUP", ""),
    "stat of a missing name, create": ("LOOKUP CREATE RELEASE", "GETATTR LOOKUP CREATE RELEASE"),
    "list 10 files": ("OPENDIR READDIRPLUS READDIR RELEASEDIR", "GETATTR OPENDIR RELEASEDIR"),
    "list and stat 10 files": ("OPENDIR READDIRPLUS READDIR RELEASEDIR", "GETATTR OPENDIR RELEASEDIR"),
}
STATELESS = ALWAYS | {
    "create, close": ("LOOKUP CREATE", "GETATTR LOOKUP CREATE"),
    "create, write 4 KiB, close": ("LOOKUP CREATE GETXATTR WRITE", "GETATTR LOOKUP CREATE GETXATTR WRITE"),
    "open, close": ("LOOKUP", ""),
    "stat of a missing name, create": ("LOOKUP CREATE", "GETATTR LOOKUP CREATE"),
    "open, read 4 KiB, fstat, close": ("LOOKUP READ GETATTR", ""),
    "open, write 4 KiB twice, close": ("LOOKUP GETXATTR WRITE WRITE", "WRITE WRITE"),
    "open with O_TRUNC, close": ("LOOKUP GETXATTR SETATTR", "GETXATTR SETATTR"),
    "list 10 files": ("READDIRPLUS READDIR", "GETATTR"),
    "list and stat 10 files": ("READDIRPLUS READDIR", "GETATTR"),
}
# Refused once, the kernel asks for no attribute again: not when it writes, either.
NO_XATTRS = {
    name: tuple(words.replace("GETXATTR", "") for words in both) for name, both in STATELESS.items()
}
EXPECTED = {"default": DEFAULT, "cache=always": ALWAYS, "stateless": STATELESS, "no xattrs": NO_XATTRS}

# Of each program when it runs for the fifth time: at most. What is not named may not come.
FILES = FOLDERS * HEADERS
AROUND = {"CREATE": 1, "UNLINK": 1, "GETATTR": 5, "LOOKUP": 2}  # .git/index.lock; the program that is made
ASKED = FILES + FOLDERS + 5  # what has attributes, for ls; it depends on its version by which request
LS = {"GETXATTR": ASKED, "LISTXATTR": ASKED}
OBJECT = {"CREATE": 1, "UNLINK": 1, "GETATTR": 5, "LOOKUP": 2, "GETXATTR": 2}
LIMITS = {
    "cache=always": {
        "git status": AROUND | {"OPEN": 20, "OPENDIR": FOLDERS + 3},
        "compile": OBJECT | {"OPEN": FILES + 2},
        "ls -lR": LS | {"OPENDIR": FOLDERS + 1},
    },
    # The assembler writes in pieces and reads in between.
    "stateless": {
        "git status": AROUND,
        "compile": OBJECT | {"GETATTR": 12, "GETXATTR": 10, "READ": 10, "WRITE": 12},
        "ls -lR": LS,
    },
    "default": {
        "git status": AROUND | {
            "OPEN": 20, "GETATTR": 32, "LOOKUP": 60,
            "OPENDIR": FOLDERS + 3, "READDIR": FOLDERS + 3, "READDIRPLUS": 2 * FOLDERS + 6,
        },
        "compile": OBJECT | {"OPEN": FILES + 2, "GETATTR": FILES + 8, "LOOKUP": FILES + 10},
        "ls -lR": LS | {
            "OPENDIR": FOLDERS + 1, "GETATTR": FOLDERS + 1,
            "READDIR": 2 * FOLDERS + 2, "READDIRPLUS": 2 * FOLDERS + 2,
        },
    },
}  # fmt: skip


def requests(server):
    """Requests by name, when none is under way."""
    last = None
    while True:
        seen = server.statistics()
        if seen == last and seen["pending"] == 0:
            return {name: n for name, n in seen.items() if name not in NOT_COUNTED}
        last = seen
        time.sleep(0.01)


def caused(server, work):
    """How many requests of which name work() causes."""
    before = requests(server)
    work()
    new = {name: n - before.get(name, 0) for name, n in requests(server).items()}
    return {name: n for name, n in new.items() if n}


def drops():
    """How often anybody had the kernel forget what it caches."""
    return [line for line in pathlib.Path("/proc/vmstat").read_text().splitlines() if line.startswith("drop_")]


def undisturbed(look):
    """What look(attempt) finds wrong, done again when other tests have dropped the caches meanwhile."""
    for attempt in range(10):
        before = drops()
        wrong = look(attempt)
        if not wrong or before == drops():
            break
    return wrong


def count(words):
    names = words.split()
    return {name: names.count(name) for name in names}


def text(counts):
    return ", ".join(name + (f" {n}" if n > 1 else "") for name, n in counts.items()) or "none"


def too_many(found, limits):
    return [
        f"{times} times {request}, at most {limits.get(request, 0)} expected"
        for request, times in found.items()
        if request not in NOT_WAITED_FOR and times > limits.get(request, 0)
    ]


@pytest.fixture
def served(serve):
    """served(mode): a mount whose kernel has learnt which requests are not to be sent."""

    def make(mode):
        if not kernel_has_passthrough():
            pytest.skip(f"Linux {os.uname().release} has no FUSE passthrough")
        server = serve(*MODES[mode])
        (server.source / "first").write_text("content\n")
        assert (server.path / "first").read_text() == "content\n"
        assert os.listdir(server.path) == ["first"]
        with contextlib.suppress(OSError):
            os.getxattr(server.path / "first", "user.nothing")
        return server

    return make


def look_at_operation(server, mode, name, folder):
    """Cold and warm, in a folder of its own. Returns what is wrong."""
    source, view = server.source / folder, server.path / folder
    source.mkdir()
    OPERATIONS[name].prepare(source)
    for known in (".", *OPERATIONS[name].known):
        os.stat(view / known)
    wrong = []
    for turn, words in enumerate(EXPECTED[mode][name]):
        found = caused(server, lambda: OPERATIONS[name].work(view, turn))
        print(f"{mode} | {name} | {('cold', 'warm')[turn]} | {text(found)}")
        if found != count(words):
            wrong.append(f"{name}, {('cold', 'warm')[turn]}: {text(found)} instead of {words}")
    return wrong


@pytest.mark.parametrize("mode", MODES)
def test_operations(served, mode):
    server = served(mode)
    wrong = []
    for number, name in enumerate(OPERATIONS):
        wrong += undisturbed(lambda attempt: look_at_operation(server, mode, name, f"{number}-{attempt}"))
    assert not wrong, "\n".join(wrong)
    assert OPERATIONS.keys() == EXPECTED[mode].keys()


def look_at_program(server, mode, name):
    """Five times the same. Returns what there is too much of in the last one."""
    view = server.path / "project"
    for turn in range(5):
        found = caused(server, lambda: PROGRAMS[name](view))
        if turn in (0, 4):
            print(f"{mode} | {name} | {'warm' if turn else 'cold'} | {text(found)}")
    return [f"{name}: {words}" for words in too_many(found, LIMITS[mode][name])]


@pytest.mark.parametrize("mode", LIMITS)
def test_programs(served, mode):
    """What one runs again and again causes what is known of it, and no request for each file."""
    need_program("git")
    server = served(mode)
    make_project(server.source)
    wrong = []
    for name in PROGRAMS:
        wrong += undisturbed(lambda attempt: look_at_program(server, mode, name))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("mode", LIMITS)
def test_untar(served, mode):
    """Of a file it takes what tar(1) asks for: three times SETATTR as root."""
    server = served(mode)
    make_project(server.source)
    made = FOLDERS * HEADERS + 1
    limits = {
        "LOOKUP": made + FOLDERS + 1, "CREATE": made, "MKDIR": FOLDERS, "GETXATTR": 2 * made,
        "SETATTR": 3 * (made + FOLDERS + 1), "GETATTR": made + FOLDERS + 5,
        "WRITE": made if mode == "stateless" else 0,
    }  # fmt: skip

    def look(attempt):
        view = server.path / f"new{attempt}"
        view.mkdir()
        found = caused(server, lambda: run_in(view, "tar", "-xf", server.source / "project.tar"))
        print(f"{mode} | untar | cold | {text(found)}")
        return too_many(found, limits)

    wrong = undisturbed(look)
    assert not wrong, "\n".join(wrong)
