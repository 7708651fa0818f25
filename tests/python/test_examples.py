# SPDX-License-Identifier: BSD-3-Clause
"""Each example on a real mount, doing what somebody would do with it."""
import errno
import functools
import hashlib
import http.server
import importlib.util
import multiprocessing
import os
import pathlib
import py_compile
import random
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from types import ModuleType

import libfb
import pytest
from example_rig import (  # noqa: F401
    EXAMPLES, Serve, guest_kernel, has_command_line, need, needs_mount, run, serve,
)  # fmt: skip
from libfb.testing import posix
from libfb.testing.vm import Guest

NAMES = sorted(path.name for path in EXAMPLES.glob("*.py"))
MAIN = re.compile(r"python3 -m libfb (\w+\.py):(\w+) /mnt")


def load(name: str) -> ModuleType:
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look
    spec.loader.exec_module(module)
    return module


def fails(number: int, call: Callable[..., object], *arguments: object) -> None:
    with pytest.raises(OSError) as raised:
        call(*arguments)
    assert raised.value.errno == number


def test_all_are_here() -> None:
    assert NAMES == ["crypt.py", "git_tree.py", "hello_node.py", "hello_path.py", "http_async.py",
                     "memory.py", "sqlite.py", "ziparchive.py"]


@pytest.mark.parametrize("name", NAMES)
def test_says_how_to_run_it(name: str, tmp_path: pathlib.Path) -> None:
    """The class that the text names is there."""
    py_compile.compile(str(EXAMPLES / name), cfile=str(tmp_path / "out"), doraise=True)
    text = (EXAMPLES / name).read_text()
    found = MAIN.search(text)
    assert found and found[1] == name and f"\nclass {found[2]}(libfb." in text
    assert f"python3 {name} " in text and text.count("\n") < 500


@needs_mount
@pytest.mark.parametrize("name", ["hello_path", "hello_node"])
def test_hello(serve: Serve, name: str) -> None:
    path = serve(f"{name}.py").path
    assert "hello" in os.listdir(path)
    assert run("cat", path / "hello") == "Hello, world!\n"
    assert (path / "hello").stat().st_size == 14
    fails(errno.ENOENT, os.stat, path / "absent")
    fails(errno.EPERM, os.mkdir, path / "new")
    fails(errno.EACCES if os.geteuid() else errno.EPERM, (path / "hello").write_text, "x")


@needs_mount
@pytest.mark.skipif(not has_command_line(), reason="libfb has no command line here")
def test_hello_by_the_command_line(tmp_path: pathlib.Path) -> None:
    mount = tmp_path / "mnt"
    mount.mkdir()
    command = [sys.executable, "-m", "libfb", f"{EXAMPLES / 'hello_path.py'}:Hello", str(mount)]
    with subprocess.Popen(command, cwd="/", stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and "ready" in process.stdout.readline()
        assert (mount / "hello").read_text() == "Hello, world!\n"
        process.terminate()
        assert process.wait(20) == 0


def test_hello_in_a_guest(guest_kernel: None, fb_vm: Callable[..., Guest]) -> None:
    """Over virtio-fs it is the same class."""
    guest = fb_vm(load("hello_path").Hello, "ls -l; cat hello; ! cat absent; ! mkdir new")
    assert guest.status == 0 and "\nHello, world!\n" in guest.console


# ---- memory.py -------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", posix(load("memory").Memory), ids=str)
def test_memory_posix(check: Callable[[], None]) -> None:
    check()


def make_tree(folder: pathlib.Path) -> None:
    """Some of everything that tar and cp have to keep."""
    (folder / "sub" / "empty").mkdir(parents=True)
    for number in range(40):
        name = folder / "sub" / f"f{number}"
        name.write_bytes(random.Random(number).randbytes(number * 997))
        name.chmod(0o600 + number % 8)
        os.utime(name, ns=(10**18 + number, 10**18 + 10 * number))
    (folder / "sub" / "ünï\ncode").write_text("text")
    os.link(folder / "sub" / "f3", folder / "hard")
    (folder / "soft").symlink_to("sub/f5")
    (folder / "dangling").symlink_to("/nowhere")
    os.mkfifo(folder / "fifo", 0o640)
    with open(folder / "sparse", "wb") as file:
        file.seek(1 << 20)
        file.write(b"end")


def same(one: pathlib.Path, other: pathlib.Path, links: bool = True) -> None:
    """Names, kinds, modes, times, link counts and contents are the same."""
    what = "%P %y %m %s %n %l %T@" if links else "%P %y %m %s %l %T@"
    listing = rf"find . -mindepth 1 ! -type d -printf '{what}\n' | LC_ALL=C sort"
    assert run("sh", "-c", listing, cwd=one) == run("sh", "-c", listing, cwd=other)
    run("diff", "-r", "--no-dereference", "--exclude=fifo", one, other)


def real_work(mount: pathlib.Path, tmp_path: pathlib.Path, links: bool = True) -> None:
    """There and back again, with cp, tar and mv. links=False: link counts may be late."""
    source, back = tmp_path / "source", tmp_path / "back"
    source.mkdir()
    back.mkdir()
    make_tree(source)
    run("cp", "-a", source, mount / "copy")
    same(source, mount / "copy", links)
    run("tar", "-C", mount, "--format=posix", "-cf", mount / "a.tar", "copy")
    run("tar", "-C", back, "-xf", mount / "a.tar")
    same(source, back / "copy")
    run("mv", mount / "copy", mount / "moved")
    same(source, mount / "moved", links)
    run("rm", "-r", mount / "moved", mount / "a.tar")


@needs_mount
def test_memory_at_work(serve: Serve, tmp_path: pathlib.Path) -> None:
    path = serve("memory.py").path
    before = os.statvfs(path).f_bfree
    real_work(path, tmp_path)
    run(need("sqlite3"), path / "db", "create table t(x); insert into t values (1), (2);")
    assert run("sqlite3", path / "db", "select sum(x) from t") == "3\n"
    run(need("git"), "init", "-q", path / "repo")
    (path / "repo" / "file").write_text("content")
    git = ["git", "-C", path / "repo", "-c", "user.name=n", "-c", "user.email=e"]
    run(*git, "add", "file")
    run(*git, "commit", "-qm", "first")
    assert run(*git, "fsck", "--strict", "--no-progress") == ""
    run("rm", "-rf", path / "repo", path / "db")
    assert os.listdir(path) == []
    run("sh", "-c", f"until test $(stat -f -c %f {path}) = {before}; do sleep 0.1; done")


@needs_mount
def test_memory_sparse_and_full(serve: Serve) -> None:
    path = serve("memory.py").path
    with open(path / "big", "wb") as file:
        os.truncate(file.fileno(), 1 << 40)
        os.pwrite(file.fileno(), b"x", 1 << 39)
        assert os.fstat(file.fileno()).st_blocks == 8
        assert os.lseek(file.fileno(), 0, os.SEEK_DATA) == 1 << 39
        fails(errno.ENOSPC, os.posix_fallocate, file.fileno(), 0, 2 << 30)
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
        assert os.fstat(file.fileno()).st_blocks == 8 + 2048
    free = os.statvfs(path).f_bavail
    with open(path / "rest", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free * 4096)
        fails(errno.ENOSPC, os.pwrite, file.fileno(), b"x", free * 4096)
        os.unlink(path / "rest")
        assert os.statvfs(path).f_bavail == 0  # still open


@pytest.mark.long
def test_memory_in_a_guest(guest_kernel: None, fb_vm: Callable[..., Guest]) -> None:
    """A guest copies, packs and unpacks, and finds what it wrote."""
    guest = fb_vm(load("memory").Memory, """
        cp -a /bin/busybox .; cmp /bin/busybox busybox; ./busybox true
        mkdir -p tree/sub; for i in $(seq 50); do echo $i > tree/sub/$i; done
        ln tree/sub/1 tree/hard; ln -s sub/2 tree/soft; mkfifo tree/fifo; mknod tree/null c 1 3
        test $(stat -c %h tree/hard) = 2; test "$(cat tree/soft)" = 2
        tar -cf t.tar tree; mkdir back; tar -xf t.tar -C back; diff -r tree back/tree
        mv tree moved; rm -r back; chmod 640 moved/hard; chown 7:8 moved/hard
        test "$(stat -c '%a %u %g' moved/sub/1)" = "640 7 8"
        exec 3>gone; rm gone; echo open >&3; test $(stat -L -c %s /proc/self/fd/3) = 5
        truncate -s 1099511627776 big; test $(stat -c %b big) = 0; df . | grep -q share
        ! rmdir moved; rm -r moved; test "$(ls | tr '\\n' ' ')" = "big busybox t.tar "
        """)
    assert guest.status == 0, guest.console


# ---- crypt.py --------------------------------------------------------------------------------------


@needs_mount
def test_crypt(serve: Serve, tmp_path: pathlib.Path) -> None:
    sealed = tmp_path / "sealed"
    sealed.mkdir()
    example = serve("crypt.py", sealed, PASSPHRASE="secret")
    # Two names of a file are two nodes of the path layer: the kernel remembers the count of one.
    real_work(example.path, tmp_path, links=False)
    text = b"nobody shall know this. " * 1000
    (example.path / "private").write_bytes(text)
    with open(example.path / "private", "r+b", buffering=0) as file:
        file.seek(4090)
        file.write(b"across blocks")
        os.unlink(example.path / "private")
        assert os.fstat(file.fileno()).st_size == len(text)
        os.truncate(file.fileno(), 5000)
        os.truncate(file.fileno(), 9000)
        expected = (text[:4090] + b"across blocks" + text[4103:5000]).ljust(9000, b"\0")
        assert os.pread(file.fileno(), 10000, 0) == expected
    (example.path / "left").write_bytes(expected)
    example.end()
    everything = b"".join(path.read_bytes() for path in sealed.rglob("*") if path.is_file())
    assert b"nobody" not in everything and not list(sealed.rglob("*left*"))

    again = serve("crypt.py", sealed, PASSPHRASE="secret")
    assert (again.path / "left").read_bytes() == expected
    assert os.listdir(serve("crypt.py", sealed, PASSPHRASE="guess").path) == []
    (name,) = [path for path in sealed.iterdir() if path.name != "salt"]
    with open(name, "r+b", buffering=0) as file:
        file.seek(5000)
        file.write(b"\xff\xfe\xfd")
    run("sh", "-c", "echo 3 > /proc/sys/vm/drop_caches", ok=False)
    with open(again.path / "left", "rb") as reader:
        fails(errno.EIO, os.pread, reader.fileno(), 100, 5000)


def test_crypt_random_access(fb_client: Callable[..., libfb.testing.Client],
                             tmp_path: pathlib.Path) -> None:
    """Any mix of writes and truncations gives what a bytearray gives."""
    client = fb_client(load("crypt").Crypt(str(tmp_path), "x"))
    chance, text = random.Random(1), bytearray()
    client.write_bytes("/f", b"")
    for _ in range(300):
        at, size = chance.randrange(20_000), chance.randrange(9000)
        if chance.random() < 0.3:
            client.truncate("/f", at)
            text = text[:at].ljust(at, b"\0")
            continue
        data = chance.randbytes(size)
        with client.open("/f", os.O_RDWR) as file:
            file.write(data, at)
        if size:
            text = text.ljust(at, b"\0")
            text[at:at + size] = data
        assert client.read_bytes("/f") == text


# ---- sqlite.py -------------------------------------------------------------------------------------


def consistent(database: pathlib.Path) -> None:
    """What has to hold for the tables whatever happened."""
    with sqlite3.connect(database) as db:
        def rows(query: str) -> list[object]:
            return db.execute(query).fetchall()

        assert rows("PRAGMA integrity_check") == [("ok",)]
        assert rows("PRAGMA foreign_key_check") == []
        assert rows("SELECT id, nlink FROM inode WHERE mode & 61440 <> 16384 AND nlink <> "
                    "(SELECT count(*) FROM entry WHERE inode = id)") == []
        assert rows("SELECT id, nlink FROM inode WHERE mode & 61440 = 16384 AND nlink <> 2 + "
                    "(SELECT count(*) FROM entry JOIN inode child ON child.id = entry.inode "
                    " WHERE entry.parent = inode.id AND child.mode & 61440 = 16384)") == []
        assert rows("SELECT number FROM block JOIN inode ON id = inode "
                    "WHERE number * 65536 >= size") == []
    db.close()


@needs_mount
def test_sqlite(serve: Serve, tmp_path: pathlib.Path) -> None:
    database = tmp_path / "tree.db"
    example = serve("sqlite.py", database)
    real_work(example.path, tmp_path)
    make_tree(example.path)
    os.setxattr(example.path / "hard", "user.x", b"value")
    with open(example.path / "gone", "w+b") as file:
        file.write(b"unlinked")
        file.flush()
        os.unlink(example.path / "gone")
        assert os.pread(file.fileno(), 10, 0) == b"unlinked"
    fails(errno.ENOTEMPTY, os.rmdir, example.path / "sub")
    run("cp", "-a", f"{example.path}/.", tmp_path / "kept")
    example.end()
    consistent(database)
    again = serve("sqlite.py", database)
    same(tmp_path / "kept", again.path)
    assert os.getxattr(again.path / "hard", "user.x") == b"value"


def write_until_killed(path: pathlib.Path, log: int) -> None:
    """Files that appear by rename, and one that is open without a name. Each one is told."""
    os.chdir(path)  # once it is dead, nothing is written to the folder below it
    try:
        with open("unnamed", "wb") as unnamed:
            os.unlink("unnamed")
            for number in range(100_000):
                unnamed.write(bytes(70_000))
                unnamed.flush()
                pathlib.Path("new").write_bytes(b"%d " % number * 20_000)
                os.rename("new", f"file{number % 10}")
                os.write(log, b"%d\n" % number)
    except OSError:
        os._exit(0)


@needs_mount
def test_sqlite_killed(serve: Serve, tmp_path: pathlib.Path) -> None:
    """kill -9 in the middle of work: what was answered is there, and the tables agree."""
    database, told = tmp_path / "tree.db", -1
    for _ in range(3):
        example = serve("sqlite.py", database)
        reading, writing = os.pipe()
        worker = multiprocessing.get_context("fork").Process(
            target=write_until_killed, args=(example.path, writing))
        worker.start()
        os.close(writing)
        time.sleep(0.4)
        example.kill()
        worker.join(20)
        with os.fdopen(reading) as pipe:
            told = int(pipe.read().split()[-1])
        consistent(database)
        assert told >= 0
    again = serve("sqlite.py", database)
    consistent(database)
    for path in again.path.glob("file*"):
        content = path.read_bytes()
        assert content == content.split()[0] + b" " + content[len(content.split()[0]) + 1:]
        assert len(set(content.split())) == 1 and content.count(b" ") == 20_000
    assert (again.path / f"file{told % 10}").read_bytes().split()[0] in (b"%d" % told, b"%d" % (told + 10))
    with sqlite3.connect(database) as db:
        assert db.execute("SELECT count(*) FROM inode WHERE nlink = 0").fetchone() == (0,)
    db.close()


# ---- ziparchive.py ---------------------------------------------------------------------------------


@needs_mount
def test_zip(serve: Serve, tmp_path: pathlib.Path) -> None:
    source = tmp_path / "source"
    (source / "sub" / "deep").mkdir(parents=True)
    (source / "text").write_text("line\n" * 100_000)
    (source / "sub" / "deep" / "noise").write_bytes(random.Random(1).randbytes(500_000))
    (source / "link").symlink_to("sub/deep")
    (source / "text").chmod(0o755)
    archive = tmp_path / "a.zip"
    run(need("zip"), "-qry", archive, ".", cwd=source)
    with zipfile.ZipFile(archive, "a") as more:
        more.writestr("../../evil/../name", b"kept inside")
    path = serve("ziparchive.py", archive).path
    run("diff", "-r", "--no-dereference", source / "sub", path / "sub")
    run("cmp", source / "text", path / "text")
    assert os.readlink(path / "link") == "sub/deep"
    assert sorted(os.listdir(path)) == ["evil", "link", "sub", "text"]
    assert (path / "evil" / "name").read_bytes() == b"kept inside"
    assert stat.S_IMODE((path / "text").stat().st_mode) == 0o555
    assert abs((path / "text").stat().st_mtime - (source / "text").stat().st_mtime) <= 2
    with open(path / "sub" / "deep" / "noise", "rb") as file:  # backwards
        ends = [os.pread(file.fileno(), 10, at) for at in (499_990, 250_000, 0)]
    noise = (source / "sub" / "deep" / "noise").read_bytes()
    assert ends == [noise[499_990:], noise[250_000:250_010], noise[:10]]
    fails(errno.EROFS, (path / "text").write_text, "x")
    fails(errno.EROFS, os.unlink, path / "text")


# ---- git_tree.py -----------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "repository"
    git = functools.partial(run, need("git"), "-C", folder, "-c", "user.name=n", "-c", "user.email=e")
    folder.mkdir()
    git("init", "-q", "-b", "main")
    (folder / "sub").mkdir()
    (folder / "sub" / "program").write_text("#!/bin/sh\necho one\n")
    (folder / "sub" / "program").chmod(0o755)
    (folder / "with\nnewline").write_text("")
    (folder / "link").symlink_to("sub/program")
    git("add", ".")
    git("commit", "-qm", "first")
    git("tag", "-a", "v1", "-m", "a tag")
    (folder / "sub" / "program").write_text("#!/bin/sh\necho two\n")
    git("commit", "-qam", "second")
    git("branch", "topic/two")
    return folder


@needs_mount
def test_git(serve: Serve, repository: pathlib.Path) -> None:
    path = serve("git_tree.py", repository).path
    assert sorted(os.listdir(path)) == ["HEAD", "branches", "commits", "tags"]
    assert sorted(os.listdir(path / "branches")) == ["main", "topic%2Ftwo"]
    run("diff", "-r", "--no-dereference", "--exclude=.git", repository, f"{path}/HEAD/")
    assert run(path / "HEAD" / "sub" / "program") == "two\n"
    assert run(path / "tags" / "v1" / "sub" / "program") == "one\n"
    assert os.readlink(path / "tags" / "v1" / "link") == "sub/program"
    first = run("git", "-C", repository, "rev-parse", "v1^{commit}").strip()
    assert os.readlink(path / "tags" / "v1") == f"../commits/{first}"
    date = int(run("git", "-C", repository, "log", "-1", "--format=%ct", first))
    assert (path / "commits" / first / "sub").stat().st_mtime == date
    assert len(os.listdir(path / "commits")) == 2
    for absent in ("commits/HEAD", f"commits/{'0' * 40}", f"commits/{first}/none", "none/x/y"):
        fails(errno.ENOENT, os.lstat, path / absent)
    fails(errno.EROFS, os.mkdir, path / "new")


# ---- http_async.py ---------------------------------------------------------------------------------


class Ranged(http.server.SimpleHTTPRequestHandler):
    """The standard library's server, with ranges, and with one file that takes its time."""

    protocol_version = "HTTP/1.1"
    asked: list[str] = []

    def log_message(self, *words: object) -> None:
        pass

    def do_GET(self) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        file = pathlib.Path(self.translate_path(self.path))
        if "slow" in self.path:
            time.sleep(0.5)
        if "broken" in self.path:
            self.send_error(500)
        elif wanted and file.is_file() and "whole" not in self.path:
            self.send_range(file.read_bytes(), int(wanted[1]), int(wanted[2]))
        else:
            super().do_GET()

    def send_range(self, data: bytes, start: int, end: int) -> None:
        self.asked.append(f"{self.path} {start} {end - start + 1}")
        self.send_response(206 if start < len(data) else 416)
        piece = data[start:end + 1]
        self.send_header("Content-Range", f"bytes {start}-{start + len(piece) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(piece)))
        self.end_headers()
        self.wfile.write(piece)


@pytest.fixture
def web(tmp_path: pathlib.Path) -> Iterator[tuple[pathlib.Path, str]]:
    """(folder, URL) of a web server in a thread."""
    folder = tmp_path / "web"
    folder.mkdir()
    handler = functools.partial(Ranged, directory=str(folder))
    Ranged.asked.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@needs_mount
def test_http(serve: Serve, web: tuple[pathlib.Path, str]) -> None:
    pytest.importorskip("aiohttp", reason="python3-aiohttp is not installed (script/bootstrap test)")
    folder, url = web
    (folder / "a folder").mkdir()
    (folder / "a folder" / "ünï & <b>.txt").write_text("text")
    (folder / "big").write_bytes(random.Random(1).randbytes(20 << 20))
    (folder / "whole").write_bytes(random.Random(2).randbytes(1 << 20))
    (folder / "empty").write_bytes(b"")
    for number in range(4):
        (folder / f"slow{number}").write_bytes(b"late")
    (folder / "broken").write_bytes(b"xyz")
    path = serve("http_async.py", url).path
    with open(path / "big", "rb") as file:
        assert os.pread(file.fileno(), 5, 10 << 20) == (folder / "big").read_bytes()[10 << 20:][:5]
    assert sum(int(line.split()[2]) for line in Ranged.asked) < 2 << 20  # not all of it
    run("cmp", folder / "big", path / "big")
    run("cmp", folder / "whole", path / "whole")
    run("cmp", folder / "empty", path / "empty")
    run("diff", "-r", folder / "a folder", path / "a folder")
    assert sorted(os.listdir(path)) == sorted(os.listdir(folder))
    assert int((path / "big").stat().st_mtime) == int((folder / "big").stat().st_mtime)
    fails(errno.ENOENT, os.stat, path / "absent")
    fails(errno.EIO, (path / "broken").read_bytes)
    fails(errno.EROFS, os.unlink, path / "big")


@needs_mount
def test_http_waits_side_by_side(serve: Serve, web: tuple[pathlib.Path, str]) -> None:
    """Four readers wait for the server at the same time; one that is killed waits no longer."""
    pytest.importorskip("aiohttp", reason="python3-aiohttp is not installed (script/bootstrap test)")
    folder, url = web
    for number in range(4):
        (folder / f"slow{number}").write_bytes(b"late")
    path = serve("http_async.py", url).path
    assert len(os.listdir(path)) == 4
    start = time.monotonic()
    readers = [subprocess.Popen(["cat", path / f"slow{number}"], stdout=subprocess.PIPE)
               for number in range(4)]
    assert [reader.communicate()[0] for reader in readers] == [b"late"] * 4
    assert time.monotonic() - start < 1.5
