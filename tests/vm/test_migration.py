# SPDX-License-Identifier: BSD-3-Clause
"""A guest with open files moves from one fbfsd to another one, each in its sandbox (see move.c)."""
import os
import subprocess

import pytest

from guest import BUILD

SECONDS = 60 * (3 if os.environ.get("FB_SANITIZE") else 1)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

GUEST_ERROR = "--migration-on-error=guest-error"


def move(first, second, meanwhile=None):
    """Move the guest, and do something on the host while it stands still. Returns a status and what was said."""
    mover = subprocess.Popen([BUILD / "tests" / "vm" / "move", first.socket, second.socket],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # fmt: skip
    said = mover.stdout.readline()
    if said == "stopped\n" and meanwhile:
        meanwhile()
    said += mover.communicate("\n", timeout=SECONDS)[0]
    return mover.returncode, said + first.log + second.log


@pytest.mark.parametrize("sandbox", ["namespace", "chroot", "none"])
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--inode-file-handles=never",),
        ("--migration-verify-handles", "--migration-confirm-paths"),
        ("--migration-mode=file-handles",),
        ("--inode-file-handles=never", "--migration-mode=file-handles"),
    ],
    ids=" ".join,
)
def test_sandboxes(serve, area, sandbox, options):
    """Every system call that this takes is allowed there, and paths are those that the server sees."""
    first = serve(f"--sandbox={sandbox}", "--seccomp=kill", GUEST_ERROR, *options)
    second = serve(f"--sandbox={sandbox}", "--seccomp=kill", GUEST_ERROR, *options, source=first.source)

    def rename():
        """A name is taken away, and another one stays: the tree has to be looked through."""
        os.link(first.source / "linked", first.source / "dir" / "sub" / "link")
        os.unlink(first.source / "linked")

    status, said = move(first, second, rename)
    assert status == 0, said
    if options == ("--inode-file-handles=never",):
        assert "gone: node ESTALE, file EBADF" in said
        assert "files that the client knows are not here" in said
    assert first.wait() == 0 and second.wait() == 0
    assert (first.source / "dir" / "sub" / "file").read_text() == "file"


def test_a_file_is_not_found(serve):
    """The machine is refused, with a reason."""
    first = serve("--inode-file-handles=never")
    second = serve("--inode-file-handles=never", source=first.source)
    status, said = move(first, second)
    assert status == 1 and "front_end_load" in said, said
    assert "can not be loaded: node" in second.log and "is not found again" in second.log


@pytest.mark.parametrize("option, reason", [("--cache=never", "DO_READDIRPLUS"), ("--posix-acl", "POSIX ACLs are asked for")])
def test_options_differ(serve, option, reason):
    """What one server has promised, or does not know of, the other one would need."""
    first = serve(GUEST_ERROR)
    second = serve(option, GUEST_ERROR, source=first.source)
    status, said = move(first, second)
    assert status == 1 and "front_end_load" in said, said
    assert reason in second.log
