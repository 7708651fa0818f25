# SPDX-License-Identifier: BSD-3-Clause
"""Our POSIX behaviours (tests/conformance) on what Python serves: the example memory.py, which has
nearly everything, and a bare Passthrough. Over /dev/fuse here, and in a guest over virtio-fs.

A skipped check is a feature that the file system does not claim: those are listed here, with the
reason. Every other feature is required, so that a missing one is a failure.
"""
import functools
import os
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator

import libfb
import pytest
from example_rig import BUILD, guest_kernel, needs_mount  # noqa: F401
from example_work import load
from libfb.testing.vm import Guest

HERE = BUILD / "tests" / "conformance" / "fb-conformance"
IN_A_GUEST = BUILD / "tests" / "vm" / "conformance"  # static

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
pytestmark = [needs_mount, needs_root]

#: Feature → why a file system has it not.
MISSING: dict[str, dict[str, str]] = {
    "memory": {
        "acl": "the example keeps no ACLs",
        "inode-flags": "the example has no ioctls",
    },
    "passthrough": {
        "acl": "off unless the option posix_acl is on",
        "inode-flags": "off unless the option set_inode_flags is on",
    },
    "everything": {},
}
#: How many checks are skipped for that, at most.
SKIPPED_MOST = {"memory": 28, "passthrough": 28, "everything": 0}
EVERYTHING = {"posix_acl": True, "set_inode_flags": True, "posix_lock": True, "flock": True}


def memory() -> libfb.NodeFS:
    """The example, as a file system."""
    made: libfb.NodeFS = load("memory").Memory()
    return made


def required(kind: str) -> list[str]:
    """Words that insist on every feature but the missing ones."""
    if not HERE.exists():
        pytest.fail(f"{HERE} is not built")
    features = subprocess.run(
        [HERE, "--list-features"], check=True, capture_output=True, text=True, timeout=20
    ).stdout.split()
    assert set(MISSING[kind]) < set(features)
    return [word for name in features if name not in MISSING[kind] for word in ("--require", name)]


def judge(kind: str, report: str) -> None:
    """Nothing failed, nearly all was run, and what was skipped is known to be missing."""
    failed = [line for line in report.splitlines() if line.startswith("not ok")]
    skipped = [line for line in report.splitlines() if re.search("# skip", line, re.I)]
    summary = re.search(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", report, re.M)
    assert summary, f"no summary:\n{report[-2000:]}"
    print(f"{kind}: {summary[0]}")
    assert not failed, "\n".join(failed)
    assert int(summary[1]) >= 680 and len(skipped) <= SKIPPED_MOST[kind], "\n".join(skipped)
    for line in skipped:
        assert any(f"no {name}:" in line for name in MISSING[kind]), line


def check_mount(kind: str, path: str) -> None:
    """The root of a mount belongs to somebody else: the checks want a folder that all enter."""
    os.chmod(path, 0o755)
    folder = pathlib.Path(path, "checks")
    folder.mkdir()
    done = subprocess.run(
        [HERE, folder, *required(kind)], capture_output=True, text=True, timeout=200
    )  # fmt: skip
    judge(kind, done.stdout)
    assert done.returncode == 0 and os.listdir(folder) == []


def test_memory(fb_mount: Callable[..., str]) -> None:
    check_mount("memory", fb_mount(memory, timeout=300, options="allow_other,dev,suid"))


@pytest.fixture
def source() -> Iterator[pathlib.Path]:
    """A folder on a file system that has everything, which the tmpfs of many a /tmp has not."""
    with tempfile.TemporaryDirectory(prefix="fb-conformance-", dir="/var/tmp") as made:
        yield pathlib.Path(made)


def test_passthrough(fb_mount: Callable[..., str], source: pathlib.Path) -> None:
    served = functools.partial(libfb.Passthrough, source)
    check_mount("passthrough", fb_mount(served, timeout=300, options="allow_other,dev,suid"))


@pytest.mark.long
def test_passthrough_with_everything(fb_mount: Callable[..., str], source: pathlib.Path) -> None:
    served = functools.partial(libfb.Passthrough, source, **EVERYTHING)
    check_mount("everything", fb_mount(served, timeout=300, options="allow_other,dev,suid"))


def script(kind: str) -> str:
    """The checks, in a guest: its clock must not be behind the host's. Prints the report."""
    words = " ".join(required(kind))
    return f"""
touch now; date -s "@$(($(stat -c %Y now) + 2))" > /dev/null; rm now
ulimit -n 65536
mkdir here
conformance /mnt/here --timeout 200 {words}
test -z "$(ls here)"
"""


def check_guest(kind: str, guest: Guest) -> None:
    judge(kind, guest.console)
    assert guest.status == 0, guest.console[-2000:]


@pytest.mark.long
def test_memory_in_a_guest(guest_kernel: None, fb_vm: Callable[..., Guest]) -> None:
    guest = fb_vm(memory, script("memory"), timeout=900, programs=[IN_A_GUEST])
    check_guest("memory", guest)


@pytest.mark.long
def test_passthrough_in_a_guest(
    guest_kernel: None, fb_vm: Callable[..., Guest], source: pathlib.Path
) -> None:
    served = functools.partial(libfb.Passthrough, source)
    guest = fb_vm(served, script("passthrough"), timeout=900, programs=[IN_A_GUEST])
    check_guest("passthrough", guest)
