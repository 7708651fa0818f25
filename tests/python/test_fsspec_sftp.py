# SPDX-License-Identifier: BSD-3-Clause
"""libfb.fsspec over SFTP: a real sshd, as an ordinary user, its end in the middle."""
import concurrent.futures
import errno
import functools
import os
import pathlib
import signal
import stat
import subprocess
import time
import uuid
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from fsspec_servers import Sshd, no_threads_are_left, sshd  # noqa: F401
from libfb.testing import Check, Client, posix
from libfb.testing.plugin import fb_client, fb_mount, why_no_mount  # noqa: F401

pytest.importorskip("fsspec", reason="fsspec is not installed")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that of cryptography's about old ciphers
    pytest.importorskip("paramiko", reason="paramiko is not installed")

import libfb.fsspec  # noqa: E402

MakeClient = Callable[..., Client]
needs_mount = pytest.mark.skipif(bool(why_no_mount()), reason=why_no_mount())
#: What an ordinary user of the other machine can not do: files are theirs, and stay it.
NOT_THERE = {"create_owner", "chown_sets_ids"}
SUITE = [c for c in posix(lambda: None) if c.name not in NOT_THERE]


def make(sshd: Sshd, folder: pathlib.Path, **options: Any) -> Any:  # noqa: F811
    url = f"sftp://{sshd.user}@127.0.0.1:{sshd.port}{folder}"
    how: dict[str, Any] = {"writable": True, **sshd.options, **options}
    return libfb.fsspec.FsspecFS(url, **how)


@pytest.fixture
def folder(sshd: Sshd) -> pathlib.Path:  # noqa: F811
    """A new folder of the user's."""
    made = sshd.root / uuid.uuid4().hex
    made.mkdir(0o755)
    owner = sshd.root.stat()
    os.chown(made, owner.st_uid, owner.st_gid)
    return made


@pytest.mark.parametrize("name", [check.name for check in SUITE])
def test_posix(sshd: Sshd, folder: pathlib.Path, name: str) -> None:  # noqa: F811
    check: Check
    check = next(c for c in posix(lambda: make(sshd, folder)) if c.name == name)
    check()


def test_reading_and_attributes(fb_client: MakeClient, sshd: Sshd,  # noqa: F811
                                folder: pathlib.Path) -> None:
    data = os.urandom(3_000_000)
    (folder / "f").write_bytes(data)
    os.chmod(folder / "f", 0o644)
    os.utime(folder / "f", (10**9, 10**9 + 5))
    (folder / "l").symlink_to("f")
    c = fb_client(make(sshd, folder))
    st, real = c.stat("/f"), (folder / "f").stat()
    assert st.st_size == len(data) and st.st_mode == stat.S_IFREG | 0o644
    assert (st.st_atime_ns, st.st_mtime_ns) == (10**18, 10**18 + 5 * 10**9)
    assert (st.st_uid, st.st_gid) == (real.st_uid, real.st_gid)
    assert c.readlink("/l") == "f" and c.read_bytes("/l") == data
    with c.open("/f") as file:
        assert file.read(1000, 2_500_000) == data[2_500_000:2_501_000]


def test_writing_and_rename(fb_client: MakeClient, sshd: Sshd,  # noqa: F811
                            folder: pathlib.Path) -> None:
    (folder / "old").write_bytes(b"old")
    c = fb_client(make(sshd, folder))
    data = os.urandom(1_500_000)
    c.write_bytes("/new", data)
    assert (folder / "new").read_bytes() == data
    with c.open("/new", os.O_RDWR) as file:
        file.write(b"changed", 700_000)
    assert (folder / "new").read_bytes() == data[:700_000] + b"changed" + data[700_007:]
    c.rename("/new", "/old")
    assert sorted(os.listdir(folder)) == ["old"] and c.stat("/old").st_size == len(data)
    c.mkdir("/d", 0o751)
    c.rename("/old", "/d/f")
    c.rename("/d", "/[e]*")
    assert (folder / "[e]*" / "f").stat().st_size == len(data)
    assert stat.S_IMODE((folder / "[e]*").stat().st_mode) == 0o751
    c.utime("/[e]*/f", ns=(10**18, 2 * 10**18))
    assert (folder / "[e]*" / "f").stat().st_mtime == 2 * 10**9
    c.unlink("/[e]*/f")
    c.rmdir("/[e]*")
    assert os.listdir(folder) == []


def test_errors(fb_client: MakeClient, sshd: Sshd, folder: pathlib.Path,  # noqa: F811
                caplog: pytest.LogCaptureFixture) -> None:
    c = fb_client(make(sshd, folder))
    with pytest.raises(FileNotFoundError):
        c.stat("/missing")
    (folder / "closed").mkdir()
    (folder / "closed" / "f").write_bytes(b"x")
    (folder / "secret").write_bytes(b"x")
    if os.geteuid() != 0:
        pytest.skip("files of somebody else need root")
    for path in ("closed", "secret"):
        os.chown(folder / path, 0, 0)
        os.chmod(folder / path, 0o700)
    tries: list[Callable[[], Any]] = [
        lambda: c.listdir("/closed"), lambda: c.read_bytes("/secret"),
        lambda: c.stat("/closed/f"), lambda: c.create("/closed/g"),
        lambda: c.write_bytes("/secret", b"y"),
    ]
    for refused in tries:
        with pytest.raises(PermissionError) as raised:
            refused()
        assert raised.value.errno == errno.EACCES
    assert (folder / "secret").read_bytes() == b"x"
    assert not [record for record in caplog.records if record.name == "libfb"]


def test_a_key_that_is_not_known(sshd: Sshd, folder: pathlib.Path,  # noqa: F811
                                 tmp_path: pathlib.Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True,
                   timeout=60)
    with pytest.raises(PermissionError):
        make(sshd, folder, key_filename=str(key))


def test_a_folder_that_is_not_there(sshd: Sshd, folder: pathlib.Path) -> None:  # noqa: F811
    with pytest.raises(FileNotFoundError):
        Client(make(sshd, folder / "missing"))
    (folder / "f").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        Client(make(sshd, folder / "f"))


# A thread of paramiko's that was asking for more tells the end of the connection too.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_killed_in_the_middle(fb_client: MakeClient, sshd: Sshd,  # noqa: F811
                              folder: pathlib.Path) -> None:
    """An error, no hang; and it goes on when the server is back."""
    data = os.urandom(3 << 20)
    (folder / "f").write_bytes(data)
    c = fb_client(make(sshd, folder, attr_timeout=0, timeout=5))
    began = time.monotonic()
    with c.open("/f") as file, c.create("/w") as writer:
        assert file.read(10, 0) == data[:10]
        writer.write(b"not lost")
        sshd.stop()
        try:
            for attempt in range(2):
                with pytest.raises(OSError) as raised:
                    file.read(10, 2 << 20)
                assert raised.value.errno in (errno.ECONNRESET, errno.ECONNREFUSED)
                with pytest.raises(OSError):
                    c.stat("/f")
            with pytest.raises(OSError):
                writer.flush()
        finally:
            sshd.start()
        assert time.monotonic() - began < 30
        assert file.read(10, 2 << 20) == data[2 << 20:][:10]
    assert (folder / "w").read_bytes() == b"not lost"


def test_a_server_that_stands_still(fb_client: MakeClient, sshd: Sshd,  # noqa: F811
                                    folder: pathlib.Path) -> None:
    c = fb_client(make(sshd, folder, attr_timeout=0, timeout=1))
    assert c.listdir("/") == []
    sshd.signal(signal.SIGSTOP)
    try:
        with pytest.raises(TimeoutError):
            c.listdir("/")
    finally:
        sshd.signal(signal.SIGCONT)
    (folder / "f").write_bytes(b"after")
    assert c.read_bytes("/f") == b"after"


@needs_mount
def test_mounted(fb_mount: Callable[..., str], sshd: Sshd,  # noqa: F811
                 folder: pathlib.Path) -> None:
    url = f"sftp://{sshd.user}@127.0.0.1:{sshd.port}{folder}"
    path = pathlib.Path(fb_mount(functools.partial(
        libfb.fsspec.open, url, writable="yes", **sshd.options)))
    data = os.urandom(2_000_000)
    (path / "f").write_bytes(data)
    assert (folder / "f").read_bytes() == data == (path / "f").read_bytes()
    with open(path / "f", "ab") as file:
        file.write(b"end")
    assert (folder / "f").read_bytes() == data + b"end"
    os.utime(path / "f", (10**9, 10**9))
    subprocess.run(["cp", "-p", path / "f", path / "g"], check=True, timeout=60)
    assert (folder / "g").stat().st_mtime == 10**9
    subprocess.run(["mv", path / "g", path / "h"], check=True, timeout=60)
    assert sorted(os.listdir(path)) == ["f", "h"] == sorted(os.listdir(folder))


@needs_mount
def test_mounted_with_four_workers(fb_mount: Callable[..., str], sshd: Sshd,  # noqa: F811
                                   folder: pathlib.Path) -> None:
    data = {f"f{i}": os.urandom(1_000_000) for i in range(4)}
    url = f"sftp://{sshd.user}@127.0.0.1:{sshd.port}{folder}"
    path = pathlib.Path(fb_mount(functools.partial(
        libfb.fsspec.open, url, writable=True, block_size=100_000, **sshd.options), workers=4))

    def copy(name: str) -> bool:
        (path / name).write_bytes(data[name])
        (path / name).rename(path / f"{name}.new")
        return (path / f"{name}.new").read_bytes() == data[name]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert all(pool.map(copy, data))
    assert sorted(os.listdir(folder)) == sorted(f"{name}.new" for name in data)


@needs_mount
def test_mounted_and_killed(fb_mount: Callable[..., str], sshd: Sshd,  # noqa: F811
                            folder: pathlib.Path) -> None:
    (folder / "f").write_bytes(b"x" * 100)
    url = f"sftp://{sshd.user}@127.0.0.1:{sshd.port}{folder}"
    path = pathlib.Path(fb_mount(functools.partial(
        libfb.fsspec.open, url, timeout=5, attr_timeout=0, **sshd.options)))
    assert (path / "f").read_bytes() == b"x" * 100
    sshd.stop()
    try:
        with pytest.raises(ConnectionError):
            os.stat(path / "f")
    finally:
        sshd.start()
    assert os.listdir(path) == ["f"]
