# SPDX-License-Identifier: BSD-3-Clause
"""The units of fbfsd: what systemd says of them, and that their ExecStart= serves a socket from systemd."""
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys

import pytest

BUILD = pathlib.Path(os.environ["FB_BUILD_DIR"])
SOURCE = pathlib.Path(os.environ["FB_SOURCE_DIR"])
UNITS = SOURCE / "daemon/systemd"
SERVICE = BUILD / "daemon/systemd/fbfsd@.service"
SECONDS = 20
#: What is left of it has its reasons in the unit; see test_reasons.
EXPOSURE = 3.2

needs_analyze = pytest.mark.skipif(not shutil.which("systemd-analyze"),
                                   reason="systemd-analyze is not installed")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def settings(name):
    """The values that a setting of the service has, in their order."""
    return re.findall(rf"^{name}=(.*)$", SERVICE.read_text(), re.M)


@pytest.fixture(name="units")
def make_units(tmp_path):
    """A folder with all units, in which the program is the one that was built."""
    for unit in (UNITS / "fbfsd@.socket", UNITS / "mnt-data.mount"):
        shutil.copy(unit, tmp_path)
    text = re.sub(r"^(ExecStart=)\S+", rf"\g<1>{BUILD}/bin/fbfsd", SERVICE.read_text(), flags=re.M)
    (tmp_path / SERVICE.name).write_text(text)
    return tmp_path


def analyze(units, *arguments):
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, cwd=units,
                          timeout=SECONDS, check=False,
                          env={**os.environ, "SYSTEMD_UNIT_PATH": f"{units}:"})


@needs_analyze
def test_verify(units):
    """systemd finds nothing strange in them."""
    for unit in ("fbfsd@data.service", "fbfsd@data.socket", "mnt-data.mount"):
        done = analyze(units, "verify", "--man=no", f"./{unit}")
        ours = [line for line in done.stderr.splitlines() if "fbfsd" in line or "mnt-data" in line]
        assert done.returncode == 0 and not ours, f"{unit}: {done.stderr}"


@needs_analyze
def test_reasons(units):
    """Whatever systemd-analyze security(1) finds fault with has a comment that gives the reason."""
    done = analyze(units, "security", "--offline=true", "--no-pager", f"./{SERVICE.name}")
    found = re.findall(r"^\S*✗\S* (\S+)", done.stdout, re.M)
    assert "User=/DynamicUser=" in found, done.stdout
    reasons = re.findall(r"\b(\w+)=", "".join(re.findall(r"^# .*:", SERVICE.read_text(), re.M)))
    for name in found:
        names = re.findall(r"(\w+)=", name)
        assert set(names) & set(reasons), f"{name}: the unit gives no reason"
    score = re.search(r"exposure level .*: ([\d.]+)", done.stdout)
    assert score and float(score[1]) <= EXPOSURE, done.stdout


def call_sets():
    """systemd's sets of system calls: what each holds, sets among it."""
    done = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True,
                          text=True, timeout=SECONDS, check=True)
    sets, inside = {}, None
    for line in done.stdout.splitlines():
        if line.startswith("@"):
            inside = sets.setdefault(line, [])
        elif not line.startswith(" "):
            inside = []  # those that are in no set
        elif not line.strip().startswith("#"):
            inside.append(line.strip())
    return sets


def spread(word, sets):
    if not word.startswith("@"):
        return {word}
    return set().union(*(spread(inner, sets) for inner in sets[word]))


@needs_analyze
def test_system_calls():
    """The unit allows what fbfsd allows itself, and what making its sandbox takes."""
    sets, allowed = call_sets(), set()
    for value in ("@default", *settings("SystemCallFilter")):
        words = set().union(*(spread(word, sets) for word in value.lstrip("~").split()))
        allowed = allowed - words if value.startswith("~") else allowed | words
    table = (SOURCE / "daemon/seccomp_table.h").read_text()
    wanted = set(re.findall(r"\b(?:ALLOW|NEWER|EQUAL|MASKED)\(([a-z]\w+)", table.split("*/", 2)[2]))
    for source in SOURCE.glob("daemon/sandbox*.c"):
        wanted |= set(re.findall(r"\bSYS_(\w+)", source.read_text()))
    wanted |= {"capset", "mount", "seccomp", "setgroups", "umount2", "unshare"}
    assert len(wanted) > 100 and wanted <= allowed, wanted - allowed


def command(share, options):
    """The words of ExecStart=, as systemd makes them for a share's file."""
    words = []
    for word in shlex.split(settings("ExecStart")[0], posix=False):
        assert "%" not in word
        if word == "$OPTIONS":
            words += options
        else:
            words.append(word.replace("${SHARED_DIR}", str(share)))
    assert not any("$" in word for word in words), words
    return [str(BUILD / "bin/fbfsd"), *words[1:]]


class Activated:
    """The service as systemd starts it: its socket is descriptor 3, and it tells when it is ready."""

    #: Between fork and exec there has to be somebody whose process number becomes the program's.
    STARTER = ("import os, sys; os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1');"
               "os.dup2(int(sys.argv[1]), 3); os.execv(sys.argv[2], sys.argv[2:])")

    def __init__(self, area, *options):
        self.path, ear = area / "share.sock", area / "notify"
        self.listening, self.ear = socket.socket(socket.AF_UNIX), socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM)
        self.listening.bind(str(self.path))
        self.listening.listen()
        self.ear.bind(str(ear))
        self.ear.settimeout(SECONDS)
        (area / "share").mkdir()
        fd = self.listening.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-c", self.STARTER, str(fd), *command(area / "share", options)],
            pass_fds=[fd], env={**os.environ, "NOTIFY_SOCKET": str(ear)},
            stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        self.listening.close()
        self.ear.close()

    def hears(self):
        return dict(line.split("=", 1) for line in self.ear.recv(4096).decode().splitlines())

    def asks(self):
        """A monitor that asks for the features, as it does first. Returns its connection."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(SECONDS)
        connection.connect(str(self.path))
        connection.sendall(struct.pack("III", 1, 1, 0))
        request, flags, size, _ = struct.unpack("=IIIQ", connection.recv(20, socket.MSG_WAITALL))
        assert (request, flags, size) == (1, 5, 8)
        return connection


@pytest.mark.parametrize("options", [[], ["--readonly", "--cache=always"]])
@needs_root
def test_activation(tmp_path, options):
    """It says that it is ready, serves who connects, ends with the connection; the socket stays."""
    assert settings("Type") == ["notify"]
    with Activated(tmp_path, *options) as service:
        ready = service.hears()
        assert ready["READY"] == "1" and int(ready["MAINPID"]) == service.process.pid
        service.asks().close()
        assert service.hears() == {"STOPPING": "1"}
        assert service.process.wait(SECONDS) == 0, service.process.stderr.read()
        # Who connects now waits until systemd starts the service again.
        socket.socket(socket.AF_UNIX).connect(str(service.path))


@needs_root
def test_stop(tmp_path):
    """SIGTERM to the main process alone ends all of it: KillMode=mixed."""
    assert settings("KillMode") == ["mixed"]
    with Activated(tmp_path) as service:
        service.hears()
        monitor = service.asks()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(SECONDS) == 0, service.process.stderr.read()
        assert monitor.recv(1) == b""
        monitor.close()


def test_example_file():
    """The example is what EnvironmentFile= reads, and names what the unit uses."""
    text = (UNITS / "share.conf").read_text()
    given = {line.lstrip("#").split("=", 1)[0] for line in text.splitlines() if re.match(r"#?\w+=", line)}
    assert given == {"SHARED_DIR", "OPTIONS"}
    assert given == set(re.findall(r"\$\{?(\w+)", settings("ExecStart")[0]))
