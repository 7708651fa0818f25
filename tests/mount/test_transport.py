# SPDX-License-Identifier: BSD-3-Clause
"""The transports to the kernel by themselves: how mounts begin and end, whoever ends them.

The server is transport_server.c: one file in memory, nothing of fbfsd.
"""
import contextlib
import ctypes
import errno
import mmap
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import time

import pytest

import transport
from fixtures import (  # noqa: F401  pytest finds fixtures by their names
    BUILD, HERE, ROOT, SLOWER, abort, end, host, in_background, reap, run, start, tidy, umount, wait_until,
)  # fmt: skip

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="no /dev/fuse here"),
]

NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
GONE = transport.GONE


def mounts_at(path):
    """The types of what is mounted exactly here, the lowest first, without touching it."""
    found = []
    for line in pathlib.Path("/proc/self/mountinfo").read_bytes().splitlines():
        fields, _, rest = line.partition(b" - ")
        place = re.sub(rb"\\(\d{3})", lambda m: bytes([int(m[1], 8)]), fields.split(b" ")[4])
        if place == os.fsencode(path):
            found.append(rest.split()[0].decode())
    return found


def checksum(data):
    """As transport_server.c computes it: FNV-1a over words of 8 bytes, the last one filled up with zeros."""
    total = 0xCBF29CE484222325
    for (word,) in struct.iter_unpack("<Q", data + bytes(-len(data) % 8)):
        total = ((total ^ word) * 0x100000001B3) & (2**64 - 1)
    return f"{total:016x}"


def build_program(name, tmp_path_factory):
    """A server program of this folder, linked with the library under test."""
    folder = BUILD / "lib"
    if not (folder / "libfb.so").exists():
        pytest.skip("libfb is not built")
    flags = os.environ.get("FB_SANITIZE")
    compiler = os.environ.get("CC", "cc")
    made = tmp_path_factory.mktemp("server") / name
    os.chmod(made.parent, 0o755)
    for parent in made.parents:
        if parent.stat().st_uid == os.geteuid() and parent != parent.parent:
            os.chmod(parent, parent.stat().st_mode | 0o055)
    subprocess.run(
        [compiler, "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-g", "-pthread", "-Wall", "-Wextra",
         *([f"-fsanitize={flags}"] if flags else []),
         f"-I{ROOT}/libfb/include", HERE / f"{name}.c", "-o", made,
         f"-L{folder}", "-lfb"],
        check=True,
    )  # fmt: skip
    # A copy that everybody may read: the build folder may be private.
    for library in folder.glob("libfb.so.0*"):
        shutil.copy(library, made.parent / "libfb.so.0")
    os.chmod(made.parent / "libfb.so.0", 0o644)
    return made


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return build_program("transport_server", tmp_path_factory)


class Server:
    def __init__(self, program, folder, mountpoints, options, prefix, env_transport=transport.NAME, **popen):
        self.mountpoint = mountpoints[0]
        self.mountpoints = mountpoints
        # Several threads of the program are served as can be.
        self.may_fall_back = bool(re.search("--own-threads|--loop|--give", str(options)))
        self.log_path = folder / f"log-{time.monotonic_ns()}"
        environment = dict(os.environ, LD_LIBRARY_PATH=str(program.parent), FB_TEST_TRANSPORT=env_transport)
        popen.setdefault("stdin", subprocess.DEVNULL)
        if prefix:
            prefix = (*prefix, "env", f"LD_LIBRARY_PATH={program.parent}")
        with open(self.log_path, "wb") as log:
            self.process = start(
                *prefix, program, *options, *mountpoints, stdout=log, stderr=log, env=environment, **popen
            )

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def ready(self):
        def serving():
            assert self.process.poll() is None, self.log
            return "serving" in self.log

        wait_until("the server answers", 10, serving)
        if not self.may_fall_back:
            transport.check(self.process.pid)
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=10):
        """Wait for the end, which nothing may hold up. Returns the exit status."""
        try:
            return self.process.wait(seconds * SLOWER)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the server does not end: {self.log}")

    def stop(self, seconds=10):
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def file(self):
        return os.path.join(self.mountpoint, "file")


@pytest.fixture
def launch(program, host):  # noqa: F811
    """launch(*options, mountpoints=[…]): starts a server; check=False: without waiting for it."""
    servers = []

    def launch_one(*options, mountpoints=None, check=True, prefix=(), **popen):
        mountpoints = mountpoints or [str(host.folder("mountpoint"))]
        server = Server(program, host.folder("server"), mountpoints, options, prefix, **popen)
        servers.append(server)
        return server.ready() if check else server

    yield launch_one
    for server in reversed(servers):
        for mountpoint in server.mountpoints:
            while mounts_at(mountpoint):
                abort(mountpoint)
        end(server.process)
        print(server.log)


@pytest.fixture
def nobody(host, users_mount):  # noqa: F811
    """A mountpoint of an ordinary user."""
    if not shutil.which("setpriv"):
        pytest.skip("needs setpriv")
    mountpoint = host.folder("nobody")
    os.chown(mountpoint, NOBODY, NOBODY)
    return str(mountpoint)


@contextlib.contextmanager
def mounted_descriptor(mountpoint, flags=0):
    """A mount whose descriptor, which the caller closes, is for somebody else to serve."""
    fd = os.open("/dev/fuse", os.O_RDWR | flags)
    data = f"fd={fd},rootmode=40000,user_id=0,group_id=0".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(b"x", mountpoint.encode(), b"fuse", 0, data) == 0
    try:
        yield fd
    finally:
        abort(mountpoint)


def mount_line(path):
    lines = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    return next(words for words in reversed(lines) if words[1] == str(path))


# ---- beginning -------------------------------------------------------------------------------------


def test_options_reach_the_kernel(launch):
    server = launch(
        "--options=ro,noexec,dev,noatime,allow_other,default_permissions,max_read=65536,nofail,"
        "fsname=a source\\,here,subtype=sub"
    )
    source, _, kind, options, *_ = mount_line(server.mountpoint)
    assert source == "a\\040source,here" and kind == "fuse.sub"
    words = options.split(",")
    for word in ("ro", "nosuid", "noexec", "noatime", "allow_other", "default_permissions",
                 "max_read=65536"):  # fmt: skip
        assert word in words
    assert "nodev" not in words
    assert server.stop() == 0


def test_kernel_explains_a_refusal(launch):
    server = launch("--options=rootcontext=nonsense", check=False)
    assert server.wait() == 1
    assert re.search(r"can not mount on /.*: the kernel says|unlabeled", server.log)


def test_mount_2(launch):
    server = launch("--no-fsopen", "--options=ro,allow_other,fsname=old,max_read=8192")
    source, _, kind, options, *_ = mount_line(server.mountpoint)
    assert (source, kind) == ("old", "fuse.test")
    assert {"ro", "nosuid", "nodev", "allow_other", "max_read=8192"} <= set(options.split(","))
    assert os.listdir(server.mountpoint) == ["file"]
    assert server.stop() == 0
    assert not mounts_at(server.mountpoint)


@pytest.mark.parametrize("how", ["", "--no-clone"])
def test_many_clients(launch, how):
    server = launch(*filter(None, [how]))
    data = os.urandom(1 << 20)
    pathlib.Path(server.file()).write_bytes(data)

    def client():
        for _ in range(50):
            fd = os.open(server.file(), os.O_RDONLY | os.O_DIRECT)
            buffer = mmap.mmap(-1, 1 << 20)
            if os.readv(fd, [buffer]) != len(data) or buffer[:] != data:
                raise OSError(errno.EBADMSG, "other data")
            os.close(fd)

    for pid in [in_background(client) for _ in range(8)]:
        assert reap(pid, 30) == 0
    assert server.stop() == 0
    assert checksum(data) in server.log


def test_relative_mountpoint(launch, host):  # noqa: F811
    top = host.folder("top")
    (top / "below").mkdir()
    server = launch(mountpoints=["below"], cwd=top)
    assert mounts_at(top / "below") == ["fuse.test"]
    assert server.stop() == 0
    assert not mounts_at(top / "below")


@pytest.mark.parametrize("name", ["a b", "new\nline", "back\\slash", "tab\t", "-dash", "comma,"])
def test_odd_names(launch, host, name):  # noqa: F811
    mountpoint = host.folder("odd") / name
    mountpoint.mkdir()
    server = launch(mountpoints=[str(mountpoint)])
    assert os.listdir(mountpoint) == ["file"]
    assert server.stop() == 0
    assert not mounts_at(mountpoint)


def test_file_mountpoint(launch, host):  # noqa: F811
    mountpoint = host.folder("holder") / "file"
    mountpoint.write_text("below")
    server = launch("--file-root", mountpoints=[str(mountpoint)])
    mountpoint.write_text("above")
    assert mountpoint.read_text() == "above"
    assert server.stop() == 0
    assert mountpoint.read_text() == "below"


@pytest.mark.parametrize("flags", [0, os.O_NONBLOCK])
def test_mounted_descriptor(launch, host, flags):  # noqa: F811
    mountpoint = str(host.folder("mountpoint"))
    with mounted_descriptor(mountpoint, flags) as fd:
        server = launch(mountpoints=[f"/dev/fd/{fd}"], pass_fds=[fd])
        os.close(fd)
        assert os.listdir(mountpoint) == ["file"]
        # Whoever mounted it unmounts it.
        assert server.stop() == 0
        assert mounts_at(mountpoint) == ["fuse"]
        with pytest.raises(OSError) as caught:
            os.listdir(mountpoint)
        assert caught.value.errno in GONE


def test_two_mounts(launch, host):  # noqa: F811
    first, second = (str(host.folder("mountpoint")) for _ in range(2))
    server = launch(mountpoints=[first, second])
    pathlib.Path(first, "file").write_text("first")
    pathlib.Path(second, "file").write_text("second, longer")
    assert pathlib.Path(first, "file").read_text() == "first"
    assert umount(first) == 0
    wait_until("the first session ends", 10, lambda: "ended 0: result 0, 5 bytes" in server.log)
    assert pathlib.Path(second, "file").read_text() == "second, longer"
    assert server.stop() == 0
    assert "ended 1: result 0, 14 bytes" in server.log
    assert not mounts_at(second)


# ---- an end from outside ---------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["umount"], ["fusermount3", "-u"], ["umount", "-l"]])
def test_unmounted_from_outside(launch, command):
    server = launch()
    run(*command, server.mountpoint)
    assert server.wait() == 0
    assert not mounts_at(server.mountpoint)


def test_forced_from_outside(launch):
    server = launch("--hang-writes")
    client = in_background(lambda: pathlib.Path(server.file()).write_text("x"))
    time.sleep(0.2)
    run("umount", "-f", server.mountpoint, ok=False)
    assert reap(client) in GONE
    # The driver still has the request, for ever.
    server.kill()


def test_lazy_while_busy(launch):
    """It goes on for those who are inside, and ends with them."""
    server = launch()
    pathlib.Path(server.file()).write_text("kept")
    inside = start("sh", "-c", "read line; cat file", cwd=server.mountpoint,
                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    run("umount", "-l", server.mountpoint)
    time.sleep(0.5)
    assert server.process.poll() is None
    output, _ = inside.communicate(b"\n", timeout=10)
    assert output == b"kept"
    assert server.wait() == 0


def test_stop_after_lazy_while_busy(launch):
    server = launch()
    inside = start("sleep", "60", cwd=server.mountpoint)
    run("umount", "-l", server.mountpoint)
    assert server.stop() == 0
    end(inside)


def test_successor_is_left_alone(launch):
    """The mount at the same place, maybe with the same numbers, is not the one that ends."""
    old = launch()
    inside = start("sleep", "60", cwd=old.mountpoint)
    run("umount", "-l", old.mountpoint)
    new = launch(mountpoints=[old.mountpoint])
    assert old.stop() == 0
    assert os.listdir(new.mountpoint) == ["file"]
    end(inside)
    assert new.stop() == 0

    # The first one is gone altogether when its successor comes, but its process is stopped.
    old = launch()
    old.signal(signal.SIGSTOP)
    run("umount", "-l", old.mountpoint)
    new = launch(mountpoints=[old.mountpoint])
    old.signal(signal.SIGTERM)
    old.signal(signal.SIGCONT)
    assert old.wait() == 0
    assert os.listdir(new.mountpoint) == ["file"]
    assert new.stop() == 0


def test_moved(launch, host):  # noqa: F811
    parent = host.tmpfs()
    run("mount", "--make-private", parent)
    here, there = parent / "here", parent / "there"
    here.mkdir()
    there.mkdir()
    server = launch(mountpoints=[str(here)])
    run("mount", "--move", here, there)
    assert os.listdir(there) == ["file"]
    assert server.stop() == 0
    assert not mounts_at(there)


def test_covered(launch):
    """A mount over ours is not ours to unmount."""
    server = launch()
    run("mount", "-t", "tmpfs", "cover", server.mountpoint)
    assert server.stop() == 0
    assert mounts_at(server.mountpoint) == ["fuse.test", "tmpfs"]
    assert "another mount covers" in server.log
    assert umount(server.mountpoint) == 0
    launch("--replace", mountpoints=[server.mountpoint]).stop()
    assert not mounts_at(server.mountpoint)


# ---- an end from inside ----------------------------------------------------------------------------


def test_stop_while_busy(launch):
    """Whoever still has a file open gets an error at once."""
    server = launch()
    pathlib.Path(server.file()).write_text("x")
    with open(server.file(), "rb", buffering=0) as file:
        assert server.stop() == 0
        with pytest.raises(OSError) as caught:
            os.fstat(file.fileno())
            file.read()
        assert caught.value.errno in GONE
    assert not mounts_at(server.mountpoint)


def assert_saved(server, data):
    assert f"{len(data)} bytes, checksum {checksum(data)}" in server.log


@pytest.mark.parametrize("busy", [False, True])
def test_dirty_pages_are_written_back(launch, busy):
    server = launch("--writeback", "--write-delay=20000")
    data = os.urandom(4 << 20)

    def client():
        fd = os.open(server.file(), os.O_RDWR)
        os.truncate(fd, len(data))
        pages = mmap.mmap(fd, len(data))
        pages[:] = data
        if busy:
            time.sleep(60)
        os._exit(0)

    pid = in_background(client)
    if not busy:
        assert reap(pid) == 0
    time.sleep(0.3)
    assert server.stop(30) == 0
    assert_saved(server, data)
    if busy:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def dirty(path, data):
    """Write to the kernel's cache only. Returns the open descriptor."""
    fd = os.open(path, os.O_RDWR)
    os.write(fd, data)
    return fd


def test_dirty_pages_of_a_file_mount(launch, host):  # noqa: F811
    mountpoint = host.folder("holder") / "file"
    mountpoint.touch()
    server = launch("--writeback", "--file-root", mountpoints=[str(mountpoint)])
    data = os.urandom(4 << 20)
    fd = dirty(mountpoint, data)
    assert server.stop() == 0
    assert_saved(server, data)
    with contextlib.suppress(OSError):
        os.close(fd)


def test_dirty_pages_behind_other_requests(launch):
    """They stand in the kernel's queue, and nothing is written for a while."""
    server = launch(
        "--writeback", "--lookup-delay=20000", "--max-write=262144", "--workers=1", "--max-workers=1"
    )  # fmt: skip
    data = os.urandom(4 << 20)

    def client():
        while True:
            os.stat(server.file())

    fd = dirty(server.file(), data)
    clients = [in_background(client) for _ in range(8)]
    time.sleep(0.5)
    assert server.stop(30) == 0
    assert_saved(server, data)
    for pid in clients:
        assert reap(pid) in GONE
    with contextlib.suppress(OSError):
        os.close(fd)


def test_workers_block_during_the_unmount(launch):
    """Others are started, so that dirty pages are written."""
    server = launch("--writeback", "--hold-reads", "--workers=1", "--max-workers=8")
    data = os.urandom(8 << 20)
    start_end, begin_end = os.pipe()

    def client():
        fd = os.open(server.file(), os.O_RDONLY | os.O_DIRECT)
        os.close(begin_end)
        os.read(start_end, 1)
        os.preadv(fd, [mmap.mmap(-1, 4096)], 0)

    fd = dirty(server.file(), data)
    clients = [in_background(client) for _ in range(3)]
    time.sleep(0.5)
    server.signal(signal.SIGTERM)
    os.close(begin_end)
    assert server.wait(15) == 0
    assert_saved(server, data)
    for pid in clients:
        reap(pid)
    for end_of_pipe in (fd, start_end):
        with contextlib.suppress(OSError):
            os.close(end_of_pipe)


def test_kill_while_unmounting_waits(launch):
    """
    The unmount waits in the kernel for a write that the driver never answers: SIGKILL has to end
    the process all the same, and with it the wait.
    """
    server = launch("--writeback", "--hang-writes")

    def client():
        fd = os.open(server.file(), os.O_RDWR)
        os.truncate(fd, 4096)
        mmap.mmap(fd, 4096)[:4] = b"data"
        os._exit(0)

    pid = in_background(client)
    time.sleep(0.5)
    server.signal(signal.SIGTERM)
    time.sleep(1)
    assert server.process.poll() is None
    server.kill()
    reap(pid)


# ---- death -----------------------------------------------------------------------------------------


def test_killed_under_load(launch):
    """Blocked clients get an error at once, and so does everybody afterwards."""
    server = launch("--hang-writes")
    clients = [
        in_background(lambda: pathlib.Path(server.file()).write_text("x")) for _ in range(4)
    ]
    time.sleep(0.3)
    server.kill()
    for pid in clients:
        assert reap(pid, 2) in GONE
    with pytest.raises(OSError) as caught:
        os.stat(server.mountpoint)
    assert caught.value.errno in GONE


def test_stale_mount(launch):
    dead = launch()
    dead.kill()
    server = launch(mountpoints=[dead.mountpoint], check=False)
    assert server.wait() == 1
    assert f"fusermount3 -u {dead.mountpoint}" in server.log and "--replace" in server.log
    server = launch("--replace", mountpoints=[dead.mountpoint])
    assert mounts_at(dead.mountpoint) == ["fuse.test"]
    assert os.listdir(dead.mountpoint) == ["file"]
    assert server.stop() == 0
    assert not mounts_at(dead.mountpoint)


def test_stale_mounts_upon_each_other(launch):
    first = launch()
    second = launch(mountpoints=[first.mountpoint])
    first.kill()
    second.kill()
    assert len(mounts_at(first.mountpoint)) == 2
    server = launch("--replace", mountpoints=[first.mountpoint])
    assert mounts_at(first.mountpoint) == ["fuse.test"]
    assert server.stop() == 0


def test_living_mount_is_not_replaced(launch):
    below = launch()
    above = launch("--replace", mountpoints=[below.mountpoint])
    assert len(mounts_at(below.mountpoint)) == 2
    assert above.stop() == 0
    assert len(mounts_at(below.mountpoint)) == 1
    assert below.stop() == 0


# ---- ordinary users, fusermount3 -------------------------------------------------------------------


def test_user(launch, nobody):
    server = launch(mountpoints=[nobody], prefix=AS_NOBODY)
    options = mount_line(nobody)[3].split(",")
    assert {"nosuid", "nodev", f"user_id={NOBODY}", f"group_id={NOBODY}"} <= set(options)
    assert run(*AS_NOBODY, "ls", nobody).stdout == "file\n"
    with pytest.raises(PermissionError):
        os.stat(nobody)
    assert server.stop() == 0
    assert not mounts_at(nobody)


def test_user_while_busy(launch, nobody):
    server = launch(mountpoints=[nobody], prefix=AS_NOBODY)
    inside = start(*AS_NOBODY, "sh", "-c", f"cd {nobody} && echo in && sleep 60",
                   stdout=subprocess.PIPE)  # fmt: skip
    assert inside.stdout.readline() == b"in\n"
    assert server.stop() == 0
    assert not mounts_at(nobody)
    end(inside)


def test_user_unmounts(launch, nobody):
    server = launch(mountpoints=[nobody], prefix=AS_NOBODY)
    run(*AS_NOBODY, "fusermount3", "-u", nobody)
    assert server.wait() == 0


def test_user_replaces_stale_mount(launch, nobody):
    launch(mountpoints=[nobody], prefix=AS_NOBODY).kill()
    server = launch(mountpoints=[nobody], prefix=AS_NOBODY, check=False)
    assert server.wait() == 1 and f"fusermount3 -u {nobody}" in server.log
    server = launch("--replace", mountpoints=[nobody], prefix=AS_NOBODY)
    assert mounts_at(nobody) == ["fuse.test"]
    assert server.stop() == 0
    assert not mounts_at(nobody)


def test_user_is_told_why(launch, nobody, host):  # noqa: F811
    if re.search(r"^user_allow_other", pathlib.Path("/etc/fuse.conf").read_text(), re.M):
        pytest.skip("user_allow_other is set in /etc/fuse.conf")
    server = launch("--options=allow_other", mountpoints=[nobody], prefix=AS_NOBODY, check=False)
    assert server.wait() == 1
    assert "user_allow_other" in server.log and "/etc/fuse.conf" in server.log
    not_writable = str(host.folder("private"))
    server = launch(mountpoints=[not_writable], prefix=AS_NOBODY, check=False)
    assert server.wait() == 1
    assert "no write access" in server.log


# ---- auto_unmount ----------------------------------------------------------------------------------


def watchers(mountpoint):
    return run("pgrep", "-f", f"fusermount3.*{re.escape(mountpoint)}$", ok=False).stdout.split()


@pytest.mark.parametrize("how", ["kill", "stop", "umount"])
def test_auto_unmount(launch, how):
    server = launch("--auto-unmount")
    assert len(watchers(server.mountpoint)) == 1
    if how == "kill":
        server.kill()
    elif how == "stop":
        assert server.stop() == 0
    else:
        assert umount(server.mountpoint) == 0
        assert server.wait() == 0
    wait_until("nothing is mounted", 10, lambda: not mounts_at(server.mountpoint))
    wait_until("fusermount3 is gone", 10, lambda: not watchers(server.mountpoint))


def test_auto_unmount_while_busy(launch):
    server = launch("--auto-unmount")
    inside = start("sleep", "60", cwd=server.mountpoint)
    server.kill()
    wait_until("nothing is mounted", 10, lambda: not mounts_at(server.mountpoint))
    end(inside)


def test_auto_unmount_by_user(launch, nobody):
    server = launch("--auto-unmount", mountpoints=[nobody], prefix=AS_NOBODY)
    server.kill()
    wait_until("fusermount3 is gone", 10, lambda: not watchers(nobody))
    if mounts_at(nobody):
        version = run("fusermount3", "--version").stdout.strip()
        pytest.skip(f"{version}: as root it may not look at a user's dead mount, and leaves it")
