# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of whole workloads, races and faults share.

Everything that is started or mounted here is remembered and undone: by the finalizers of the
fixtures, or by the watchdog when a test hangs. A hanging client of a FUSE mount can not be killed
before its connection is aborted, so that comes first.

A test module says: from fixtures import host, serve, tidy  # pytest finds fixtures by their names
"""
import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import pytest

import caches
import transport
from conftest import abort as abort_connection, find_fbfsd, mount_entry

HERE = pathlib.Path(__file__).resolve().parent
ROOT = pathlib.Path(os.environ.get("FB_SOURCE_DIR") or HERE.parent.parent)
BUILD = pathlib.Path(os.environ.get("FB_BUILD_DIR") or ROOT / "build" / "dev")
FBFSD = find_fbfsd()
SANITIZED = bool(os.environ.get("FB_SANITIZE"))
SLOWER = 4 if SANITIZED else 1

TEST_SECONDS = 180 * SLOWER
LONG_TEST_SECONDS = 1800 * SLOWER

MNT_FORCE, MNT_DETACH, UMOUNT_NOFOLLOW = 1, 2, 8

# The ways to serve that differ most from each other.
MODES = {
    "default": (),
    "descriptors": ("--inode-file-handles=never", "--no-kernel-passthrough"),
    "uncached": ("--cache=never",),
    "writeback": ("--cache=always", "--writeback"),
}

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

_libc = ctypes.CDLL(None, use_errno=True)
_processes = set()  # Popen objects that are not reaped yet
_mounts = []  # mountpoints, the newest last


def wait_until(what, seconds, condition):
    """Wait until condition() is true; the test fails when that takes too long."""
    end = time.monotonic() + seconds * SLOWER
    while not (result := condition()):
        if time.monotonic() > end:
            pytest.fail(f"{what}: not within {seconds * SLOWER} s")
        time.sleep(0.02)
    return result


# ---- processes -----------------------------------------------------------------------------------


def in_background(function):
    """
    Run function in a child process, as a client that may hang; its status is 0, an errno, or 255
    for any other end.
    """
    pid = os.fork()
    if pid == 0:
        status = 255
        try:
            function()
            status = 0
        except OSError as error:
            status = error.errno or 255
        finally:
            os._exit(status)
    return pid


def reap(pid, seconds=10):
    def ended():
        done, status = os.waitpid(pid, os.WNOHANG)
        return (True, os.waitstatus_to_exitcode(status)) if done else None

    try:
        return wait_until("the client ends", seconds, ended)[1]
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        raise


def start(*command, **options):
    """Start a program in a session of its own, so that what it starts can be ended with it."""
    process = subprocess.Popen(
        [str(word) if isinstance(word, int) else os.fspath(word) for word in command],
        start_new_session=True,
        **options,
    )
    _processes.add(process)
    return process


def end(process, seconds=10):
    """Kill a process and what it started, and reap it if that is possible."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()
    _processes.discard(process)


def run(*command, ok=True, timeout=100, **options):
    """Run a program to its end and return it with its output as text; a failure fails the test."""
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.STDOUT)
    process = start(*command, text=True, errors="surrogateescape", **options)
    try:
        output, errors = process.communicate(timeout=timeout * SLOWER)
    except subprocess.TimeoutExpired:
        pytest.fail(f"{command}: not done after {timeout * SLOWER} s")
    finally:
        end(process)
    if ok and process.returncode != 0:
        pytest.fail(f"{command}: status {process.returncode}\n{(output or '')[-4000:]}{errors or ''}")
    return subprocess.CompletedProcess(command, process.returncode, output or "", errors)


def need_program(name):
    if not shutil.which(name):
        pytest.skip(f"no {name} here: script/bootstrap test")
    return name


def client(name):
    """One of the C programs of this folder."""
    built = BUILD / "tests" / "mount" / name
    if built.exists():
        return built
    program = pathlib.Path(tempfile.gettempdir()) / f"fb-mount-{os.getuid()}-{os.getpid()}-{name}"
    if not program.exists():
        run("cc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-pthread", HERE / f"{name}.c", "-o", program)
    return program


def as_user(uid, action):
    """Run action() in a child with this id; its status is 0, an errno, or 255 for any other end."""

    def become_and_act():
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        action()

    return reap(in_background(become_and_act))


# ---- mounts ----------------------------------------------------------------------------------------


def umount(path, flags=0):
    """umount2(2). Returns 0 or an error number."""
    if _libc.umount2(os.fsencode(path), flags | UMOUNT_NOFOLLOW) == 0:
        return 0
    return ctypes.get_errno()


def abort(mountpoint):
    """End a FUSE connection, so that every call under way returns with an error, and unmount it."""
    abort_connection(mountpoint)
    if os.geteuid() == 0:
        umount(mountpoint, MNT_FORCE)
        umount(mountpoint, MNT_DETACH)
    else:
        subprocess.run(["fusermount3", "-u", "-z", "-q", mountpoint], check=False)


def is_mounted(path):
    """Whether a FUSE file system is mounted exactly here; the path itself is not touched."""
    entry = mount_entry(path)
    return bool(entry) and entry["type"].startswith("fuse")


def filesystem_of(path):
    return run("stat", "-f", "-c", "%T", path).stdout.strip()


def drop_caches(what=2):
    """2: names and inodes that are not in use; 3: data too."""
    caches.drop(what)


class Served:
    """A directory that fbfsd serves in the foreground, as a child of the test."""

    def __init__(self, source, mountpoint, options, folder, check=True, arguments=None):
        self.source, self.mountpoint = pathlib.Path(source), pathlib.Path(mountpoint)
        self.options = options
        self.log_path = folder / "fbfsd.log"
        self.stats_path = folder / "statistics"
        _mounts.append(str(self.mountpoint))
        words = arguments or [self.source, self.mountpoint]
        with open(self.log_path, "ab") as log:
            self.process = start(
                FBFSD, "-f", f"--stats-file={self.stats_path}", transport.word(), *options, *words,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
            )  # fmt: skip
        if check:
            self.wait_ready()

    @property
    def path(self):
        return self.mountpoint

    @property
    def pid(self):
        return self.process.pid

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                pytest.fail(f"fbfsd ended with status {self.process.returncode}: {self.log}")
            return is_mounted(self.mountpoint) and "serving" in self.log

        wait_until("fbfsd mounts", 20, ready)
        if not any(word.startswith("--transport") for word in self.options):
            transport.check(self.pid)

    # What the server holds.

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def held(self):
        """Descriptors for files; not those of /dev/fuse, of which every thread has one, nor rings."""
        count = 0
        for name in os.listdir(f"/proc/{self.pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                target = os.readlink(f"/proc/{self.pid}/fd/{name}")
                count += target not in ("/dev/fuse", "anon_inode:[io_uring]")
        return count

    def memory(self):
        """Bytes of private memory."""
        text = pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return sum(int(n) for n in re.findall(r"^Private_\w+: +(\d+) kB", text, re.M)) * 1024

    def statistics(self):
        """Requests by opcode; "pending" is what is being served."""
        asked = 0.0

        def whole():
            nonlocal asked
            # Asked again now and then: what is counted while it is being written does not fit together.
            if time.monotonic() - asked > SLOWER:
                self.stats_path.unlink(missing_ok=True)
                os.kill(self.pid, signal.SIGUSR1)
                asked = time.monotonic()
            with contextlib.suppress(FileNotFoundError):
                text = self.stats_path.read_text()
                rows = re.findall(r"^([A-Z_0-9a-z]+) +(\d+) +(\d+) +(\d+) +(\d+) +\d+us", text, re.M)
                names = re.findall(r"^([A-Z_0-9a-z]+) +(?:<=|more:)", text, re.M)
                return text if text.endswith("\n") and len(rows) == len(names) > 0 else None

        text = wait_until("statistics after SIGUSR1", 10, whole)
        requests = {
            row[0].upper(): int(row[1])
            for row in re.findall(r"^(\w+) +(\d+) +(\d+) +(\d+) +(\d+) +\d+us", text, re.M)
        }
        requests["pending"] = int(re.search(r"(\d+) requests pending", text)[1])
        requests["threads"] = int(re.search(r"(\d+) threads", text)[1])
        requests["malformed"] = int(re.search(r"(\d+) malformed", text)[1])
        return requests

    def wait_held(self, most, seconds=20):
        """Drop the kernel's caches until the server holds at most so many files."""
        until = time.monotonic() + seconds * SLOWER
        while True:
            drop_caches(3)
            if self.held() <= most:
                return
            if time.monotonic() > until:
                files = run("ls", "-l", f"/proc/{self.pid}/fd", ok=False).stdout[-3000:]
                pytest.fail(f"{self.held()} files are held, {most} were expected:\n{files}")
            time.sleep(0.3)

    # The end.

    def stop(self, sign=signal.SIGTERM, seconds=15):
        """End fbfsd in good order; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(sign)
        try:
            status = self.process.wait(seconds * SLOWER)
        except subprocess.TimeoutExpired:
            abort(self.mountpoint)
            end(self.process)
            pytest.fail(f"fbfsd did not end within {seconds * SLOWER} s after signal {sign}")
        _processes.discard(self.process)
        return status

    def kill(self):
        self.process.kill()
        self.process.wait(10)
        _processes.discard(self.process)

    def clean_up(self):
        """Whatever state the test left: nothing stays mounted or running. Returns what was wrong."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)
                self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(15 * SLOWER)
        for _ in range(4):
            if not is_mounted(self.mountpoint):
                break
            abort(self.mountpoint)
        status = self.process.poll()
        end(self.process)
        with contextlib.suppress(ValueError):
            _mounts.remove(str(self.mountpoint))
        log = self.log
        print(f"fbfsd {' '.join(self.options)}: {log[-3000:]}")
        if status is None:
            return "fbfsd did not end after SIGTERM"
        if status < 0 and status != -signal.SIGKILL:
            return f"fbfsd was ended by signal {-status}: {log[-3000:]}"
        if re.search(r"Sanitizer|runtime error:|Assertion|\*\*\* ", log):
            return f"fbfsd complains:\n{log[:6000]}"
        return None


class Host:
    """File systems and folders of the machine itself, all undone at the end."""

    def __init__(self, stack):
        self.stack = stack
        self.count = 0

    def folder(self, name="folder", parent=None):
        """An empty folder on a real file system (ext4 unless the machine has none)."""
        self.count += 1
        path = pathlib.Path(parent or self.top) / f"{name}{self.count}"
        path.mkdir()
        return path

    def mount(self, kind, source, options, name, parent=None):
        path = self.folder(name, parent)
        done = run("mount", "-t", kind, "-o", options, source, path, ok=False)
        if done.returncode != 0:
            pytest.skip(f"mount -t {kind} -o {options}: {done.stdout.strip()}")
        self.stack.callback(self._umount, path)
        return path

    @staticmethod
    def _umount(path):
        for _ in range(50):
            if not mount_entry(path) or umount(path) == 0:
                return
            time.sleep(0.1)
        umount(path, MNT_DETACH)

    def tmpfs(self, size="64m"):
        return self.mount("tmpfs", "tmpfs", f"size={size},mode=755", "tmpfs")

    def ext4(self, megabytes=64, options="", make=()):
        """A new ext4 file system in a file."""
        image = self.folder("image") / "ext4"
        with open(image, "wb") as file:
            file.truncate(megabytes << 20)
        run(need_program("mkfs.ext4"), "-q", "-F", "-m", "0", *make, image)
        self.image = image
        return self.mount("ext4", image, ",".join(filter(None, ["loop", options])), "ext4-")

    def prepare(self):
        for place in (os.environ.get("TMPDIR"), "/var/tmp", "/tmp", BUILD):
            if place and os.access(place, os.W_OK) and "ext" in filesystem_of(place):
                self.top = pathlib.Path(tempfile.mkdtemp(prefix="fb-mount-", dir=place))
                self.stack.callback(self._remove, self.top)
                os.chmod(self.top, 0o755)
                return
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="fb-mount-"))
        self.stack.callback(self._remove, self.top)
        os.chmod(self.top, 0o755)
        if os.geteuid() != 0:
            pytest.skip("no ext4 here, and only root can make one")
        self.top = self.ext4(4096)

    @staticmethod
    def _remove(top):
        subprocess.run(["rm", "-rf", "--one-file-system", top], check=False)


@pytest.fixture
def host(tidy):
    """Makes folders and file systems on the machine."""
    with contextlib.ExitStack() as stack:
        made = Host(stack)
        made.prepare()
        yield made


@pytest.fixture
def serve(host):
    """serve(*options, source=, mountpoint=): starts fbfsd and returns a Served."""
    if not FBFSD.exists():
        pytest.fail(f"{FBFSD} is not built")
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no /dev/fuse here")
    servers = []

    def serve_one(*options, source=None, mountpoint=None, check=True, arguments=None, allow_other=True):
        folder = host.folder("server")
        source = source or host.folder("source")
        mountpoint = mountpoint or host.folder("mountpoint")
        if allow_other and os.geteuid() == 0:
            options = ("-o", "allow_other", *options)
        server = Served.__new__(Served)
        servers.append(server)
        server.process = None
        server.__init__(source, mountpoint, options, folder, check=check, arguments=arguments)
        return server

    yield serve_one
    problems = [server.clean_up() for server in reversed(servers) if server.process]
    if any(problems):
        pytest.fail("\n".join(filter(None, problems)))


@pytest.fixture(autouse=True)
def tidy(request):
    """The watchdog: ends what the test started when it takes too long; and what it left, after it."""
    seconds = LONG_TEST_SECONDS if request.node.get_closest_marker("long") else TEST_SECONDS
    bitten = threading.Event()

    def bite():
        bitten.set()
        for mountpoint in reversed(_mounts):
            abort(mountpoint)
        for process in list(_processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(seconds, bite)
    timer.daemon = True
    timer.start()
    yield
    timer.cancel()
    for process in list(_processes):
        end(process)
    if bitten.is_set():
        pytest.fail(f"the watchdog ended this test after {seconds} s")
