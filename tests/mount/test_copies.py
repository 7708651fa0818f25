# SPDX-License-Identifier: BSD-3-Clause
"""Copies of large trees into a mount and out of it, and walks through them."""
import os
import subprocess

import pytest

from fixtures import MODES, client, end, host, need_program, run, serve, start, tidy  # noqa: F401
from trees import assert_same, assert_same_scans, differences, make_tree, scan

in_each_mode = pytest.mark.parametrize("mode", MODES)


# ---- the comparer itself ----------------------------------------------------------------------------


def fill_holes(path):
    with open(path, "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 20)


CHANGES = {
    "content": lambda folder: (folder / "file").write_bytes(b"CONTENT"),
    "missing": lambda folder: (folder / "file").unlink(),
    "too much": lambda folder: (folder / "new").touch(),
    "mode": lambda folder: os.chmod(folder / "file", 0o600),
    "mtime": lambda folder: os.utime(folder / "file", ns=(5, 6)),
    "xattrs": lambda folder: os.setxattr(folder / "file", "user.a", b"2"),
    "target": lambda folder: ((folder / "link").unlink(), os.symlink("elsewhere", folder / "link")),
    "hard links": lambda folder: ((folder / "two").unlink(), os.link(folder / "file", folder / "two")),
    "sparse": lambda folder: fill_holes(folder / "sparse"),
    "type": lambda folder: ((folder / "fifo").unlink(), (folder / "fifo").touch()),
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_comparer_sees(host, what):
    one, other = host.folder(), host.folder()
    for folder in one, other:
        (folder / "file").write_bytes(b"content")
        os.setxattr(folder / "file", "user.a", b"1")
        (folder / "one").touch()
        os.link(folder / "one", folder / "two")
        os.symlink("nowhere", folder / "link")
        os.mkfifo(folder / "fifo")
        with open(folder / "sparse", "wb") as sparse:
            sparse.truncate(1 << 20)
        for name in os.listdir(folder):
            os.utime(folder / name, ns=(1, 2), follow_symlinks=False)
    assert differences(one, other) == []
    CHANGES[what](other)
    assert any(what in line for line in differences(one, other))


# ---- copies of trees ---------------------------------------------------------------------------------------

TAR_KEEPS = "--format=posix --sparse --xattrs --xattrs-include=* --acls --numeric-owner --warning=no-timestamp".split()


def tar_copy(source, to):
    """tar | tar"""
    pack = start("tar", "-C", source, *TAR_KEEPS, "-cf", "-", ".", stdout=subprocess.PIPE)
    run("tar", "-C", to, *TAR_KEEPS, "-xpf", "-", stdin=pack.stdout)
    pack.stdout.close()
    assert pack.wait(20) == 0
    end(pack)


def rsync_copy(source, to):
    # --numeric-ids: the machine's user names must not matter. -S: keep holes.
    flags = "-aHAXS" if os.geteuid() == 0 else "-aHXS"
    run("rsync", flags, "--numeric-ids", f"{os.fsdecode(source)}/", f"{to}/", timeout=600)
    output = run(
        "rsync", flags, "--numeric-ids", "--checksum", "--itemize-changes", f"{os.fsdecode(source)}/", f"{to}/",
        timeout=600,
    ).stdout  # fmt: skip
    assert output == "", "the second run finds something to do:\n" + output[:2000]


def copy_and_compare(host, server, copy, count, acl):
    original = make_tree(host.folder("original"), count, acl=acl)
    inside, back = server.path / "inside", host.folder("back")
    inside.mkdir()
    wanted = scan(original)
    copy(original, inside)
    seen = scan(inside)
    assert_same_scans(wanted, seen)
    assert_same_scans(seen, scan(server.source / "inside"), same_blocks=True)
    copy(inside, back)
    assert_same_scans(wanted, scan(back))


TREE_OPTIONS = {
    "default": (),
    "acl, uncached": ("--posix-acl", "--cache=never"),
    "acl, descriptors": ("--posix-acl", *MODES["descriptors"]),
    "writeback": MODES["writeback"],
}


COPIES = [
    (tar_copy, "default", 20000),
    (tar_copy, "acl, uncached", 400),
    (rsync_copy, "acl, descriptors", 20000),
    (rsync_copy, "writeback", 400),
    *(
        pytest.param(copy, options, 20000, marks=pytest.mark.long)
        for copy, options in (
            (tar_copy, "acl, uncached"),
            (tar_copy, "acl, descriptors"),
            (tar_copy, "writeback"),
            (rsync_copy, "default"),
            (rsync_copy, "acl, uncached"),
            (rsync_copy, "writeback"),
        )
    ),
]


@pytest.mark.parametrize("copy, options, count", COPIES)
def test_copy_of_a_tree(host, serve, copy, options, count):
    need_program("rsync")
    server = serve("-o", "dev,suid", *TREE_OPTIONS[options])
    copy_and_compare(host, server, copy, count, acl="--posix-acl" in TREE_OPTIONS[options])


@in_each_mode
def test_walks(host, serve, mode):
    """find, ls -lR and du see on the mount what they see in the source."""
    source = host.folder("source")
    make_tree(source, 600)
    server = serve(*MODES[mode], source=source)
    find = "find . -printf".split() + ["%p %y %s %m %U %G %n %T@ %i %l\\n"]
    for words in (find, "ls -lARU --time-style=full-iso .".split(), "du -a .".split()):
        output = {}
        for place in (server.source, server.path):
            output[place] = sorted(run(*words, cwd=place, env=os.environ | {"LC_ALL": "C"}).stdout.split("\n"))
        seen, wanted = output[server.path], output[server.source]
        assert seen == wanted, f"{words}: {set(seen) ^ set(wanted)}"
    assert run(client("walk"), server.path, "open", ok=os.geteuid() == 0).stdout.endswith("errors 0\n")
    assert_same(source, server.path, same_blocks=True)
