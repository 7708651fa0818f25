# SPDX-License-Identifier: BSD-3-Clause
"""Many directories served by one fbfsd (--config), and sockets that systemd hands over."""
import contextlib
import os
import pathlib
import re
import signal
import socket
import struct
import time

import pytest

from daemon import FBFSD, SECONDS, Daemon, connect, features, needs_root, run
from guest import need_for_others

pytestmark = needs_root
TAGGED = 1 << 9  # a device with a tag answers GET_CONFIG


def protocol_features(connection):
    connection.sendall(struct.pack("III", 15, 1, 0))
    return struct.unpack("=IIIQ", connection.recv(20, socket.MSG_WAITALL))[3]


def command_of(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    return []


def children(pid):
    with contextlib.suppress(OSError):
        return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def sockets_of(pid):
    found = []
    for fd in os.scandir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found += [link for link in [os.readlink(fd.path)] if link.startswith("socket:")]
    return found


def until(condition, what):
    end = time.monotonic() + SECONDS
    while not (result := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.01)
    return result


def is_over(pid):
    """Gone, or dead and not buried by whoever inherits it."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class Shares:
    """A file of shares below a folder, and the daemon that serves them."""

    def __init__(self, area):
        self.area = area
        self.lines = []

    def add(self, name, options="", kind="fbfsd"):
        (self.area / name).mkdir(exist_ok=True)
        escaped = name.replace(" ", "\\040")
        self.lines.append(f"{self.area}/{escaped} {self.area}/{escaped}.sock {kind} {options}\n")
        return self

    @property
    def file(self):
        (self.area / "shares").write_text("# directories\n\n" + "".join(self.lines))
        return self.area / "shares"

    @contextlib.contextmanager
    def served(self, *options, ends_with=0, **how):
        log = (self.area / "log").open("w")
        with Daemon(f"--config={self.file}", *options, stderr=log, **how) as self.daemon:
            self.pid = self.daemon.process.pid
            until(lambda: len(children(self.pid)) == len(self.lines) or self.daemon.process.poll(), "servers")
            assert self.daemon.process.poll() is None, self.log
            yield self
            self.daemon.process.terminate()
            assert self.daemon.process.wait(SECONDS) == ends_with, self.log
        log.close()

    @property
    def log(self):
        return (self.area / "log").read_text()

    def server_of(self, name, other_than=None):
        """The process that serves a directory, below the supervisor."""
        word = f"--shared-dir={self.area / name}".encode()

        def find():
            return next((pid for pid in children(self.pid) if word in command_of(pid) and pid != other_than), None)

        return until(find, "a server")


@pytest.fixture
def shares(area):
    return Shares(area)


def works(path):
    with connect(path) as connection:
        return features(connection) & 1 << 32


def test_each_has_a_server(area, shares):
    """With options for all, and of its own; names may have blanks and commas."""
    shares.add("one", "tag=one").add("two words,and", "tag=,,,,").add("three", "no_xattr")
    with shares.served("--xattr", "--cache=never", "--sandbox=none", "--seccomp=none"):
        for name, tagged in (("one", True), ("two words,and", True), ("three", False)):
            with connect(area / f"{name}.sock") as connection:
                assert features(connection) & 1 << 32
                assert bool(protocol_features(connection) & TAGGED) == tagged
            command = command_of(shares.server_of(name))
            assert command[0] == b"fbfsd" and b"--cache=never" in command and b"--xattr" in command
        assert shares.log.startswith("fbfsd: serving 3 directories to virtual machines\n")
        until(lambda: f"fbfsd: {area}/one: the monitor has gone\n" in shares.log, "named messages")
    assert sorted(path.name for path in area.iterdir()) == ["log", "one", "shares", "three", "two words,and"]


def test_each_has_a_sandbox(area, shares):
    shares.add("one").add("two")
    with shares.served():
        spaces = set()
        for name in ("one", "two"):
            parent = shares.server_of(name)
            (server,) = until(lambda: children(parent), "the server in its sandbox")
            assert works(area / f"{name}.sock")  # the sandbox is there
            spaces |= {os.readlink(f"/proc/{server}/ns/{kind}") for kind in ("mnt", "pid", "net")}
            until(lambda: len(sockets_of(server)) == 1, "no socket but its own")
        own = {os.readlink(f"/proc/self/ns/{kind}") for kind in ("mnt", "pid", "net")}
        assert len(spaces) == 6 and not spaces & own


@pytest.mark.parametrize("which", ["server", "parent"])
def test_started_again_when_it_dies(area, shares, which):
    """Who connects meanwhile waits: the socket stays."""
    shares.add("one").add("two")
    with shares.served():
        other = shares.server_of("two")
        for _ in range(2):
            parent = shares.server_of("one")
            (server,) = until(lambda: children(parent), "the server in its sandbox")
            assert works(area / "one.sock")
            os.kill(server if which == "server" else parent, signal.SIGKILL)
            # After its parent it dies a moment later, and may take a connection into death.
            until(lambda gone=server: is_over(gone), "the server is gone")
            assert works(area / "one.sock")
            shares.server_of("one", other_than=parent)
        assert shares.server_of("two") == other
        assert "it is started again in 0.1 s" in shares.log and "it is started again in 0.2 s" in shares.log


def test_tried_less_and_less_often(area, shares):
    """Here the directory goes away and comes back."""
    with shares.add("one").served():
        assert works(area / "one.sock")
        (area / "one").rename(area / "gone")
        os.kill(shares.server_of("one"), signal.SIGKILL)
        until(lambda: "again in 0.8 s" in shares.log, "some attempts")
        assert f"fbfsd: {area}/one: source {area}/one does not exist\n" in shares.log
        assert re.findall(r"ended with status 32; it is started again in ([\d.]+) s", shares.log)[:3] == ["0.2", "0.4", "0.8"]
        (area / "gone").rename(area / "one")
        assert works(area / "one.sock")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_ends_with_all_servers(area, shares, number):
    shares.add("one").add("two")
    with shares.served():
        with connect(area / "one.sock") as connection:
            features(connection)
            all_of_them = [pid for child in children(shares.pid) for pid in [child, *children(child)]]
            shares.daemon.process.send_signal(number)
            assert shares.daemon.process.wait(SECONDS) == 0
        assert all(is_over(pid) for pid in all_of_them)
        assert not list(area.glob("*.sock")) and "again" not in shares.log


def test_servers_die_with_it(area, shares):
    shares.add("one").add("two", "sandbox=none")
    with shares.served(ends_with=-signal.SIGKILL):
        assert works(area / "one.sock") and works(area / "two.sock")
        all_of_them = [pid for child in children(shares.pid) for pid in [child, *children(child)]]
        assert len(all_of_them) == 3
        shares.daemon.process.kill()
        until(lambda: all(is_over(pid) for pid in all_of_them), "the servers' end")
    with shares.served():  # what it left behind is in nobody's way
        assert works(area / "one.sock")


def test_figures_of_all(area, shares):
    """SIGUSR1 reaches the servers."""
    shares.add("one").add("two")
    with shares.served("--log-level=error"):
        with connect(area / "two.sock") as connection:
            features(connection)
            before = shares.log
            shares.daemon.process.send_signal(signal.SIGUSR1)
            until(lambda: shares.log != before, "figures")


def test_systemd_hears_of_it_once(area, shares):
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.bind(str(area / "ear"))
    ear.settimeout(SECONDS)
    shares.add("one").add("two")
    with shares.served(env={**os.environ, "NOTIFY_SOCKET": str(area / "ear")}):
        said = ear.recv(4096).decode()
        assert "READY=1" in said and "STATUS=serving 2 directories" in said and f"MAINPID={shares.pid}" in said
        assert works(area / "one.sock") and works(area / "two.sock")
    assert ear.recv(4096) == b"STOPPING=1"
    ear.settimeout(0)
    with pytest.raises(BlockingIOError):
        ear.recv(4096)


WRONG = [
    ("", 1, "there is no directory in it"),
    ("{area}/one\n", 1, "{area}/one: a line is SOURCE SOCKET fbfsd"),
    ("{area}/one {area}/s\n", 1, "a line is SOURCE SOCKET fbfsd"),
    ("{area}/one {area}/s virtiofs\n", 1, "the third word is 'virtiofs'"),
    ("{area}/one {area}/s fbfsd fly\n", 1, "{area}/one: unknown option -o fly"),
    ("{area}/one {area}/s fbfsd cache=some\n", 1, "{area}/one: -o cache: 'some' is none of"),
    ("{area}/one {area}/s fbfsd source={area}/two\n", 1, "first column"),
    ("{area}/one {area}/s fbfsd socket-path={area}/t\n", 1, "second column"),
    ("{area}/one {area}/s fbfsd fd=0\n", 1, "only one of them"),
    ("{area}/one {area}/s fbfsd config={area}/shares\n", 1, "stand in the file"),
    ("{area}/one {area}/s fbfsd version\n", 1, "{area}/one: -o asks for something to be printed"),
    ("{area}/one {area}/s fbfsd no_keep_listening\n", 1, "goes on listening"),
    ("{area}/one {area}/s fbfsd xattrmap=:bad\n", 32, "{area}/one: xattr map"),
    ("{area}/one {area}/s fbfsd translate-uid=map:1\n", 32, "map:1"),
    ("{area}/one {area}/s fbfsd modcaps=+fly\n", 32, "fly"),
    ("{area}/none {area}/s fbfsd\n", 32, "does not exist"),
    ("{area}/one {area}/none/s fbfsd\n", 32, "No such file"),
    ("{area}/one {area}/s fbfsd socket-group=no-such-group\n", 32, "no such group"),
    ("{area}/one {area}/s fbfsd\n{area}/two {area}/s fbfsd\n", 32, "{area}/two: {area}/s is in use"),
]


@pytest.mark.parametrize("text, status, said", WRONG)
def test_one_clear_line(area, text, status, said):
    """When anything is wrong with one of them nothing is served, and nothing is left."""
    (area / "one").mkdir()
    (area / "two").mkdir()
    (area / "shares").write_text(text.format(area=area))
    done = run("--config", area / "shares")
    assert done.returncode == status and said.format(area=area) in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert sorted(path.name for path in area.iterdir()) == ["one", "shares", "two"]


@pytest.mark.parametrize("arguments, said", [
    (("--config={area}/none",), "No such file"),
    (("--config={area}",), "no file of shares"),
    (("--config={area}/shares", "{area}"), "the directories stand in the file"),
    (("--config={area}/shares", "--shared-dir={area}"), "the directories stand in the file"),
    (("--config={area}/shares", "--socket-path={area}/s"), "the sockets stand in the file"),
    (("--config={area}/shares", "--fd=0"), "the sockets stand in the file"),
    (("-o", "config={area}/shares"), "stand in the file"),
])  # fmt: skip
def test_command_lines_with_a_file(area, shares, arguments, said):
    shares.add("one").file.touch()
    done = run(*(word.format(area=area) for word in arguments))
    assert done.returncode == 1 and said in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


def test_long_lines(area, shares):
    """Nothing of a line is left out, however long it is."""
    rules = "".join(f":ok:all:user.{'x' * 200}{number:04}:user.:" for number in range(250))
    with shares.add("one", f"xattrmap={rules}:bad:all:::,tag=last").served("--sandbox=none", "--seccomp=none"):
        with connect(area / "one.sock") as connection:
            assert features(connection) and protocol_features(connection) & TAGGED


def test_an_ordinary_user(area, shares):
    need_for_others(FBFSD)
    area.chmod(0o777)
    shares.add("one").add("two", "ro")
    for name in ("one", "two"):
        os.chown(area / name, 65534, 65534)
    with shares.served(user=65534, group=65534, extra_groups=[]):
        assert works(area / "one.sock") and works(area / "two.sock")
        parents = children(shares.pid)
    assert all(is_over(pid) for pid in parents)


# ---- sockets of systemd ------------------------------------------------------------------------------

ACTIVATED = "export LISTEN_PID=$$ LISTEN_FDS=$0; exec \"$@\""


@contextlib.contextmanager
def listening(*paths):
    """Sockets as systemd hands them over: from descriptor 3 on."""
    listeners = []
    for path in paths:
        listeners.append(socket.socket(socket.AF_UNIX))
        listeners[-1].bind(str(path))
        listeners[-1].listen()

    def hand_over():
        for number, listener in enumerate(listeners):
            os.dup2(listener.fileno(), 100 + number)
        for number in range(len(listeners)):
            os.dup2(100 + number, 3 + number)

    yield hand_over
    for listener in listeners:
        listener.close()


class Activated(Daemon):
    program = ("sh", "-c", ACTIVATED)

    def __init__(self, count, hand_over, *arguments):
        super().__init__(str(count), FBFSD, *arguments, preexec_fn=hand_over, close_fds=False)


@pytest.mark.parametrize("named", [True, False])
def test_socket_of_systemd(area, named):
    """The only one, or the one at --socket-path."""
    (area / "one").mkdir()
    path = area / "s"
    options = [f"--socket-path={path}"] if named else []
    with listening(area / "other", path) if named else listening(path) as hand_over:
        with Activated(2 if named else 1, hand_over, f"--shared-dir={area}/one", *options) as daemon:
            assert works(path)
            assert daemon.ends()[0] == 0
    assert path.exists()  # it is systemd's


def test_which_socket_is_told(area):
    (area / "one").mkdir()
    with listening(area / "s", area / "t") as hand_over, Activated(2, hand_over, f"--shared-dir={area}/one") as daemon:
        status, said = daemon.ends()
    assert status == 1 and "2 sockets" in said and len(said.splitlines()) == 1, said


def test_sockets_of_systemd_for_a_file(area, shares):
    """One that was handed over is used, others are made."""
    shares.add("one").add("two")
    with listening(area / "two.sock") as hand_over, Activated(1, hand_over, f"--config={shares.file}") as daemon:
        daemon.wait_for(area / "one.sock")
        assert works(area / "one.sock") and works(area / "two.sock")
        daemon.process.terminate()
        assert daemon.ends()[0] == 0
    assert (area / "two.sock").exists() and not (area / "one.sock").exists()


def test_a_mount_has_no_use_for_sockets(area):
    (area / "one").mkdir()
    with listening(area / "s") as hand_over, Activated(1, hand_over, area / "one", area / "none") as daemon:
        status, said = daemon.ends()
    assert status == 32 and "none" in said, said
