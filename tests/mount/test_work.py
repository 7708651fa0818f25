# SPDX-License-Identifier: BSD-3-Clause
"""Real work on a mount: what people do all day with a file system."""
import ctypes
import errno
import json
import os
import pathlib
import random
import sqlite3
import subprocess
import sys
import time

import pytest

from fixtures import (  # noqa: F401
    MODES, ROOT, client, end, host, need_program, needs_root, run, serve, start, tidy,
)  # fmt: skip

in_each_mode = pytest.mark.parametrize("mode", MODES)


# ---- git and compilers --------------------------------------------------------------------------------


@pytest.fixture
def git(host):
    """git(folder, *arguments) with settings of its own."""
    settings = host.folder("home") / "gitconfig"
    settings.write_text(
        "[user]\n\tname = Test\n\temail = test@example.org\n[safe]\n\tdirectory = *\n"
        "[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n"
    )
    environment = os.environ | {"GIT_CONFIG_GLOBAL": str(settings), "GIT_CONFIG_NOSYSTEM": "1"}

    def git_in(folder, *arguments):
        done = run("git", "-C", folder, *arguments, env=environment, stderr=subprocess.PIPE)
        return done.stdout.strip()

    return git_in


# Commits of this repository that are enough to work on.
HISTORY = 60


@pytest.fixture
def repository(git, host):
    """This repository's last commits; where it is none (a release archive, no commit yet), one of its files."""
    here = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, check=False
    )
    copy = host.folder("repository")
    if here.returncode == 0:
        git(copy, "clone", "-q", "--bare", f"--depth={HISTORY}", f"file://{ROOT}", ".")
        return copy
    copy_sources(copy)
    git(copy, "init", "-q")
    git(copy, "add", "-A")
    git(copy, "commit", "-q", "-m", "All files")
    return copy


def copy_sources(to):
    run("rsync", "-a", "--exclude=/build*", "--exclude=/.git", "--exclude=__pycache__", f"{ROOT}/", f"{to}/")


@in_each_mode
def test_git(serve, git, repository, mode):
    mount = serve(*MODES[mode]).path
    clone = mount / "clone"
    git(mount, "clone", "-q", "--no-hardlinks", repository, clone)
    assert git(clone, "rev-parse", "HEAD") == git(repository, "rev-parse", "HEAD")
    git(clone, "fsck", "--strict")
    assert git(clone, "status", "--porcelain") == ""

    git(clone, "worktree", "add", "-q", "-b", "side", mount / "side")
    for number in range(5):
        (mount / "side" / f"new{number}").write_text(f"{number}\n" * 1000)
        git(mount / "side", "add", ".")
        git(mount / "side", "commit", "-q", "-m", f"Add {number}")
    git(clone, "merge", "-q", "--no-ff", "-m", "Merge", "side")
    git(clone, "gc", "-q", "--prune=now")
    git(clone, "fsck", "--strict")
    assert git(clone, "status", "--porcelain") == ""
    assert (clone / "new4").read_text() == "4\n" * 1000
    assert not list(clone.glob(".git/**/*.lock"))


@in_each_mode
def test_make(serve, mode):
    """A small project with make -j4: the program runs from the mount, and nothing is made twice."""
    project = serve(*MODES[mode]).path
    count = 24
    for n in range(count):
        (project / f"part{n}.c").write_text(f'#include "parts.h"\nint part{n}(void) {{ return {n}; }}\n')
    (project / "parts.h").write_text("".join(f"int part{n}(void);\n" for n in range(count)))
    calls = " + ".join(f"part{n}()" for n in range(count))
    (project / "main.c").write_text(f'#include "parts.h"\nint main(void) {{ return {calls}; }}\n')
    (project / "Makefile").write_text(
        "objects := $(patsubst %.c,%.o,$(wildcard *.c))\n"
        "program: libparts.a main.o\n\t$(CC) main.o libparts.a -o $@\n"
        "libparts.a: $(filter-out main.o,$(objects))\n\t$(AR) rcs $@ $^\n"
        "$(objects): parts.h\n"
    )
    need_program("make")
    run("make", "-C", project, "-j4", "CC=cc", "CFLAGS=-O1 -g")
    assert run(project / "program", ok=False).returncode == sum(range(count)) % 256
    assert run("make", "-C", project, "-q", ok=False).returncode == 0
    (project / "part3.c").write_text('#include "parts.h"\nint part3(void) { return 4; }\n')
    output = run("make", "-C", project, "-j4", "CC=cc").stdout
    assert "part3.c" in output and "part4.c" not in output
    assert run(project / "program", ok=False).returncode == (sum(range(count)) + 1) % 256


# ---- sqlite ---------------------------------------------------------------------------------------------

ACCOUNTS, BALANCE = 50, 1000

# Moves amounts between accounts, notes each transaction that was committed, never ends by itself.
SQLITE_CLIENT = """
import random, sqlite3, sys
path, seed = sys.argv[1], int(sys.argv[2])
draw = random.Random(seed)
base = sqlite3.connect(path, timeout=60, isolation_level=None)
base.execute("PRAGMA synchronous=NORMAL")
number = 0
while True:
    base.execute("BEGIN IMMEDIATE")
    for _ in range(5):
        one, other = draw.randrange(50), draw.randrange(50)
        base.execute("UPDATE account SET balance = balance - 7 WHERE id = ?", (one,))
        base.execute("UPDATE account SET balance = balance + 7 WHERE id = ?", (other,))
    base.execute("INSERT INTO note VALUES (?, ?, ?)", (seed, number, draw.randbytes(draw.randrange(3000))))
    base.execute("COMMIT")
    number += 1
    print(number, flush=True)
"""


def check_database(path, committed):
    assert run("sqlite3", "-cmd", ".timeout 60000", path, "PRAGMA integrity_check").stdout.strip() == "ok"
    with sqlite3.connect(path, timeout=30) as base:
        assert base.execute("SELECT sum(balance) FROM account").fetchone() == (ACCOUNTS * BALANCE,)
        for seed, count in committed.items():
            (rows, last) = base.execute(
                "SELECT count(*), max(number) FROM note WHERE author = ?", (seed,)
            ).fetchone()
            assert rows >= count, f"client {seed} was told of {count} commits, {rows} are there"
            assert rows == 0 or rows == last + 1
    base.close()


SQLITE_OPTIONS = {
    "default": (),
    "uncached": ("--cache=never",),
    "shared locks": ("--posix-lock", "--no-kernel-passthrough"),
    "writeback": ("--cache=always", "--writeback"),
}


@pytest.mark.parametrize(
    "options, journal",
    [(name, "wal") for name in SQLITE_OPTIONS]
    + [("shared locks", "delete")]
    + [pytest.param(name, "delete", marks=pytest.mark.long) for name in SQLITE_OPTIONS if name != "shared locks"],
)
def test_sqlite(serve, options, journal):
    """Four writers; again and again one is killed in the middle of its transactions."""
    need_program("sqlite3")
    server = serve(*SQLITE_OPTIONS[options])
    path = server.path / "base"
    base = sqlite3.connect(path, isolation_level=None)
    assert base.execute(f"PRAGMA journal_mode={journal}").fetchone() == (journal,)
    base.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER)")
    base.execute("CREATE TABLE note (author, number, data, PRIMARY KEY (author, number))")
    rows = [(number, BALANCE) for number in range(ACCOUNTS)]
    base.executemany("INSERT INTO account VALUES (?, ?)", rows)
    base.close()

    def start_client(seed):
        return start(
            sys.executable, "-c", SQLITE_CLIENT, path, str(seed),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    clients = {seed: start_client(seed) for seed in range(4)}
    committed = {}
    draw = random.Random(7)
    for turn in range(4):
        time.sleep(0.5 + draw.random() / 3)
        victim = clients.pop(turn)
        clients[turn + 4] = start_client(turn + 4)
        committed[turn] = finish_client(victim)
        check_database(path, committed)
    for seed, process in clients.items():
        committed[seed] = finish_client(process)
    check_database(path, committed)
    check_database(server.source / "base", committed)
    assert sum(committed.values()) > 20


def finish_client(process):
    """Kill -9; returns how many commits the client was told of."""
    process.kill()
    output, errors = process.communicate()
    assert not errors, errors
    end(process)
    lines = [line for line in output.split("\n")[:-1] if line]
    return int(lines[-1]) if lines else 0


# ---- data ------------------------------------------------------------------------------------------------------

FIO_JOBS = {
    "buffered": "--ioengine=psync --rw=randwrite --bsrange=512-128k --numjobs=3 --fsync=64",
    "direct": "--ioengine=psync --direct=1 --rw=randwrite --bs=4k --numjobs=2",
    "asynchronous": "--ioengine=libaio --direct=1 --iodepth=16 --rw=randwrite --bs=16k --numjobs=2",
    "mmap": "--ioengine=mmap --rw=randwrite --bs=4k --numjobs=2",
    "append": "--ioengine=psync --rw=write --bs=100k --file_append=1 --numjobs=2 --fallocate=none",
    "mixed": "--ioengine=psync --rw=randrw --bsrange=4k-64k --numjobs=2 --verify_backlog=256",
}


@in_each_mode
@pytest.mark.parametrize("size", ["8m", pytest.param("256m", marks=pytest.mark.long)])
def test_fio(serve, mode, size):
    """Everything that fio writes in six ways is read back and verified."""
    need_program("fio")
    mount = serve(*MODES[mode]).path
    for name, words in FIO_JOBS.items():
        done = run(
            "fio", f"--name={name}", f"--directory={mount}", f"--size={size}", "--verify=crc32c",
            "--verify_fatal=1", "--do_verify=1", "--output-format=json", "--randrepeat=1", "--group_reporting",
            *words.split(), ok=False, timeout=600, stderr=subprocess.PIPE, cwd=mount.parent,
        )  # fmt: skip
        assert done.returncode == 0, f"{name}: {done.stdout[-2000:]} {done.stderr}"
        (job,) = json.loads(done.stdout[done.stdout.index("{") :])["jobs"]
        assert job["error"] == 0 and job["write"]["io_kbytes"] > 0 and job["read"]["io_kbytes"] > 0, name


@in_each_mode
def test_mmap_store(serve, mode):
    server = serve(*MODES[mode])
    run(client("mmap_log"), server.path / "store", "3", "2")
    head = 4096
    seen = (server.path / "store").read_bytes()
    assert len(seen) > head and seen == (server.source / "store").read_bytes()


# ---- programs ---------------------------------------------------------------------------------------------------


@in_each_mode
def test_programs_run_from_the_mount(serve, mode):
    mount = serve(*MODES[mode]).path
    program, script = mount / "program", mount / "script"
    program.write_bytes(pathlib.Path("/usr/bin/printf").read_bytes())
    script.write_text("#!/bin/sh\necho $0 $1\n")
    with pytest.raises(PermissionError):
        subprocess.run([program], check=True)
    for path in (program, script):
        path.chmod(0o755)
    assert run(program, "ran").stdout == "ran"
    assert run(script, "ran").stdout == f"{script} ran\n"

    with open(program, "r+b"), pytest.raises(OSError) as caught:
        subprocess.run([program], check=True)
    assert caught.value.errno == errno.ETXTBSY

    source = mount / "part.c"
    source.write_text("int answer(void) { return 42; }\n")
    run("cc", "-shared", "-fPIC", source, "-o", mount / "part.so")
    assert ctypes.CDLL(str(mount / "part.so")).answer() == 42


@needs_root
def test_overlayfs_on_top(host, serve):
    """overlayfs with its upper and work directories on the mount, where the kernel takes that."""
    mount = serve().path
    lower = host.folder("lower")
    (lower / "file").write_text("lower")
    for name in ("upper", "work"):
        (mount / name).mkdir()
    merged = host.mount(
        "overlay", "overlay", f"lowerdir={lower},upperdir={mount}/upper,workdir={mount}/work", "merged"
    )
    (merged / "file").write_text("changed")
    (merged / "new").write_text("new")
    os.rename(merged / "new", merged / "renamed")
    assert (lower / "file").read_text() == "lower"
    assert (mount / "upper" / "file").read_text() == "changed"
    assert sorted(os.listdir(merged)) == ["file", "renamed"]
    (merged / "file").unlink()
    assert os.listdir(merged) == ["renamed"]
