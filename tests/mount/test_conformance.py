# SPDX-License-Identifier: BSD-3-Clause
"""Our POSIX behaviours on mounts of every kind, with the source's file system as the control."""
import itertools
import os
import re

import pytest

from fixtures import BUILD, host, needs_root, run, serve, tidy  # noqa: F401
from kernel_limits import KERNEL_LIMITS

PROGRAM = BUILD / "tests" / "conformance" / "fb-conformance"
pytestmark = needs_root

HANDLES = ("prefer", "never")
PASSTHROUGH = ("on", "off")
CACHES = ("auto", "never", "always")
WRITEBACK = ("", "writeback")

# What ext4 has and a mount need not have without an option: EVERYTHING insists on the first three.
OPTIONAL = ("acl", "inode-flags")
# The kernel does not look for deadlocks in the locks of a FUSE file system.
IMPOSSIBLE = ("deadlock-detection",)
EVERYTHING = ("--posix-acl", "--set-inode-flags", "--posix-lock", "--flock")


def conformance(folder, required, *words, seconds=110):
    """Run the checks; returns (what failed, what was skipped), each a list of lines."""
    done = run(
        PROGRAM, folder, *words, *(word for name in required for word in ("--require", name)),
        ok=False, timeout=seconds,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    failed = [line for line in lines if line.startswith("not ok")]
    skipped = [line for line in lines if re.search("# skip", line, re.I)]
    summary = re.search(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", done.stdout, re.M)
    assert summary, f"status {done.returncode}, no summary:\n{done.stdout[-2000:]}"
    assert done.returncode in (0, 1), done.stdout[-2000:]
    assert int(summary[2]) == len(failed)
    print(f"{folder}: {summary[0]}")
    return failed, skipped, int(summary[1])


@pytest.fixture(scope="module")
def features():
    if not PROGRAM.exists():
        pytest.fail(f"{PROGRAM} is not built")
    return run(PROGRAM, "--list-features").stdout.split()


def check(server, features, ignore, limits=(), least=250):
    required = [name for name in features if name not in ignore]
    # The root of a mount belongs to somebody else: other users' checks want a folder that all enter.
    folder = server.path / "checks"
    folder.mkdir()
    failed, skipped, passed = conformance(folder, required)
    expected = {name for limit in limits for name in KERNEL_LIMITS[limit]}
    failures = [line for line in failed if line.split()[4] not in expected]
    gone = expected - {line.split()[4] for line in failed}
    for line in skipped + failed:
        print(" ", line)
    assert not failures, f"{len(failures)} checks failed:\n" + "\n".join(failures[:40])
    assert not gone, f"no limits any more, to be taken off the list: {sorted(gone)}"
    assert passed >= least
    assert os.listdir(folder) == []
    assert server.process.poll() is None


def check_mode(serve, features, handles, passthrough, cache, writeback, *options):
    words = [f"--inode-file-handles={handles}", f"--cache={cache}", *options]
    limits = []
    if passthrough == "on":
        words.append("--kernel-passthrough")
    else:
        words.append("--no-kernel-passthrough")
    ignore = IMPOSSIBLE if options == EVERYTHING else IMPOSSIBLE + OPTIONAL
    if "--no-default-permissions" in options:
        limits.append("no_default_permissions")
    if writeback:
        words.append("--writeback")
        limits.append("writeback")
        ignore += ("seek-hole",)  # the driver leaves holes out then, rather than give wrong ones
    check(serve("-o", "dev,suid", *words), features, ignore, limits)


@pytest.mark.long
def test_the_source_itself(host, features):
    """The control: what fails here says nothing about a mount."""
    failed, skipped, passed = conformance(host.folder(), features)
    assert not failed, "\n".join(failed)
    assert not skipped and passed >= 250


def test_default(serve, features):
    check_mode(serve, features, "prefer", "on", "auto", "")


def test_with_everything(serve, features):
    """ACLs, inode flags, all locks shared with the source; the other way in all else, too."""
    check_mode(serve, features, "never", "off", "never", "", *EVERYTHING)


def test_writeback(serve, features):
    check_mode(serve, features, "prefer", "off", "always", "writeback")


def test_fewest_round_trips(serve, features):
    """No opens, everything remembered: what is not asked for must not be missed."""
    check_mode(serve, features, "prefer", "off", "always", "", "--stateless-open", "--stateless-opendir")


# Without a cache there is nothing to write back: fbfsd refuses that.
EVERY_MODE = [
    mode
    for mode in itertools.product(HANDLES, PASSTHROUGH, CACHES, WRITEBACK)
    if mode[2:] != ("never", "writeback")
]


@pytest.mark.long
@pytest.mark.parametrize("mode", EVERY_MODE, ids="-".join)
def test_every_mode(serve, features, mode):
    check_mode(serve, features, *mode)


@pytest.mark.long
@pytest.mark.parametrize("mode", list(itertools.product(HANDLES, PASSTHROUGH, ("auto",), ("",))), ids="-".join)
def test_every_mode_with_everything(serve, features, mode):
    check_mode(serve, features, *mode, *EVERYTHING)


@pytest.mark.long
@pytest.mark.parametrize(
    "mode", list(itertools.product(HANDLES, PASSTHROUGH, ("auto", "never"), ("",))), ids="-".join
)
def test_without_default_permissions(serve, features, mode):
    """Then the server checks, as each caller."""
    check_mode(serve, features, *mode, "--no-default-permissions")
