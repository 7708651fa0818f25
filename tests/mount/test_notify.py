# SPDX-License-Identifier: BSD-3-Clause
"""Notifications to a real kernel.

The server is notify_server.c; it counts what the kernel asks.
"""
import contextlib
import ctypes
import errno
import os
import re
import select
import struct
import subprocess
import time

import pytest

import caches
from fixtures import SLOWER, host, in_background, needs_root, reap, tidy, wait_until  # noqa: F401
from test_transport import (  # noqa: F401
    GONE, build_program, launch, mounted_descriptor, mounts_at,
)  # fmt: skip

pytestmark = [needs_root, pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="no /dev/fuse here")]

PAGE = 4096
IN_ATTRIB, IN_DELETE_SELF = 0x4, 0x400


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return build_program("notify_server", tmp_path_factory)


class Notifier:
    """A server that takes commands."""

    def __init__(self, server):
        self.server = server
        self.top = server.mountpoint
        self.told = 0

    def path(self, name="file0"):
        return os.path.join(self.top, name)

    def ask(self, command):
        """Give a command; returns its answer, when the notification has been delivered."""
        self.server.process.stdin.write(command.encode() + b"\n")
        self.server.process.stdin.flush()
        self.told += 1

        def answers():
            found = re.findall(r"^answer: (.*)\n", self.server.log, re.M)
            return found if len(found) == self.told else None

        return wait_until(f"the answer to {command}", 10, answers)[-1]

    def tell(self, command):
        """A command that must do."""
        answer = self.ask(command).split()
        if answer[0] == str(-errno.EOPNOTSUPP):
            pytest.skip(f"this kernel is too old for {command}")
        assert int(answer[0]) >= 0, f"{command}: {answer[0]}"
        return bytes.fromhex("".join(answer[1:]))

    def numbers(self):
        words = self.ask("numbers").split()
        return dict(zip(words[::2], map(int, words[1::2])))

    @contextlib.contextmanager
    def expect(self, **more):
        """What the kernel asks within the block, no more of these and no less."""
        before = self.numbers()
        yield
        after = self.numbers()
        assert {name: after[name] - before[name] for name in more} == more
        assert after["failed"] == 0

    @contextlib.contextmanager
    def open(self, name="file0"):
        fd = os.open(self.path(name), os.O_RDWR)
        try:
            yield fd
        finally:
            os.close(fd)


@pytest.fixture
def notifier(launch):  # noqa: F811
    """notifier(*options): starts a server. What the kernel has cached stays, unless we say something."""
    with caches.kept():
        yield lambda *options: Notifier(launch(*options, stdin=subprocess.PIPE))


def size_of(fd):
    """The size that the kernel knows. fstat(2) would ask for the access time after a read."""
    return os.lseek(fd, 0, os.SEEK_END)


# ---- data --------------------------------------------------------------------------------------------


def test_store(notifier):
    """What is stored is read, and nobody asks the server for it."""
    files = notifier()
    files.tell(f"set file0 0 {2 * PAGE} a")
    with files.open() as fd:
        with files.expect(reads=0):
            files.tell(f"store file0 0 {PAGE} b")
            assert os.pread(fd, PAGE, 0) == b"b" * PAGE
        with files.expect(reads=1):
            assert os.pread(fd, PAGE, PAGE) == b"a" * PAGE
        # A piece of a page that is cached.
        with files.expect(reads=0):
            files.tell(f"store file0 {PAGE + 100} 50 c")
            assert os.pread(fd, 200, PAGE) == b"a" * 100 + b"c" * 50 + b"a" * 50
        # Behind the end that the kernel knows.
        files.tell(f"set file0 {2 * PAGE} {PAGE} x")
        with files.expect(reads=0):
            files.tell(f"store file0 {2 * PAGE} {PAGE} d")
            assert size_of(fd) == 3 * PAGE
            assert os.pread(fd, PAGE, 2 * PAGE) == b"d" * PAGE
    assert files.server.stop() == 0


def test_retrieve(notifier):
    """The cached bytes come, whatever the server has by now."""
    files = notifier()
    files.tell(f"set file0 0 {2 * PAGE} a")
    with files.open() as fd:
        assert files.tell(f"retrieve file0 0 {2 * PAGE}") == b""  # nothing is cached yet
        assert os.pread(fd, 2 * PAGE, 0) == b"a" * 2 * PAGE
        files.tell(f"store file0 0 {PAGE} b")
        files.tell(f"set file0 0 {2 * PAGE} c")
        with files.expect(reads=0):
            cached = b"b" * PAGE + b"a" * PAGE
            assert files.tell(f"retrieve file0 0 {2 * PAGE}") == cached
            assert files.tell(f"retrieve file0 {PAGE - 10} 30") == cached[PAGE - 10 :][:30]
            assert os.pread(fd, 2 * PAGE, 0) == cached
    # The kernel knows no such node.
    assert files.ask(f"retrieve file7 0 {PAGE}").split() == [str(-errno.ENOENT)]
    assert files.server.stop() == 0


def test_inval_node(notifier):
    files = notifier()
    files.tell(f"set file0 0 {2 * PAGE} a")
    with files.open() as fd:
        assert os.pread(fd, 2 * PAGE, 0) == b"a" * 2 * PAGE
        files.tell(f"set file0 0 {2 * PAGE} b")
        with files.expect(reads=0):
            assert os.pread(fd, 2 * PAGE, 0) == b"a" * 2 * PAGE
        # One page.
        with files.expect(reads=1):
            files.tell(f"inval_node file0 {PAGE} {PAGE}")
            assert os.pread(fd, 2 * PAGE, 0) == b"a" * PAGE + b"b" * PAGE
        # All that is left.
        with files.expect(reads=1):
            files.tell("inval_node file0 0 0")
            assert os.pread(fd, 2 * PAGE, 0) == b"b" * 2 * PAGE
        # Attributes only.
        files.tell(f"set file0 {2 * PAGE} {PAGE} b")
        with files.expect(reads=0, getattrs=1):
            assert size_of(fd) == 2 * PAGE
            files.tell("inval_attr file0")
            assert size_of(fd) == 3 * PAGE
    assert files.server.stop() == 0


def test_nodes_that_the_kernel_does_not_know(notifier):
    """Nothing is cached of them, so all is well."""
    files = notifier()
    with files.expect(lookups=0):
        files.tell("inval_node file7 0 0")
        files.tell("inval_entry file7")
        files.tell("delete file7")
    assert files.server.stop() == 0


# ---- names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["inval_entry file0", "expire_entry file0", "delete file0", "inc_epoch"])
def test_names_are_looked_up_again(notifier, command):
    files = notifier()
    with contextlib.ExitStack() as stack:

        def look(name):
            """One lookup at most; the kernel keeps what is in use, even if somebody drops its caches."""
            fd = os.open(files.path(name), os.O_PATH)
            stack.callback(os.close, fd)

        look("file0")
        look("file1")
        with files.expect(lookups=0):
            look("file0")
        with files.expect(lookups=1):
            files.tell(command)
            look("file0")
        # Other names are not concerned, unless all are.
        with files.expect(lookups=int(command == "inc_epoch")):
            look("file1")
        with files.expect(lookups=0):
            look("file0")
            look("file1")
    assert files.server.stop() == 0


def test_watchers_see_a_deletion(notifier):
    files = notifier()
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert libc.inotify_add_watch(fd, os.fsencode(files.path()), IN_ATTRIB | IN_DELETE_SELF) >= 0
    with pytest.raises(BlockingIOError):
        os.read(fd, PAGE)
    files.tell("delete file0")
    wait_until("an event", 10, lambda: select.select([fd], [], [], 0)[0])
    _, mask = struct.unpack_from("=iI", os.read(fd, PAGE))
    assert mask & IN_DELETE_SELF
    os.close(fd)
    assert files.server.stop() == 0


def test_prune(notifier):
    """Nodes that nobody uses are forgotten, others are not."""
    files = notifier()
    os.stat(files.path("file0"))
    with files.open("file1"):
        with files.expect(lookups=0):
            files.tell("prune file1")
            os.stat(files.path("file1"))
        files.tell("prune file0")
        wait_until("a node is forgotten", 10, lambda: files.numbers()["forgets"])
        with files.expect(lookups=1):
            os.stat(files.path("file0"))
    assert files.server.stop() == 0


# ---- waiting clients ---------------------------------------------------------------------------------


def test_poll(notifier):
    """Whoever polls is woken, and not before."""
    files = notifier()

    def client():
        with files.open() as fd:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            if poll.poll(10000 * SLOWER) != [(fd, select.POLLIN)]:
                raise TimeoutError(errno.ETIMEDOUT, "nobody wakes us")

    pid = in_background(client)
    time.sleep(0.5)
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    files.tell("poll")
    assert reap(pid, 5) == 0
    assert files.server.stop() == 0


# With its only worker inside the driver, a server sees no second copy.
@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("how, workers", [("pending", 1), ("pending", 4), ("blocked", 4)])
def test_resend(notifier, how, workers, times):
    """What the driver has when all is sent again is answered, once; the driver does not see it twice."""
    clients = 2
    files = notifier(f"--workers={workers}", f"--max-workers={workers}")
    with files.expect(lookups=clients, undelivered=0, pending=0):
        pids = [in_background(lambda n=n: os.stat(files.path(f"{how}{n}"))) for n in range(clients)]
        wait_until("the driver has them", 10, lambda: files.numbers()["lookups"] == clients)
        for _ in range(times):
            files.tell("resend")
            time.sleep(0.5 * SLOWER)  # until the copies have been read
        assert files.numbers()["lookups"] == clients
        files.tell("answer")
        assert [reap(pid) for pid in pids] == [errno.ENOENT] * clients
    os.stat(files.path())
    assert files.server.stop() == 0


# ---- under load --------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--writeback",), ("--workers=1", "--max-workers=1")], ids=" ".join)
def test_notify_inside_an_operation(notifier, options):
    """Each write invalidates its own file, whose pages the kernel has locked until the answer."""
    files = notifier("--notify-in-writes", *options)
    writers = 8

    def client(number):
        with files.open(f"file{number}") as fd:
            for count in range(100):
                data = bytes([number, count]) * PAGE
                if os.pwrite(fd, data, 0) != len(data) or os.pread(fd, len(data), 0) != data:
                    raise OSError(errno.EBADMSG, "other data")
                if count % 10 == 0:
                    os.fsync(fd)

    pids = [in_background(lambda n=n: client(n)) for n in range(writers)]
    assert [reap(pid, 20) for pid in pids] == [0] * writers
    files.tell("inval_attr file0")  # delivered after all others
    numbers = files.numbers()
    assert numbers["notifications"] > numbers["writes"] >= writers and numbers["failed"] == 0
    assert files.server.stop() == 0


def creator(top, number, inside):
    """A client that tries to create files as fast as it can, until the mount is gone."""
    place = os.open(top, os.O_RDONLY) if inside else None
    name = f"new{number}" if inside else os.path.join(top, f"new{number}")
    while True:
        try:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, dir_fd=place))
            os.unlink(name)
            raise OSError(errno.ENOTCONN, "this is what was below the mount")
        except PermissionError:
            pass


def stop_while_notifying(files, top, inside):
    pids = [in_background(lambda n=n: creator(top, n, inside)) for n in range(3)]

    def busy():
        numbers = files.numbers()
        return numbers["creates"] > 200 and numbers["notifications"] > 200 and numbers["failed"] == 0

    wait_until("creates and notifications", 10, busy)
    assert files.server.stop(10) == 0
    for pid in pids:
        assert reap(pid) in GONE


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
def test_stop_while_notifying(notifier, inside):
    """
    The server ends although notifications wait for a directory that its clients have locked all the
    time; clients that are inside make the mount busy.
    """
    files = notifier("--notify-always")
    stop_while_notifying(files, files.top, inside)
    assert not mounts_at(files.top)


@pytest.mark.parametrize("attempt", range(5))
def test_stop_while_notifying_over_a_descriptor(launch, host, attempt):  # noqa: F811
    """There the server does not unmount, and requests go on coming. Chance decides who waits for whom."""
    mountpoint = str(host.folder("mountpoint"))
    with mounted_descriptor(mountpoint) as fd:
        server = launch(
            "--notify-always", mountpoints=[f"/dev/fd/{fd}"], pass_fds=[fd], stdin=subprocess.PIPE
        )
        os.close(fd)
        stop_while_notifying(Notifier(server), mountpoint, inside=False)
