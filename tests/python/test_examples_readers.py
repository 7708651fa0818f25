# SPDX-License-Identifier: BSD-3-Clause
"""The examples that show what is there, on real mounts: zip archives, git and the web."""
import errno
import functools
import http.server
import os
import pathlib
import random
import re
import stat
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator

import pytest
from example_rig import Serve, need, needs_mount, run, serve  # noqa: F401
from example_work import fails

# ---- ziparchive.py ------------------------------------------------------------


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


# ---- git_tree.py ------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "repository"
    who = ("-c", "user.name=n", "-c", "user.email=e")
    git = functools.partial(run, need("git"), "-C", folder, *who)
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


# ---- http_async.py ------------------------------------------------------------


class Ranged(http.server.SimpleHTTPRequestHandler):
    """The standard library's server, with ranges, and with one file that takes its time."""

    protocol_version = "HTTP/1.1"
    timeout = 20
    asked: list[str] = []
    over = threading.Event()  # the test is

    def log_message(self, *words: object) -> None:
        pass

    def do_GET(self) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        file = pathlib.Path(self.translate_path(self.path))
        if "slow" in self.path:
            self.over.wait(10 if "slowest" in self.path else 1)
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


class Server(http.server.ThreadingHTTPServer):
    """Its threads end with it. A burst of connections is no trouble."""

    daemon_threads = False
    request_queue_size = 128


@pytest.fixture
def web(tmp_path: pathlib.Path) -> Iterator[tuple[pathlib.Path, str]]:
    """(folder, URL) of a web server in threads, of which none is left; the mount has to end first."""
    folder = tmp_path / "web"
    folder.mkdir()
    handler = functools.partial(Ranged, directory=str(folder))
    Ranged.asked.clear()
    Ranged.over.clear()
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        Ranged.over.set()
        server.shutdown()
        thread.join()


@needs_mount
def test_http(web: tuple[pathlib.Path, str], serve: Serve) -> None:
    pytest.importorskip("aiohttp", reason="no python3-aiohttp (script/bootstrap test)")
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
def test_http_waits_side_by_side(web: tuple[pathlib.Path, str], serve: Serve) -> None:
    """Four readers wait for the server at the same time; one that is killed waits no longer."""
    pytest.importorskip("aiohttp", reason="no python3-aiohttp (script/bootstrap test)")
    folder, url = web
    for number in range(4):
        (folder / f"slow{number}").write_bytes(b"late")
    path = serve("http_async.py", url).path
    (folder / "slowest").write_bytes(b"too late")
    start = time.monotonic()
    killed = subprocess.Popen(["cat", path / "slowest"])
    readers = [subprocess.Popen(["cat", path / f"slow{number}"], stdout=subprocess.PIPE)
               for number in range(4)]
    assert [reader.communicate()[0] for reader in readers] == [b"late"] * 4
    killed.kill()
    killed.wait(20)
    assert time.monotonic() - start < 3
