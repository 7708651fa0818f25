# SPDX-License-Identifier: BSD-3-Clause
"""The command line of virtiofsd, what is wrong with one, and how the daemon begins and ends."""
import json
import os
import signal
import socket
import subprocess
import time

import pytest

from daemon import NO_SANDBOX, SECONDS, Daemon, connect, features, needs_root, run
from guest import BUILD

NOBODY = 65534


@pytest.fixture
def share(area):
    (area / "share").mkdir()
    (area / "share" / "file").write_text("content")
    return area / "share"


def test_capabilities():
    done = run("--print-capabilities")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"type": "fs", "features": ["migrate-precopy", "separate-options"]}


def test_description_for_qemu(area):
    subprocess.run(["cmake", "--install", BUILD, "--prefix", area / "root", "--component", "daemon"],
                   check=True, capture_output=True, timeout=SECONDS, env={**os.environ, "DESTDIR": str(area)})  # fmt: skip
    (found,) = area.rglob("qemu/vhost-user/60-fbfsd.json")
    about = json.loads(found.read_text())
    assert about["type"] == "fs" and about["binary"].endswith("/fbfsd")
    assert about["features"] == json.loads(run("--print-capabilities").stdout)["features"]


WRONG = [
    ((), 1, "SOURCE is missing"),
    (("--socket-path={area}/s",), 1, "--shared-dir"),
    (("--socket-path={area}/s", "--fd=3", "--shared-dir={area}"), 1, "only one"),
    (("--socket-path={area}/s", "{area}", "{area}/mnt"), 1, "nothing is mounted"),
    (("--socket-path={area}/s", "--shared-dir={area}/none"), 32, "does not exist"),
    (("--socket-path={area}/s", "--shared-dir=/dev/null"), 32, "not a directory"),
    (("--socket-path={area}/none/s", "--shared-dir={area}"), 32, "No such file"),
    (("--socket-path={area}/" + "s" * 120, "--shared-dir={area}"), 32, "at most 107 bytes"),
    (("--socket-path={area}/file", "--shared-dir={area}"), 32, "not a socket"),
    (("--socket-path={area}/s", "--socket-group=no-such-group", "--shared-dir={area}"), 32, "no such group"),
    (("--fd=0", "--shared-dir={area}"), 32, "no socket"),
    (("--socket-path={area}/s", "--shared-dir={area}", "--migration-mode=file-handles", "--migration-verify-handles"), 1,
     "has no paths"),
    (("--socket-path={area}/s", "--shared-dir={area}", "--migration-mode=file-handles", "--migration-confirm-paths"), 1,
     "has no paths"),
    (("--socket-path={area}/s", "--shared-dir={area}", "--migration-mode=paths"), 1, "find-paths, file-handles"),
    (("--socket-path={area}/s", "--shared-dir={area}", "--migration-on-error=no"), 1, "abort, guest-error"),
    (("--fd=77", "--shared-dir={area}"), 32, "no socket"),
    (("--fd=3", "--socket-group=root", "--shared-dir={area}"), 1, "needs --socket-path"),
    (("--socket-path={area}/s", "--shared-dir={area}", "--tag=" + "t" * 37), 1, "1 to 36 bytes"),
    (("--socket-path={area}/s", "--shared-dir={area}", "--queues=256"), 1, "from 1 to 255"),
    (("--socket-path={area}/s", "--shared-dir={area}", "--sandbox=jail"), 1, "none of namespace, chroot, none"),
    (("--socket-path={area}/s", "--shared-dir={area}", "--seccomp=maybe"), 1, "none of kill, log, trap, none"),
    (("--socket-path={area}/s", "--shared-dir={area}", "--modcaps=+fly"), 32, "fly"),
    (("--socket-path={area}/s", "--shared-dir={area}", "--xattrmap=:bad"), 32, "xattr"),
    (("--socket-path={area}/s", "--shared-dir={area}", "--translate-uid=map:1"), 32, "map:1"),
    (("--socket-path={area}/s", "--shared-dir={area}", "--stats-file={area}/x"), 1, "--sandbox=none"),
]


@needs_root
@pytest.mark.parametrize("arguments, status, text", WRONG, ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_one_clear_line(area, arguments, status, text):
    """What is wrong is said in one line; no socket is left."""
    (area / "file").touch()
    with Daemon(*(word.format(area=area) for word in arguments)) as daemon:
        ended, said = daemon.ends()
    assert ended == status and text in said, said
    assert len(said.splitlines()) == 1, said  # nothing has begun
    assert not (area / "s").exists()


@needs_root
@pytest.mark.parametrize("sandbox", ["namespace", "none"])
def test_ends_with_its_connection(area, share, sandbox):
    path = area / "s"
    with Daemon(f"--socket-path={path}", f"--shared-dir={share}", f"--sandbox={sandbox}") as daemon:
        daemon.wait_for(path)
        assert path.stat().st_mode & 0o777 == 0o600
        connection = connect(path)
        assert features(connection) & 1 << 32
        connection.close()
        assert daemon.ends()[0] == 0
    assert not path.exists()


@needs_root
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("sandbox", ["namespace", "chroot", "none"])
@pytest.mark.parametrize("connected", [False, True])
@pytest.mark.parametrize("keep", ["--keep-listening", "--no-keep-listening"])
def test_ends_by_a_signal(area, share, number, sandbox, connected, keep):
    path = area / "s"
    with Daemon(f"--socket-path={path}", f"--shared-dir={share}", f"--sandbox={sandbox}", keep) as daemon:
        daemon.wait_for(path)
        connection = connect(path)
        if connected:
            features(connection)
        daemon.process.send_signal(number)
        assert daemon.ends()[0] == 0
        connection.close()


@needs_root
def test_ends_by_a_signal_in_the_middle_of_a_message(area, share):
    path = area / "s"
    with Daemon(f"--socket-path={path}", f"--shared-dir={share}") as daemon, socket.socket(socket.AF_UNIX) as connection:
        daemon.wait_for(path)
        connection.connect(str(path))
        features(connection)
        connection.sendall(bytes(5))
        time.sleep(0.1)
        daemon.process.terminate()
        status, said = daemon.ends()
    assert status == 0 and "broken" not in said, said


@needs_root
def test_keeps_listening(area, share):
    path = area / "s"
    with Daemon(f"--socket-path={path}", f"--shared-dir={share}", "--keep-listening") as daemon:
        daemon.wait_for(path)
        for _ in range(30):
            connection = connect(path)
            features(connection)
            connection.close()
        daemon.process.terminate()
        status, said = daemon.ends()
    assert status == 0 and said.count("the monitor has gone") == 30, said


@needs_root
def test_socket_in_use_and_stale(area, share):
    path = area / "s"
    with Daemon(f"--socket-path={path}", f"--shared-dir={share}", *NO_SANDBOX) as daemon:
        daemon.wait_for(path)
        second = run(f"--socket-path={path}", f"--shared-dir={share}")
        assert second.returncode == 32 and "in use" in second.stderr
        daemon.process.kill()
        daemon.process.wait()
        assert path.exists()
    with Daemon(f"--socket-path={path}", f"--shared-dir={share}", *NO_SANDBOX) as daemon:
        end = time.monotonic() + SECONDS
        while True:
            try:
                connection = connect(path)
                break
            except ConnectionRefusedError:
                assert time.monotonic() < end
                time.sleep(0.01)
        features(connection)
        connection.close()
        assert daemon.ends()[0] == 0


@needs_root
@pytest.mark.parametrize("sandbox", ["namespace", "none"])
def test_who_says_nothing_is_no_monitor(area, share, sandbox):
    """Such as another fbfsd that looks whether the socket is in use: it must not end this one."""
    path = area / "s"
    with Daemon(f"--socket-path={path}", f"--shared-dir={share}", f"--sandbox={sandbox}") as daemon:
        daemon.wait_for(path)
        for _ in range(20):
            connect(path).close()
        assert run(f"--socket-path={path}", f"--shared-dir={share}").returncode == 32
        silent = connect(path)
        time.sleep(0.1)
        silent.close()
        with connect(path) as connection:
            assert features(connection)
        status, said = daemon.ends()
    assert status == 0 and said.count("connected") == 1, said


@needs_root
def test_group_of_the_socket(area, share):
    path = area / "s"
    with Daemon(f"--socket-path={path}", f"--shared-dir={share}", "--socket-group=nogroup") as daemon:
        daemon.wait_for(path)
        about = path.stat()
        assert about.st_mode & 0o777 == 0o660 and about.st_gid == NOBODY


@needs_root
@pytest.mark.parametrize("connected", [False, True])
def test_descriptor(area, share, connected):
    """Of a listening socket, as libvirt hands it over, or of a connection."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(area / "s"))
    listener.listen()
    ours = connect(area / "s")
    theirs = listener.accept()[0] if connected else listener
    with Daemon(f"--fd={theirs.fileno()}", f"--shared-dir={share}", pass_fds=[theirs.fileno()]) as daemon:
        assert features(ours) & 1 << 32
        ours.close()
        assert daemon.ends()[0] == 0
    listener.close()


# Those of programs are in test_replacement.py.
BY_HAND = [
    "--shared-dir {share} --cache always --writeback --xattr --allow-direct-io --no-announce-submounts --killpriv-v2",
    "--shared-dir {share} --readonly --inode-file-handles=mandatory --modcaps=+sys_admin:-mknod --rlimit-nofile 5000",
    "-o source={share} -o no_xattr,no_readdirplus -o loglevel=debug -f",
    "--shared-dir {share} --xattrmap=:map::user.virtiofs.: --translate-uid map:0:1000:1 --log-level error --tag=t",
    "--shared-dir {share} --migration-mode find-paths --migration-verify-handles --migration-confirm-paths",
    "--shared-dir {share} --migration-mode=file-handles --migration-on-error guest-error",
]


@needs_root
@pytest.mark.parametrize("line", BY_HAND)
def test_options_of_virtiofsd(area, share, line):
    path = area / "s"
    words = [word.format(share=share) for word in line.split()]
    with Daemon(*words, f"--socket-path={path}") as daemon:
        daemon.wait_for(path)
        connection = connect(path)
        assert features(connection) & 1 << 32
        connection.close()
        status, said = daemon.ends()
    assert status == 0, said


@needs_root
def test_level_by_the_environment(area, share):
    path = area / "s"
    for level, talks in (("ERROR", False), ("info", True)):
        with Daemon(f"--socket-path={path}", f"--shared-dir={share}", env={**os.environ, "RUST_LOG": level}) as daemon:
            daemon.wait_for(path)
            with connect(path) as connection:
                features(connection)
            status, said = daemon.ends()
        assert status == 0 and bool(said) == talks, said


@needs_root
def test_nonsense_on_the_socket(area, share):
    """One line, and a status that says that it did not end well."""
    path = area / "s"
    with Daemon(f"--socket-path={path}", f"--shared-dir={share}") as daemon:
        daemon.wait_for(path)
        connection = connect(path)
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        status, said = daemon.ends()
        connection.close()
    assert status == 4 and said.count("broken") == 1, said
    assert len(said.splitlines()) == 3, said  # serving, connected, and what broke
