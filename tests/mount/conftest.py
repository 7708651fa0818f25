# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures that mount with fbfsd and leave nothing behind: no mount, no process, no hanging test."""
import fcntl
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

import transport

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SECONDS = 20  # for one step of a test; several steps make a test
TEST_SECONDS = 50
if os.environ.get("FB_SANITIZE"):
    SECONDS *= 3
    TEST_SECONDS *= 3
NOBODY = 65534


def find_fbfsd():
    """The program under test: $FBFSD, or the one of $FB_BUILD_DIR, or of the dev preset."""
    if "FBFSD" in os.environ:
        return pathlib.Path(os.environ["FBFSD"]).resolve()
    build = pathlib.Path(os.environ.get("FB_BUILD_DIR", ROOT / "build" / "dev"))
    return build / "bin" / "fbfsd"


def unescape(field):
    """A field of mountinfo, where blanks and backslashes are octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def mount_entry(path):
    """The last line of mountinfo for this mountpoint, as (device, type, options), or None."""
    found = None
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields, rest = line.split(" - ", 1)
        fields = fields.split(" ")
        if unescape(fields[4]) == str(path):
            kind, source, options = map(unescape, rest.split(" "))
            found = {
                "device": fields[2],
                "type": kind,
                "source": source,
                "options": set(fields[5].split(",") + options.split(",")),
            }
    return found


def abort(path):
    """End the FUSE connection of a mount, so that everybody who waits for it gets an error."""
    entry = mount_entry(path)
    if entry and entry["type"].startswith("fuse"):
        minor = entry["device"].split(":")[1]
        control = pathlib.Path("/sys/fs/fuse/connections") / minor / "abort"
        try:
            control.write_text("1")
        except OSError:
            subprocess.run(["umount", "-f", path], capture_output=True, timeout=SECONDS)


# In the environment of everything that a test starts: the folder of the test.
MARK = "FBFSD_TEST_AREA"


def read_words(pid, name):
    """A file of /proc/PID that holds words with NUL behind each; none for a process that is gone."""
    try:
        return (pathlib.Path("/proc") / str(pid) / name).read_bytes().split(b"\0")
    except OSError:
        return []


def processes_of(area):
    """The processes that a test has started, by the mark in their environment."""
    mark = os.fsencode(f"{MARK}={area}")
    pids = [int(entry.name) for entry in pathlib.Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if mark in read_words(pid, "environ")]


def servers_of(area):
    """Those of them that are fbfsd."""
    def program(pid):
        return os.path.basename((read_words(pid, "cmdline") or [b""])[0])

    return [pid for pid in processes_of(area) if program(pid) == b"fbfsd"]


def wait_until(condition, seconds=SECONDS):
    """Wait for a condition. Returns whether it came true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def kill(pid, sign):
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        pass


class Mount:
    """A mount made by one fbfsd, for a with block."""

    def __init__(self, fbfsd, area, source, path, arguments, prefix, cwd):
        self.area, self.source, self.path = area, pathlib.Path(source), pathlib.Path(path)
        self.command = [*prefix, str(fbfsd), transport.word(), *arguments, str(source), str(path)]
        self.chose_transport = any(word.startswith("--transport") for word in arguments)
        self.foreground = "-f" in arguments or "-d" in arguments
        self.cwd = cwd
        self.process = None
        self.output = ""

    def __enter__(self):
        if self.foreground:
            self.log = tempfile.TemporaryFile("w+")
            self.process = subprocess.Popen(
                self.command, cwd=self.cwd, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
            )
            wait_until(lambda: "serving" in self.messages() or self.process.poll() is not None)
            assert self.process.poll() is None, self.messages()
        else:
            done = subprocess.run(
                self.command, cwd=self.cwd, capture_output=True, text=True, timeout=SECONDS
            )
            self.output = done.stderr
            assert done.returncode == 0, done.stderr
        if not self.chose_transport:
            transport.check(self.pid)
        return self

    def messages(self):
        """What a server in the foreground has said so far."""
        return os.pread(self.log.fileno(), 1 << 20, 0).decode(errors="replace")

    @property
    def absolute(self):
        return pathlib.Path(self.cwd or ".").absolute() / self.path

    @property
    def pid(self):
        if self.process:
            return self.process.pid
        pids = servers_of(self.area)
        assert len(pids) == 1, pids
        return pids[0]

    @property
    def entry(self):
        return mount_entry(self.absolute)

    def is_served(self):
        if self.process:
            return self.process.poll() is None
        return bool(servers_of(self.area))

    def unmount(self):
        for command in (["umount", self.absolute], ["fusermount3", "-u", self.absolute]):
            if not self.entry:
                return
            subprocess.run(command, capture_output=True, timeout=SECONDS)

    def __exit__(self, *error):
        self.unmount()
        ended = wait_until(lambda: not self.is_served(), 10)
        if self.entry or not ended:
            abort(self.absolute)
            for pid in servers_of(self.area):
                kill(pid, signal.SIGKILL)
            subprocess.run(["umount", "-l", self.absolute], capture_output=True, timeout=SECONDS)
        if self.process:
            self.output = self.messages()
            self.process.wait(SECONDS)
        if not error[0]:
            assert ended, f"fbfsd did not end after the unmount\n{self.output}"
            assert not self.entry, "the mount is still there"


@pytest.fixture(scope="session")
def fbfsd():
    path = find_fbfsd()
    if not path.exists():
        pytest.fail(f"{path} is not built")
    return path


# What a test asks for that mounts; without one of them it is told so by the marker.
MOUNTING = {"mount", "serve", "launch"}


def pytest_configure(config):
    config.addinivalue_line("markers", "mounts: mounts without the fixtures mount, serve and launch")
    reason = transport.why_not() if transport.URING else None
    if reason:
        print(f"SKIP: {reason}", flush=True)
        pytest.exit(reason, returncode=77)


def pytest_collection_modifyitems(config, items):
    """What mounts nothing is the same for every transport, and is tested with the first."""
    if not transport.URING:
        return

    def mounts(item):
        return bool(MOUNTING.intersection(item.fixturenames) or item.get_closest_marker("mounts"))

    others = [item for item in items if not mounts(item)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if mounts(item)]


@pytest.fixture(scope="session")
def uring():
    """FUSE over io_uring is switched on in the kernel; .alone() to change settings of all."""
    with transport.switched_on() as switch:
        yield switch


@pytest.fixture(scope="session", autouse=True)
def chosen_transport(request):
    """The transport of this run works here."""
    if transport.URING:
        request.getfixturevalue("uring")


@pytest.fixture
def area(monkeypatch):
    """A folder that everybody may enter, with src (one file in it) and mnt."""
    with tempfile.TemporaryDirectory(prefix="fbfsd-test-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        monkeypatch.setenv(MARK, name)
        (folder / "src").mkdir()
        (folder / "mnt").mkdir()
        (folder / "src" / "file").write_text("content\n")
        yield folder
        wait_until(lambda: not processes_of(folder), 5)
        leftovers = processes_of(folder)
        if mount_entry(folder / "mnt") or leftovers:
            abort(folder / "mnt")
            for pid in leftovers:
                kill(pid, signal.SIGKILL)
            subprocess.run(["umount", "-l", folder / "mnt"], capture_output=True, timeout=SECONDS)
            pytest.fail(f"the test left a mount or the processes {leftovers} behind")


@pytest.fixture
def as_nobody(area):
    """The words before a command that run it as user nobody, who owns the area's folders."""
    if os.geteuid() != 0:
        pytest.skip("only root can become nobody")
    for path in (area, area / "src", area / "src" / "file", area / "mnt"):
        os.chown(path, NOBODY, NOBODY)
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


@pytest.fixture
def serves_as_nobody(as_nobody, fbfsd):
    """as_nobody, for the program under test: nobody can reach it."""
    if subprocess.run([*as_nobody, "test", "-x", fbfsd], timeout=SECONDS).returncode:
        pytest.skip(f"other users can not reach {fbfsd}: a folder above it is closed to them")
    return as_nobody


@pytest.fixture
def users_mount():
    """Users can mount: fusermount3 is setuid, and the device open to all, as udev makes it."""
    program = shutil.which("fusermount3")
    if not program or not os.stat(program).st_mode & 0o4000:
        pytest.skip("users can not mount here: no setuid fusermount3")
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no /dev/fuse here")
    with open("/dev/fuse") as device:
        fcntl.flock(device, fcntl.LOCK_EX)  # other runs of the tests do the same
        mode = os.stat("/dev/fuse").st_mode & 0o777
        os.chmod("/dev/fuse", 0o666)
        yield
        os.chmod("/dev/fuse", mode)


@pytest.fixture
def mount(fbfsd, area):
    """mount(*options, prefix=, cwd=, source=, path=): a with block around a mount of the area."""
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no /dev/fuse here")
    if os.geteuid() != 0 and not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("only root may open /dev/fuse here")

    def make(*arguments, prefix=(), cwd=None, source=None, path=None):
        source = source or area / "src"
        path = path or area / "mnt"
        return Mount(fbfsd, area, source, path, [str(word) for word in arguments], prefix, cwd)

    return make


@pytest.fixture
def run(fbfsd, area):
    """run(*arguments): fbfsd with these arguments, to its end, in the area."""

    def run_it(*arguments, prefix=(), cwd=None):
        return subprocess.run(
            [*prefix, str(fbfsd), *(str(word) for word in arguments)],
            cwd=cwd or area, capture_output=True, text=True, timeout=SECONDS,
        )  # fmt: skip

    return run_it


@pytest.fixture
def watchdog(area):
    """Ends what hangs: a call into a mount that does not answer can not be killed otherwise."""

    def bite():
        abort(area / "mnt")
        for pid in processes_of(area):
            kill(pid, signal.SIGKILL)

    timer = threading.Timer(TEST_SECONDS, bite)
    timer.start()
    yield
    hung = not timer.is_alive()
    timer.cancel()
    if hung:
        pytest.fail(f"the test did not end within {TEST_SECONDS} s")


class Option:
    """A row of daemon/option_table.h."""

    def __init__(self, names, letter, argument, group, store):
        self.names = names.split("|")
        self.letter = letter.strip("'") if letter != "0" else None
        self.argument = None if argument == "NULL" else argument.strip('"')
        self.group = group
        self.can_be_off = store in ("SWITCH", "TOGGLE")
        self.only_after_o = group in ("KERNEL", "IGNORED")

    @property
    def spellings(self):
        """How it is written in long form."""
        if self.only_after_o:
            return []
        return [f"--{self.names[0]}"] + ([f"--no-{self.names[0]}"] if self.can_be_off else [])


@pytest.fixture(scope="session")
def options():
    """All rows of the option table but the hidden ones."""
    text = (ROOT / "daemon" / "option_table.h").read_text()
    text = text[text.index("#define OPTION_TABLE"):].replace("\\\n", "\n")
    text = re.sub(r'"\s*\n\s*"', "", text)
    rows = re.findall(
        r"""OPTION\("([^"]+)",\s*(0|'.'),\s*(NULL|"[^"]*"),\s*(\w+),\s*(\w+)""", text
    )
    found = [Option(*row) for row in rows]
    assert len(found) == text.count("OPTION(")
    return [option for option in found if option.group != "HIDDEN"]
