# SPDX-License-Identifier: BSD-3-Clause
"""Faults: servers and clients that die, full and vanishing sources, too few descriptors."""
import contextlib
import errno
import os
import pathlib
import re
import select
import signal
import subprocess
import sys
import time

import pytest

import caches
from fixtures import (  # noqa: F401
    BUILD, MODES, SANITIZED, SLOWER, abort, client, drop_caches, end, host, is_mounted, needs_root, run, serve,
    start, tidy, umount, wait_until,
)  # fmt: skip
from transport import GONE
from trees import assert_same, make_tree

pytestmark = needs_root

# After the server died: how long a client may take to hear of it.
HEAR_SECONDS = 5


def errno_of(call, *arguments):
    try:
        call(*arguments)
    except OSError as error:
        return error.errno
    return 0


# ---- clients that do something until they get an error -----------------------------------------------

# Each prints its error number and ends.
CLIENT = """
import mmap, os, sys
kind, top = sys.argv[1:]
path = os.path.join(top, f"{kind}{os.getpid()}")
try:
    if kind == "create":
        while True:
            open(path, "x").close()
            os.unlink(path)
            os.stat(top + "/" + kind)  # not there: the mount has gone, and this is what was below
    if kind == "list":
        while True:
            for entry in os.scandir(top):
                entry.name
            os.statvfs(top)
            os.stat(top + "/" + kind)
    if kind == "lock":
        import fcntl
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        while True:
            fcntl.lockf(file, fcntl.LOCK_EX)
            fcntl.lockf(file, fcntl.LOCK_UN)
            os.fsync(file)
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    while True:
        if kind == "write":
            os.pwrite(file, b"x" * 100000, 0)
            os.fsync(file)
        elif kind == "truncate":
            os.ftruncate(file, 70000)
            os.pread(file, 100000, 0)
            os.ftruncate(file, 0)
        os.stat(top + "/" + kind)
except FileNotFoundError as error:
    print("vanished", flush=True)
except OSError as error:
    print("error", error.errno, flush=True)
"""
KINDS = ("create", "list", "lock", "write", "truncate")


@contextlib.contextmanager
def load(server, copies=2, kinds=KINDS):
    """Clients at work on the mount, one or some of each kind."""
    for kind in kinds:
        (server.source / kind).touch()
    clients = [
        start(sys.executable, "-c", CLIENT, kind, server.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for kind in kinds * copies
    ]
    try:
        time.sleep(1)
        assert all(process.poll() is None for process in clients), "a client ended before the fault"
        yield clients
    finally:
        for process in clients:
            end(process)


def hear(clients):
    """Every client must end by itself, soon, because of an error. Returns the errors."""
    errors = set()
    until = time.monotonic() + HEAR_SECONDS * SLOWER
    for process in clients:
        try:
            output, _ = process.communicate(timeout=max(0.1, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            state = pathlib.Path(f"/proc/{process.pid}/stack").read_text()
            pytest.fail(f"a client hears nothing: {process.args}\n{state}")
        errors.add(output.decode().strip())
    return errors


def assert_serves(server):
    (server.path / "again").write_text("again")
    assert (server.source / "again").read_text() == "again"
    assert "again" in os.listdir(server.path)


@pytest.mark.parametrize("mode", ["default", "descriptors", "writeback"])
def test_server_is_killed(serve, mode):
    """SIGKILL under load: clients get an error at once, the next server takes the place."""
    server = serve(*MODES[mode])
    with load(server) as clients:
        server.kill()
        errors = hear(clients)
    assert errors <= {f"error {number}" for number in GONE}, errors
    # Not stat: attributes may be cached, and outlive their server.
    assert errno_of(os.statvfs, server.path) == errno.ENOTCONN

    refused = serve(source=server.source, mountpoint=server.mountpoint, check=False)
    assert refused.process.wait(20) == 32
    assert "--replace" in refused.log
    again = serve("--replace", *MODES[mode], source=server.source, mountpoint=server.mountpoint)
    assert_serves(again)
    assert again.stop() == 0
    assert not is_mounted(server.mountpoint)


def test_write_beyond_the_servers_file_size_limit(serve):
    """The client gets an error; SIGXFSZ, which workers block, does not end the server."""
    server = serve("--no-kernel-passthrough")
    run("prlimit", f"--pid={server.pid}", f"--fsize={1 << 20}")
    with open(server.path / "file", "wb", buffering=0) as file:
        assert errno_of(os.pwrite, file.fileno(), b"beyond", 2 << 20) == errno.EFBIG
    assert server.process.poll() is None
    assert_serves(server)


def test_auto_unmount(serve):
    """With --auto-unmount nothing stays behind a killed server."""
    server = serve("--auto-unmount")
    server.kill()
    wait_until("the mount vanishes", 10, lambda: not is_mounted(server.mountpoint))
    assert_serves(serve(source=server.source, mountpoint=server.mountpoint))


def test_server_is_stopped(serve):
    """SIGTERM under load: it unmounts and ends well, without much ado; clients get an error."""
    server = serve()
    with load(server) as clients:
        assert server.stop(seconds=5) == 0
        assert not is_mounted(server.mountpoint)
        hear(clients)
    assert_serves(serve(source=server.source, mountpoint=server.mountpoint))


def test_dirty_pages_survive_a_stop_under_load(serve):
    """What the kernel has not sent yet is waited for, while others go on asking."""
    server = serve(*MODES["writeback"])
    content = os.urandom(1 << 20) * 64
    with load(server, kinds=("create", "list")) as clients:
        file = os.open(server.path / "file", os.O_RDWR | os.O_CREAT)
        os.write(file, content)
        assert server.stop(seconds=5) == 0
        hear(clients)
    assert (server.source / "file").read_bytes() == content
    with contextlib.suppress(OSError):
        os.close(file)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_server_is_stopped_while_files_are_open(serve, sign):
    """Written data is not lost, whatever is open; whoever goes on gets an error."""
    server = serve(*MODES["writeback"])
    file = os.open(server.path / "file", os.O_RDWR | os.O_CREAT)
    os.write(file, b"content" * 100000)
    folder = os.open(server.path, os.O_RDONLY)
    assert server.stop(sign) == 0
    assert not is_mounted(server.mountpoint)
    assert (server.source / "file").read_bytes() == b"content" * 100000
    assert errno_of(os.fsync, file) in GONE
    for descriptor in (file, folder):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def test_unmounted_by_somebody_else(serve):
    """umount(8) ends the server, too."""
    server = serve()
    assert_serves(server)
    run("umount", server.mountpoint)
    assert server.process.wait(10) == 0


def test_aborted(serve):
    """An aborted connection ends the server; clients get an error."""
    server = serve()
    with load(server, copies=1) as clients:
        umount(server.mountpoint, 1)  # MNT_FORCE
        hear(clients)
        server.process.wait(10)


# ---- clients that are killed while they wait ------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_client_is_killed_while_it_waits(serve, kind):
    """The server does not answer for a while; the waiting client can be killed; then all goes on."""
    server = serve()
    base = server.held()
    with load(server, kinds=(kind,)) as clients:
        os.kill(server.pid, signal.SIGSTOP)
        try:
            time.sleep(0.3)
            for process in clients:
                process.kill()
        finally:
            time.sleep(0.3)
            os.kill(server.pid, signal.SIGCONT)
        for process in clients:
            process.wait(HEAR_SECONDS * SLOWER)
    assert_serves(server)
    server.wait_held(base + 8)
    assert server.statistics()["pending"] == 0
    assert kind in os.listdir(server.path)


LOCK_CLIENT = """
import fcntl, struct, sys
file = open(sys.argv[1], "r+")
print("waiting", flush=True)
if sys.argv[2] == "flock":
    fcntl.flock(file, fcntl.LOCK_EX)
else:
    fcntl.lockf(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def locker(path, kind, expect):
    process = start(
        sys.executable, "-c", LOCK_CLIENT, path, kind, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    try:
        assert readline(process, 5) == b"waiting\n"
        if expect == "locked":
            assert readline(process, 5) == b"locked\n"
        else:
            assert readline(process, 0.2) is None, "the lock was given twice"
        yield process
    finally:
        end(process)


def readline(process, seconds):
    """The next line of an unbuffered stream, or None if there is none in time."""
    if select.select([process.stdout], [], [], seconds * SLOWER)[0]:
        return process.stdout.readline()
    return None


@pytest.mark.parametrize("kind", ["lockf", "flock"])
@pytest.mark.parametrize("options", [(), ("--posix-lock", "--flock")], ids=["local", "shared"])
def test_client_is_killed_while_it_waits_for_a_lock(serve, options, kind):
    """It is reaped at once, and the lock is free for others afterwards; more wait than threads are."""
    server = serve(*options, "--threads=2")
    path = server.path / "file"
    path.touch()
    base = server.held()
    with locker(path, kind, "locked") as holder:
        with contextlib.ExitStack() as waiters:
            some = [waiters.enter_context(locker(path, kind, "waiting")) for _ in range(6)]
            assert_serves(server)
            for process in some[:3]:
                started = time.monotonic()
                process.kill()
                process.wait(HEAR_SECONDS * SLOWER)
                assert time.monotonic() - started < 1 * SLOWER
            assert_serves(server)
            end(holder)
            wait_until("another gets the lock", 5, lambda: any(readline(p, 0.01) for p in some[3:]))
    with locker(path, kind, "locked"):
        pass
    server.wait_held(base + 8)
    assert server.statistics()["pending"] == 0


def test_locks_are_shared_with_the_host(serve):
    """--posix-lock and --flock: host and mount see each other's locks; without them they do not."""
    server = serve("--posix-lock", "--flock")
    (server.source / "file").touch()
    for kind in ("lockf", "flock"):
        with locker(server.path / "file", kind, "locked"), locker(server.source / "file", kind, "waiting"):
            pass
        with locker(server.source / "file", kind, "locked") as host_one:
            with locker(server.path / "file", kind, "waiting") as waiter:
                end(host_one)
                assert readline(waiter, 5) == b"locked\n"
        # Locks of a killed client are gone.
        with locker(server.source / "file", kind, "locked"):
            pass


# ---- sources that are full, read-only, or gone --------------------------------------------------------------


def fill_up(path):
    """Write until there is an error; returns (error number, bytes written before)."""
    size = 0
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        while True:
            size += os.write(file, b"x" * 65536)
    except OSError as error:
        return error.errno, size
    finally:
        os.close(file)


@pytest.mark.parametrize("kind", ["ext4", "tmpfs"])
@pytest.mark.parametrize("mode", MODES)
def test_full_source(host, serve, mode, kind):
    """ENOSPC is reported as the source reports it, what was there stays, and space comes back."""
    source = host.ext4(16) if kind == "ext4" else host.tmpfs("8m")
    server = serve(*MODES[mode], source=source)
    (server.path / "before").write_bytes(b"kept" * 10000)
    if mode == "writeback":
        assert fill_up_late(server.path / "large") == errno.ENOSPC
    else:
        error, size = fill_up(server.path / "large")
        assert error == errno.ENOSPC and size > 4 << 20
        assert (source / "large").stat().st_size == (server.path / "large").stat().st_size >= size
    assert errno_of(fcntl_allocate, server.path / "other") == errno.ENOSPC
    assert (server.path / "before").read_bytes() == b"kept" * 10000
    assert os.statvfs(server.path).f_bavail == os.statvfs(source).f_bavail
    for name in ("large", "other"):
        (server.path / name).unlink()
    # The kernel tells the server of the last close in its own time.
    wait_until("space is freed", 10, lambda: os.statvfs(source).f_bavail * os.statvfs(source).f_frsize > 4 << 20)
    (server.path / "after").write_bytes(b"after" * 100000)
    fsync(server.path / "after")
    assert (source / "after").read_bytes() == b"after" * 100000
    assert (source / "before").read_bytes() == b"kept" * 10000


def fcntl_allocate(path):
    with open(path, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, 64 << 20)


def fsync(path):
    file = os.open(path, os.O_RDWR)
    os.fsync(file)
    os.close(file)


def fill_up_late(path):
    """With writeback write() may succeed: then fsync() or close() must tell."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        for _ in range(512):
            os.write(file, b"x" * 65536)
        os.fsync(file)
        return 0
    except OSError as error:
        return error.errno
    finally:
        with contextlib.suppress(OSError):
            os.close(file)


def test_no_inodes_left(host, serve):
    source = host.ext4(16, make=("-N", "64"))
    server = serve(source=source)
    errors = {errno_of(lambda n=n: (server.path / f"file{n}").touch()) for n in range(100)}
    assert errors == {0, errno.ENOSPC}
    assert errno_of(os.mkdir, server.path / "folder") == errno.ENOSPC
    assert sorted(os.listdir(source)) == sorted(os.listdir(server.path))
    (server.path / "file0").unlink()
    # The inode is free when the kernel has told the server to forget it, which it does in its own time.
    wait_until("a free inode", 5, lambda: errno_of((server.path / "file0").write_text, "again") == 0)


@pytest.mark.parametrize("how", ["source", "option", "mount option"])
def test_read_only(host, serve, how):
    """EROFS for every change, whoever asks; reading works."""
    source = host.ext4(16)
    (source / "file").write_text("content")
    (source / "folder").mkdir()
    if how == "source":
        run("mount", "-o", "remount,ro", source)
    options = {"source": (), "option": ("--readonly",), "mount option": ("-o", "ro")}[how]
    top = serve(*options, source=source).path
    changes = {
        "create": lambda: open(top / "new", "x"),
        "open": lambda: open(top / "file", "r+"),
        "open O_TRUNC": lambda: os.open(top / "file", os.O_RDONLY | os.O_TRUNC),
        "truncate": lambda: os.truncate(top / "file", 0),
        "unlink": lambda: os.unlink(top / "file"),
        "mkdir": lambda: os.mkdir(top / "other"),
        "rmdir": lambda: os.rmdir(top / "folder"),
        "rename": lambda: os.rename(top / "file", top / "other"),
        "link": lambda: os.link(top / "file", top / "other"),
        "symlink": lambda: os.symlink("x", top / "other"),
        "mkfifo": lambda: os.mkfifo(top / "other"),
        "chmod": lambda: os.chmod(top / "file", 0),
        "chown": lambda: os.chown(top / "file", 1, 1),
        "utime": lambda: os.utime(top / "file"),
        "setxattr": lambda: os.setxattr(top / "file", "user.a", b""),
        "removexattr": lambda: os.removexattr(top / "file", "user.a"),
        "O_TMPFILE": lambda: os.open(top, os.O_TMPFILE | os.O_RDWR),
    }
    results = {name: errno_of(change) for name, change in changes.items()}
    wrong = {name: result for name, result in results.items() if result != errno.EROFS}
    assert not wrong, {name: errno.errorcode.get(result, result) for name, result in wrong.items()}
    assert (top / "file").read_text() == "content" and sorted(os.listdir(top)) == sorted(os.listdir(source))


@pytest.mark.parametrize("mode", ["default", "descriptors"])
def test_source_is_unmounted(host, serve, mode):
    """
    The source's file system is detached beneath the server, and another takes its place: the server
    goes on with the one that it started on.
    """
    source = host.tmpfs()
    (source / "file").write_text("first")
    server = serve(*MODES[mode], source=source)
    assert (server.path / "file").read_text() == "first"
    assert umount(source, 2) == 0  # MNT_DETACH
    (source / "file").write_text("second")
    drop_caches(3)
    assert (server.path / "file").read_text() == "first"
    (server.path / "new").write_text("new")
    assert sorted(os.listdir(server.path)) == ["file", "new"]
    assert os.listdir(source) == ["file"]


@pytest.mark.parametrize("mode", ["default", "descriptors"])
def test_source_folder_is_replaced(serve, mode):
    server = serve(*MODES[mode])
    (server.source / "file").write_text("first")
    moved = server.source.with_name(f"moved-{server.source.name}")
    os.rename(server.source, moved)
    server.source.mkdir()
    (server.source / "file").write_text("second")
    drop_caches(3)
    assert (server.path / "file").read_text() == "first"
    (moved / "file").unlink()
    moved.rmdir()
    time.sleep(1.1)
    drop_caches(3)
    assert os.listdir(server.path) == []
    assert errno_of(lambda: (server.path / "new").touch()) in (errno.ENOENT, errno.ESTALE)
    assert server.process.poll() is None


@pytest.mark.parametrize("mode", ["default", "descriptors"])
def test_mount_below_the_source_comes_and_goes(host, serve, mode):
    """A file system that is mounted below the source shows, can be unmounted, and is gone then."""
    server = serve(*MODES[mode], "--entry-timeout=0.1", "--attr-timeout=0.1")
    below, seen = server.source / "below", server.path / "below"
    below.mkdir()
    (below / "covered").touch()
    for turn in range(4):
        run("mount", "-t", "tmpfs", "tmpfs", below)
        try:
            (below / f"file{turn}").write_text("tmpfs")
            time.sleep(0.2)
            assert os.listdir(seen) == [f"file{turn}"]
            assert (seen / f"file{turn}").read_text() == "tmpfs"
            (seen / "made").write_text("made")
            assert (below / "made").read_text() == "made"
            assert errno_of(os.rename, seen / "made", server.path / "made") == errno.EXDEV
        finally:
            assert umount(below, 2) == 0  # MNT_DETACH
        time.sleep(0.2)
        assert os.listdir(seen) == ["covered"]


# ---- where mounts can be ---------------------------------------------------------------------------------------


def test_relative_paths(host, serve):
    """SOURCE and MOUNTPOINT are relative to where fbfsd was started, in the background too."""
    top = host.folder("top")
    (top / "source").mkdir()
    (top / "mountpoint").mkdir()
    (top / "source" / "file").write_text("content")
    run(BUILD / "bin" / "fbfsd", "source", "./mountpoint", cwd=top, stdin=subprocess.DEVNULL)
    try:
        assert (top / "mountpoint" / "file").read_text() == "content"
    finally:
        for _ in range(50):
            if umount(top / "mountpoint") == 0:
                break
            time.sleep(0.1)
        abort(top / "mountpoint")
    assert not is_mounted(top / "mountpoint")


def test_nested_mounts(host, serve):
    """A mount of a mount of a mount, and one inside another."""
    first = serve()
    second = serve(source=first.path)
    third = serve("--cache=never", source=second.path)
    (third.path / "file").write_text("content")
    assert (first.source / "file").read_text() == "content"
    (third.path / "folder").mkdir()
    make_tree(third.path / "folder", 60)
    assert_same(first.source / "folder", third.path / "folder")

    (first.path / "inner").mkdir()
    inner = serve(mountpoint=first.path / "inner")
    (inner.path / "deep").write_text("deep")
    assert os.listdir(first.source / "inner") == []
    assert inner.stop() == 0
    assert os.listdir(first.path / "inner") == []
    assert third.stop() == 0 and second.stop() == 0


@pytest.mark.parametrize("mode", ["default", "descriptors"])
def test_source_holds_the_mountpoint(host, serve, mode):
    """A walk does not hang, even where it meets the mount in itself."""
    source = host.folder("source")
    (source / "mountpoint").mkdir()
    (source / "file").write_text("content")
    server = serve(*MODES[mode], source=source, mountpoint=source / "mountpoint")
    assert (server.path / "file").read_text() == "content"
    found = run("find", server.path, "-maxdepth", "4", ok=False, timeout=20).stdout
    assert "file" in found
    run("ls", "-lR", source, ok=False, timeout=20)
    (server.path / "new").write_text("new")
    assert (source / "new").read_text() == "new"
    assert server.stop() == 0


def test_source_is_the_mountpoint(host, serve):
    """Mounted over itself: what was there stays reachable through the mount."""
    place = host.folder("place")
    (place / "file").write_text("content")
    server = serve(source=place, mountpoint=place)
    assert (place / "file").read_text() == "content"
    (place / "new").write_text("new")
    assert server.stop() == 0
    assert (place / "new").read_text() == "new"


# ---- descriptors and memory ------------------------------------------------------------------------------------


def walk(top, *words, ok=True):
    done = run(client("walk"), top, *words, ok=ok, timeout=900)
    entries, errors = re.search(r"entries (\d+) errors (\d+)", done.stdout).groups()
    return int(entries), int(errors), done.stdout


@pytest.mark.parametrize(
    "options", [(), ("--cache=never",), pytest.param(("--no-readdirplus",), marks=pytest.mark.long)], ids=" ".join
)
def test_more_files_than_descriptors(host, serve, options):
    """20,000 files with a limit of 1,024: no error, no vanished name, no descriptor too many."""
    source = host.ext4(128)
    (source / "lost+found").rmdir()
    run(client("tree"), source, 20000, 2500)
    server = serve(*options, "--rlimit-nofile=1024", source=source)
    for words in ((), ("open",)):
        entries, errors, output = walk(server.path, *words)
        assert (entries, errors) == (20008, 0), output[-2000:]
        assert server.descriptors() < 1024
    # What was met first still works.
    (server.path / "d0" / "f0").write_text("written")
    assert (source / "d0" / "f0").read_text() == "written"
    (server.path / "d0" / "f1").rename(server.path / "d1" / "moved")
    assert (source / "d1" / "moved").exists()


def test_more_open_files_than_descriptors(host, serve):
    """Single opens fail with ENFILE, the server lives, and files can be opened again afterwards."""
    source = host.folder("source")
    run(client("tree"), source, 3000, 3000)
    server = serve("--rlimit-nofile=1024", source=source)
    base = server.held()
    files, errors = [], set()
    for number in range(2000):
        try:
            files.append(os.open(server.path / "d0" / f"f{number}", os.O_RDWR))
        except OSError as error:
            errors.add(error.errno)
    assert errors == {errno.ENFILE} and len(files) > 200, (errors, len(files))
    os.pwrite(files[0], b"content", 0)
    assert os.pread(files[0], 100, 0) == b"content"
    assert server.path.exists()
    for file in files:
        os.close(file)
    wait_until("closed files are released", 10, lambda: server.descriptors() < 800)
    (server.path / "d0" / "f2999").write_text("again")
    entries, errors, output = walk(server.path)
    assert (entries, errors) == (3001, 0), output
    server.wait_held(base + 8)


def test_more_nodes_than_descriptors_without_handles(host, serve):
    """With a descriptor for each node, a call that finds none gets ENFILE; the server lives."""
    source = host.folder("source")
    run(client("tree"), source, 3000, 500)
    server = serve("--inode-file-handles=never", "--rlimit-nofile=1024", source=source)
    seen = set()
    for number in range(3000):
        seen.add(errno_of(os.stat, server.path / f"d{number // 500}" / f"f{number}"))
    assert seen <= {0, errno.ENFILE} and 0 in seen, seen
    assert server.descriptors() <= 1024
    assert server.process.poll() is None
    drop_caches(3)
    time.sleep(0.5)
    assert (server.path / "d5" / "f2999").exists()
    assert len(os.listdir(server.path / "d5")) == 500


BYTES_PER_NODE = 200


@pytest.mark.parametrize("count", [100_000, pytest.param(1_000_000, marks=pytest.mark.long)])
def test_memory_of_nodes(host, serve, count):
    """Very many files listed and walked: descriptors within the budget, few bytes for each node."""
    source = host.tmpfs("2g,nr_inodes=0")
    run(client("tree"), source, count, 10000, timeout=300)
    server = serve("--cache=always", "--rlimit-nofile=4096", source=source)
    with caches.kept():
        walk(server.path / "d0")  # what is allocated once
        before, nodes_before = server.memory(), 10000
        listed = sum(len(files) for _, _, files in os.walk(server.path))
        entries, errors, output = walk(server.path)
        walked, nodes = server.memory() - before, entries - nodes_before
        requests = server.statistics()
    assert (entries, errors) == (count + count // 10000, 0), output
    assert listed == count
    print(f"{nodes} nodes: {walked / nodes:.0f} bytes each, {server.descriptors()} descriptors")
    assert server.descriptors() < 4096
    # If the kernel had forgotten many, this would have measured nothing.
    assert requests.get("FORGET", 0) + requests.get("BATCH_FORGET", 0) < nodes / 100, requests
    if not SANITIZED:
        assert walked / nodes <= BYTES_PER_NODE

    server.wait_held(32, seconds=60)

    def given_back():
        drop_caches(3)
        return server.memory() - before <= walked / 4

    if not SANITIZED:
        try:
            wait_until("memory is given back", 10, given_back)
        finally:
            left = server.memory() - before
            print(f"{left / nodes:.0f} bytes of each are kept when the kernel has forgotten them")
