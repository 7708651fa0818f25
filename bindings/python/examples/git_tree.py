#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The history of a git repository as folders: every commit at once, nothing checked out.

    python3 git_tree.py ~/src/project /mnt
    python3 -m libfb git_tree.py:Git /mnt --arg repository=/home/me/src/project
    diff -r /mnt/tags/v1.0 /mnt/HEAD

    /HEAD                  symbolic link to a commit
    /branches/NAME         the same ("/" in names is written "%2F")
    /tags/NAME             the same
    /commits/ID/...        what was committed

One ``git cat-file --batch-command`` answers all questions. What an object's name stands for never
changes: so trees, once read, are kept.
"""
from __future__ import annotations

import functools
import os
import stat
import subprocess
import sys
import urllib.parse
from dataclasses import dataclass

import libfb

REFS = {"branches": "refs/heads/", "tags": "refs/tags/"}
SUBMODULE = 0o160000


@dataclass(frozen=True)
class Thing:
    """What a path stands for: a mode of git's, an object (or None), a time in seconds."""

    mode: int
    object: str | None
    time: int = 0


class Git(libfb.PathFS):
    """The commits of a repository. It may grow meanwhile."""

    def __init__(self, repository: str) -> None:
        self.command = ["git", "-C", repository]
        self.git("rev-parse", "--git-dir")  # raises CalledProcessError where there is none
        self.files = subprocess.Popen([*self.command, "cat-file", "--batch-command"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def destroy(self) -> None:
        """The mount is gone: git ends when nothing more can be asked."""
        self.files.communicate()

    # ---- git's answers ----

    def git(self, *words: str) -> str:
        done = subprocess.run([*self.command, *words], check=True, stdout=subprocess.PIPE)
        return os.fsdecode(done.stdout)

    def ask(self, what: str, name: str) -> tuple[str, int]:
        """(type, size) of an object; its content is next in the pipe if what is "contents"."""
        assert self.files.stdin and self.files.stdout
        self.files.stdin.write(f"{what} {name}\n".encode())
        self.files.stdin.flush()
        answer = self.files.stdout.readline().split()
        if len(answer) != 3:  # "… missing"
            raise FileNotFoundError
        return answer[1].decode(), int(answer[2])

    def content(self, name: str, kind: str) -> bytes:
        """The bytes of an object of this kind."""
        found, size = self.ask("contents", name)
        assert self.files.stdout
        data = self.files.stdout.read(size + 1)[:-1]  # a newline follows
        if found != kind:
            raise FileNotFoundError
        return data

    @functools.lru_cache(maxsize=10_000)
    def commit(self, name: str) -> Thing:
        """The tree of a commit, with the time of the commit."""
        header = self.content(name, "commit").split(b"\n\n")[0].decode(errors="replace")
        lines = dict(line.split(" ", 1) for line in header.splitlines() if " " in line)
        return Thing(stat.S_IFDIR, lines["tree"], int(lines["committer"].split()[-2]))

    @functools.lru_cache(maxsize=10_000)
    def tree(self, name: str) -> dict[str, tuple[int, str]]:
        """(mode, object) by name: "mode name", NUL, and the object's name in binary."""
        rest, found, length = self.content(name, "tree"), {}, len(name) // 2
        while rest:
            header, _, rest = rest.partition(b"\0")
            mode, _, file = header.partition(b" ")
            found[os.fsdecode(file)] = int(mode, 8), rest[:length].hex()
            rest = rest[length:]
        return found

    def refs(self, kind: str) -> dict[str, str]:
        """Commits by the names of branches or tags."""
        prefix, found = REFS[kind], {}
        form = "%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end) %(refname)"
        for line in self.git("for-each-ref", f"--format={form}", prefix).splitlines():
            name, _, ref = line.partition(" ")
            found[urllib.parse.quote(ref.removeprefix(prefix), safe="")] = name
        return found

    # ---- paths ----

    def find(self, path: str) -> Thing:
        first, *rest = path.split("/")[1:]
        if first == "commits" and rest:
            return self.find_committed(rest[0], rest[1:])
        if path == "/" or (first in ("commits", *REFS) and not rest):
            return Thing(stat.S_IFDIR, None)
        if path == "/HEAD" or (first in REFS and len(rest) == 1 and rest[0] in self.refs(first)):
            return Thing(stat.S_IFLNK, None)
        raise FileNotFoundError

    def find_committed(self, commit: str, names: list[str]) -> Thing:
        if len(commit) not in (40, 64) or set(commit) - set("0123456789abcdef"):
            raise FileNotFoundError  # "HEAD~3" is not what a folder is called
        thing = self.commit(commit)
        for name in names:
            if not stat.S_ISDIR(thing.mode) or thing.object is None:
                raise FileNotFoundError
            try:
                thing = Thing(*self.tree(thing.object)[name], thing.time)
            except KeyError:
                raise FileNotFoundError from None
        return thing

    def getattr(self, path: str) -> libfb.Attr:
        thing = self.find(path)
        times = {"mtime_ns": thing.time * 10**9, "ctime_ns": thing.time * 10**9}
        if stat.S_ISDIR(thing.mode) or thing.mode == SUBMODULE:
            return libfb.Dir(0o555, **times)
        if thing.object is None:
            return libfb.Symlink(size=len(self.readlink(path)), **times)
        size = self.ask("info", thing.object)[1]
        if stat.S_ISLNK(thing.mode):
            return libfb.Symlink(size=size, **times)
        return libfb.File(0o444 | thing.mode & 0o111, size=size, **times)

    def readlink(self, path: str) -> str:
        thing = self.find(path)
        if thing.object is not None:
            return os.fsdecode(self.content(thing.object, "blob"))
        if path == "/HEAD":
            return "commits/" + self.git("rev-parse", "HEAD").strip()
        _, kind, name = path.split("/")
        return f"../commits/{self.refs(kind)[name]}"

    def readdir(self, path: str) -> list[str]:
        thing = self.find(path)
        if path == "/":
            return ["HEAD", "commits", *REFS]
        if path == "/commits":
            return self.git("rev-list", "--all").split()
        if thing.object is None:
            return list(self.refs(path[1:]))
        return [] if thing.mode == SUBMODULE else list(self.tree(thing.object))

    # ---- contents ----

    def open(self, path: str, flags: int) -> libfb.Opened:
        """The handle is all of the file."""
        thing = self.find(path)
        assert thing.object is not None
        return libfb.Opened(self.content(thing.object, "blob"), keep_cache=True)

    def read(self, path: str, fh: bytes, off: int, size: int) -> bytes:
        return fh[off:off + size]


if __name__ == "__main__":
    with libfb.mount(Git(sys.argv[1]), sys.argv[2], read_only=True) as mount:
        mount.wait()
