# SPDX-License-Identifier: BSD-3-Clause
"""What is agreed on with the kernel, seen by programs: mappings, files that create finds."""
import errno
import mmap
import os
import subprocess

import pytest

from fixtures import as_user, host, needs_root, serve, tidy  # noqa: F401

pytestmark = needs_root

NOBODY = 65534
PAGE = mmap.PAGESIZE


# ---- mappings of files without cached data ------------------------------------------------------------

SHARED, PRIVATE = mmap.MAP_SHARED, mmap.MAP_PRIVATE
READ, WRITE = mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE


def map_errors(path):
    """The error number, or 0, of each kind of mapping; what can be mapped must show the content."""
    content, errors = path.read_bytes(), {}
    for kind, flags, access in [
        ("shared", SHARED, WRITE), ("shared, to read", SHARED, READ),
        ("private", PRIVATE, WRITE), ("private, to read", PRIVATE, READ),
    ]:  # fmt: skip
        with open(path, "r+b" if access == WRITE else "rb") as file:
            try:
                with mmap.mmap(file.fileno(), 0, flags, access) as mapping:
                    assert mapping[:] == content
                    errors[kind] = 0
            except OSError as error:
                errors[kind] = error.errno
    return errors


# Kernel passthrough maps the host's own file, whose data is cached there.
THROUGH_THE_SERVER = "--no-kernel-passthrough"
MAPPINGS = [  # options, whether shared mappings work
    (("--cache=never", "--no-allow-mmap", THROUGH_THE_SERVER), False),
    (("--cache=metadata", "--no-allow-mmap", THROUGH_THE_SERVER), False),
    (("-o", "cache=none,no_allow_mmap", THROUGH_THE_SERVER), False),
    (("--cache=never", THROUGH_THE_SERVER), True),
    (("--cache=metadata", "--allow-mmap", THROUGH_THE_SERVER), True),
    (("--cache=auto", "--no-allow-mmap", THROUGH_THE_SERVER), True),
]


@pytest.mark.parametrize("options, shared", MAPPINGS, ids=[" ".join(row[0]) for row in MAPPINGS])
def test_shared_mappings(serve, options, shared):
    """ENODEV where the data is not cached, unless it is allowed; private mappings always work."""
    server = serve(*options)
    (server.source / "file").write_bytes(os.urandom(2 * PAGE + 100))
    errors = map_errors(server.path / "file")
    assert errors["private"] == errors["private, to read"] == 0
    assert errors["shared"] == errors["shared, to read"] == (0 if shared else errno.ENODEV)


def test_what_is_changed_in_a_private_mapping_stays_there(serve):
    """And a program is started from such a file, which is nothing but private mappings."""
    server = serve("--cache=never", "--no-allow-mmap", THROUGH_THE_SERVER)
    path = server.path / "file"
    path.write_bytes(b"o" * PAGE)
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0, PRIVATE, WRITE) as mapping:
        mapping[:3] = b"new"
        assert mapping[:4] == b"newo"
    assert path.read_bytes() == b"o" * PAGE == (server.source / "file").read_bytes()
    program = server.path / "program"
    program.write_bytes(open("/bin/true", "rb").read())
    program.chmod(0o755)
    assert subprocess.run([program], timeout=20, check=False).returncode == 0


# ---- files that the kernel believes to be missing ------------------------------------------------------


@pytest.fixture
def surprise(serve):
    """surprise(mode, *options): a file that the host made after the kernel saw that there is none."""

    def make(mode, *options):
        server = serve("--negative-timeout=60", *options)
        folder = server.source / "folder"
        folder.mkdir()
        folder.chmod(0o777)
        for attempt in range(20):
            name = f"file{attempt}"
            path = server.path / "folder" / name
            assert not path.exists()
            (folder / name).write_text("content")
            (folder / name).chmod(mode)
            if not path.exists():  # as the kernel has it: open(O_CREAT) sends CREATE
                return path, folder / name
        pytest.fail("the kernel does not remember that there is no file")  # others may drop its caches

    return make


MODES = [(), ("--no-default-permissions",), ("--posix-acl",), ("--inode-file-handles=never",)]
in_each_mode = pytest.mark.parametrize("options", MODES, ids=lambda options: " ".join(options) or "default")


@in_each_mode
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC])
def test_create_opens_no_file_of_others(surprise, options, flags):
    """Permissions count for a file that create finds, as for one that open finds."""
    path, host_file = surprise(0o600, *options)
    assert as_user(NOBODY, lambda: os.open(path, os.O_CREAT | flags, 0o600)) == errno.EACCES
    assert host_file.read_text() == "content"
    assert host_file.stat().st_uid == 0


@in_each_mode
def test_create_opens_what_everybody_may(surprise, options):
    path, host_file = surprise(0o666, *options)

    def append():
        fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        assert os.pread(fd, 100, 0) == b"content"
        os.write(fd, b" and more")
        os.close(fd)

    assert as_user(NOBODY, append) == 0
    assert host_file.read_text() == "content and more"
    assert host_file.stat().st_mode & 0o7777 == 0o666


@pytest.mark.parametrize("options", [*MODES, ("--no-killpriv-v2",)], ids=lambda options: " ".join(options) or "default")
def test_create_that_cuts_a_suid_file(surprise, options):
    """Cut by somebody without privileges the file is no longer suid, on the host and in the mount."""
    path, host_file = surprise(0o6777, *options)
    assert as_user(NOBODY, lambda: os.close(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))) == 0
    assert host_file.stat().st_mode & 0o7777 == 0o777
    assert host_file.stat().st_size == 0
    assert path.stat().st_mode & 0o7777 == 0o777
