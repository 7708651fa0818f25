# SPDX-License-Identifier: BSD-3-Clause
"""Servers for the tests of libfb.fsspec: nginx and sshd, each with a configuration of its own."""
import contextlib
import gc
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

START_SECONDS = 20

NGINX = """
daemon off; master_process off; worker_processes 1; pid {top}/pid; error_log {top}/error.log;
events {{ worker_connections 64; }}
http {{
    log_format ranges '$request_method $uri $status $body_bytes_sent $http_range';
    access_log {top}/access.log ranges;
    client_body_temp_path {top}/t1; proxy_temp_path {top}/t2; fastcgi_temp_path {top}/t3;
    uwsgi_temp_path {top}/t4; scgi_temp_path {top}/t5;
    server {{
        listen 127.0.0.1:{port}; root {top}/root; autoindex on;
        location /forbidden {{ return 403; }}
        location /unauthorized {{ return 401; }}
        location /broken {{ return 500; }}
        location /whole/ {{ max_ranges 0; }}
        location /stream/ {{ ssi on; ssi_types *; }}
    }}
}}
"""

SSHD = """
Port {port}
ListenAddress 127.0.0.1
HostKey {top}/host_key
AuthorizedKeysFile {top}/authorized_keys
PidFile none
UsePAM yes
KbdInteractiveAuthentication no
StrictModes no
PasswordAuthentication no
Subsystem sftp internal-sftp
ForceCommand internal-sftp
"""


def free_port() -> int:
    """A port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def program(name: str) -> str:
    """Its path; skips the test where there is none."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def children(pid: int) -> list[int]:
    """All processes that descend from one."""
    found = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                found += [int(child), *children(int(child))]
    return found


class Server:
    """A program that listens on a port of the loopback. stop() ends it with all its children."""

    def __init__(self, top: pathlib.Path, port: int, command: list[str], log: str,
                 **how: Any) -> None:
        self.top, self.port = top, port
        self._command, self._how, self._log = command, how, top / log
        self.start()

    def start(self) -> None:
        """Begin, also once more after stop()."""
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._how)
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.02)
        self.stop()
        raise RuntimeError(f"it did not start: {self._log.read_text()}")

    def signal(self, number: int) -> None:
        """Send it to all of its processes."""
        for pid in [*children(self.process.pid), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        """End it at once."""
        self.signal(signal.SIGKILL)
        self.process.wait()


class Nginx(Server):
    """Serves `root`; url is without a slash at its end."""

    def __init__(self, top: pathlib.Path) -> None:
        nginx, port = program("nginx"), free_port()
        self.root = top / "root"
        self.root.mkdir()
        (top / "conf").write_text(NGINX.format(top=top, port=port))
        self.url = f"http://127.0.0.1:{port}"
        super().__init__(top, port, [nginx, "-p", str(top), "-c", str(top / "conf")], "out.log")

    def requests(self) -> list[str]:
        """Lines of "method path status bytes range"."""
        return (self.top / "access.log").read_text().splitlines()


class Sshd(Server):
    """Serves files by SFTP as an ordinary user. root is a folder of theirs."""

    def __init__(self, top: pathlib.Path) -> None:
        sshd, keygen, port = program("sshd"), program("ssh-keygen"), free_port()
        self.user, how = _ordinary_user()
        self.root = top / "root"
        self.root.mkdir()
        for name in ("host_key", "key"):
            subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(top / name)],
                           check=True, timeout=60)
        (top / "key.pub").rename(top / "authorized_keys")
        (top / "sshd_config").write_text(SSHD.format(top=top, port=port))
        if how:
            for path in (top, self.root, top / "host_key"):
                os.chown(path, how["user"], how["group"])
        self.url = f"sftp://{self.user}@127.0.0.1:{port}{self.root}"
        self.options = {"key_filename": str(top / "key"), "allow_agent": False,
                        "look_for_keys": False}
        command = [sshd, "-D", "-e", "-f", str(top / "sshd_config")]
        super().__init__(top, port, command, "sshd.log", **how)


def _ordinary_user() -> tuple[str, dict[str, int]]:
    """Name, and options of Popen to be them."""
    import pwd

    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name, {}
    nobody = pwd.getpwnam("nobody")
    return "nobody", {"user": nobody.pw_uid, "group": nobody.pw_gid}


def _end_fsspec() -> None:
    """End the thread in which fsspec does its work, and what would go on with it."""
    from fsspec import asyn  # type: ignore[import]

    for cls in asyn.AsyncFileSystem.__subclasses__():
        cls.clear_instance_cache()
    gc.collect()
    thread, loop = asyn.iothread[0], asyn.loop[0]
    if thread is not None:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        asyn.iothread[0] = asyn.loop[0] = None


@pytest.fixture(scope="module", autouse=True)
def no_threads_are_left() -> Iterator[None]:
    """Other tests want to fork."""
    yield
    _end_fsspec()
    end = time.monotonic() + START_SECONDS
    while threading.active_count() > 1 and time.monotonic() < end:
        time.sleep(0.05)
        gc.collect()
    assert threading.active_count() == 1, threading.enumerate()


@pytest.fixture
def nginx(tmp_path: pathlib.Path) -> Iterator[Nginx]:
    """A running nginx with an empty root."""
    server = Nginx(tmp_path)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def sshd() -> Iterator[Sshd]:
    """A running sshd; its root is shared by all tests of a module."""
    with tempfile.TemporaryDirectory(prefix="fb-sshd-") as folder:
        server = Sshd(pathlib.Path(folder))
        yield server
        server.stop()
