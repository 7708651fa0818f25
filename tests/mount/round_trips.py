# SPDX-License-Identifier: BSD-3-Clause
"""Single operations, for counting the requests that each causes.

An operation works in a folder that the client has just looked up, and is counted twice: "cold", and
"warm", once more at once. What can not be done twice (a file is made once) is done to another name then,
which ends in 1, and is known already if it is there.
"""
import contextlib
import os
import subprocess

MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL
LISTED = tuple("abcdefghij")


class Operation:
    """work(folder, turn) with turn 0 for cold and 1 for warm; files, folders, links: there before."""

    def __init__(self, work, files=(), folders=(), links=()):
        self.work, self.files, self.folders, self.links = work, files, folders, links

    @property
    def known(self):
        return [name for name in (*self.files, *self.folders) if name.endswith("1")]

    def prepare(self, source):
        for name in self.files:
            (source / name).write_bytes(b"x" * 4096)
        for name in self.folders:
            (source / name).mkdir()
        for name in self.links:
            (source / name).symlink_to("target")


@contextlib.contextmanager
def opened(path, flags):
    fd = os.open(path, flags, 0o644)
    try:
        yield fd
    finally:
        os.close(fd)


def create(folder, turn):
    with opened(folder / f"new{turn}", MAKE):
        pass


def create_write(folder, turn):
    with opened(folder / f"new{turn}", MAKE) as fd:
        os.write(fd, b"y" * 4096)


def open_close(folder, turn):
    with opened(folder / "file", os.O_RDONLY):
        pass


def read(folder, turn):
    with opened(folder / "file", os.O_RDONLY) as fd:
        assert len(os.read(fd, 4096)) == 4096
        os.fstat(fd)


def write_twice(folder, turn):
    with opened(folder / "file", os.O_WRONLY) as fd:
        os.write(fd, b"y" * 4096)
        os.write(fd, b"z" * 4096)


def cut(folder, turn):
    with opened(folder / "file", os.O_WRONLY | os.O_TRUNC):
        pass


def miss(folder, turn):
    assert not os.path.lexists(folder / "missing")


def miss_and_create(folder, turn):
    assert not os.path.lexists(folder / f"new{turn}")
    with opened(folder / f"new{turn}", os.O_WRONLY | os.O_CREAT):
        pass


def access(folder, turn):
    assert os.access(folder / "file", os.R_OK)


def list_and_stat(folder, turn):
    for name in os.listdir(folder):
        os.lstat(folder / name)


def get_xattrs(folder, turn):
    for name in LISTED:
        with contextlib.suppress(OSError):
            os.getxattr(folder / name, "user.nothing")


OPERATIONS = {
    "create, close": Operation(create),
    "create, write 4 KiB, close": Operation(create_write),
    "open, close": Operation(open_close, files=["file"]),
    "open, read 4 KiB, fstat, close": Operation(read, files=["file"]),
    "open, write 4 KiB twice, close": Operation(write_twice, files=["file"]),
    "open with O_TRUNC, close": Operation(cut, files=["file"]),
    "stat": Operation(lambda folder, turn: os.stat(folder / "file"), files=["file"]),
    "stat of a missing name": Operation(miss),
    "stat of a missing name, create": Operation(miss_and_create),
    "access": Operation(access, files=["file"]),
    "chmod": Operation(lambda folder, turn: os.chmod(folder / "file", 0o600), files=["file"]),
    "readlink": Operation(lambda folder, turn: os.readlink(folder / "link"), links=["link"]),
    "rename": Operation(
        lambda folder, turn: os.rename(folder / f"old{turn}", folder / f"new{turn}"), files=["old0", "old1"]
    ),
    "link": Operation(lambda folder, turn: os.link(folder / "file", folder / f"new{turn}"), files=["file"]),
    "symlink": Operation(lambda folder, turn: os.symlink("target", folder / f"new{turn}")),
    "unlink": Operation(lambda folder, turn: os.unlink(folder / f"file{turn}"), files=["file0", "file1"]),
    "mkdir": Operation(lambda folder, turn: os.mkdir(folder / f"new{turn}")),
    "rmdir": Operation(lambda folder, turn: os.rmdir(folder / f"old{turn}"), folders=["old0", "old1"]),
    "list 10 files": Operation(lambda folder, turn: os.listdir(folder), files=LISTED),
    "list and stat 10 files": Operation(list_and_stat, files=LISTED),
    "getxattr of 10 files": Operation(get_xattrs, files=LISTED),
}


FOLDERS = 5
HEADERS = 5  # in each


def make_project(source):
    """A git repository of folders with headers and a program that includes all; and a tar file of it."""
    project = source / "project"
    names = [f"part{i}/header{j}.h" for i in range(FOLDERS) for j in range(HEADERS)]
    for name in names:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("/* " + "text " * 100 + "*/\n")
    lines = [f'#include "{name}"' for name in names]
    (project / "main.c").write_text("\n".join([*lines, "#include <stdio.h>", "int main(void) { return 0; }\n"]))
    for path in project.rglob("*"):
        os.utime(path, (1e9, 1e9))  # what is as new as git's index is read again each time
    git = ["git", "-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "All"]):
        subprocess.run([*git, *words], cwd=project, check=True, timeout=60)
    subprocess.run(
        ["tar", "--exclude=.git", "-cf", source / "project.tar", "."], cwd=project, check=True, timeout=60
    )


def run_in(folder, *command):
    settings = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_COUNT": "1"}
    settings |= {"GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    done = subprocess.run(
        command, cwd=folder, env=os.environ | settings, check=True, timeout=60, stdout=subprocess.PIPE
    )
    return done.stdout


def git_status(folder):
    assert run_in(folder, "git", "status", "--short", "--untracked-files=all") in (b"", b"?? main.o\n")


def compile_program(folder):
    run_in(folder, "cc", "-I.", "-c", "main.c", "-o", "main.o")


def list_all(folder):
    assert run_in(folder, "ls", "-lR").count(b"header") == FOLDERS * HEADERS


PROGRAMS = {"git status": git_status, "compile": compile_program, "ls -lR": list_all}
