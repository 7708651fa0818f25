# SPDX-License-Identifier: BSD-3-Clause
"""libfb.fsspec over HTTP: a real nginx, its access log, its end in the middle."""
import errno
import functools
import os
import pathlib
import re
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from fsspec_servers import Nginx, nginx, no_threads_are_left  # noqa: F401
from libfb.testing import Client
from libfb.testing.plugin import fb_client, fb_mount, why_no_mount  # noqa: F401

pytest.importorskip("fsspec", reason="fsspec is not installed")
pytest.importorskip("aiohttp", reason="aiohttp is not installed")
pytest.importorskip("requests", reason="fsspec's HTTP needs requests")

import libfb.fsspec  # noqa: E402

MakeClient = Callable[..., Client]
needs_mount = pytest.mark.skipif(bool(why_no_mount()), reason=why_no_mount())
UNIT = 1 << 16
DATA = os.urandom(10 * UNIT + 77)


def fill(nginx: Nginx) -> None:
    (nginx.root / "big").write_bytes(DATA)
    (nginx.root / "d" / "e").mkdir(parents=True)
    (nginx.root / "d" / "f").write_bytes(b"in d")
    os.utime(nginx.root / "big", (10**9, 10**9))


def ranges(nginx: Nginx, path: str = "/big") -> list[tuple[int, int]]:
    """(first, last) of all requests for parts, which all were answered by parts."""
    found = []
    for line in nginx.requests():
        match = re.match(rf"GET {path} (\d+) \d+ bytes=(\d+)-(\d+)$", line)
        if match:
            assert match[1] == "206"
            found.append((int(match[2]), int(match[3])))
    return found


def make(nginx: Nginx, **options: Any) -> Any:
    return libfb.fsspec.FsspecFS(nginx.url, block_size=UNIT, **options)


def test_listing_and_attributes(fb_client: MakeClient, nginx: Nginx) -> None:  # noqa: F811
    fill(nginx)
    c = fb_client(make(nginx))
    assert sorted(c.listdir("/")) == ["big", "d"] and sorted(c.listdir("/d")) == ["e", "f"]
    st = c.stat("/big")
    assert st.st_size == len(DATA) and st.st_mtime_ns == 10**18
    assert st.st_mode & 0o777 == 0o444
    assert c.stat("/d").st_mode & 0o170000 == 0o040000 == c.stat("/d/e").st_mode & 0o170000
    assert c.read_bytes("/d/f") == b"in d"


def test_reads_ask_for_ranges(fb_client: MakeClient, nginx: Nginx) -> None:  # noqa: F811
    fill(nginx)
    c = fb_client(make(nginx))
    with c.open("/big") as file:
        assert file.read(100, 5 * UNIT + 10) == DATA[5 * UNIT + 10:5 * UNIT + 110]
        assert ranges(nginx) == [(5 * UNIT, 6 * UNIT - 1)]
        assert file.read(UNIT, 5 * UNIT) == DATA[5 * UNIT:6 * UNIT]
        assert len(ranges(nginx)) == 1, "The block was there already."
        assert file.read(100, 2 * UNIT - 50) == DATA[2 * UNIT - 50:2 * UNIT + 50]
        assert ranges(nginx)[1:] == [(UNIT, 3 * UNIT - 1)]
        assert file.read(1000, 10 * UNIT) == DATA[10 * UNIT:]
        assert ranges(nginx)[2:] == [(10 * UNIT, 10 * UNIT + 76)]


def test_reading_on_looks_ahead(fb_client: MakeClient, nginx: Nginx) -> None:  # noqa: F811
    fill(nginx)
    c = fb_client(make(nginx))
    with c.open("/big") as file:
        pieces = [file.read(4096, off) for off in range(0, len(DATA), 4096)]
    assert b"".join(pieces) == DATA
    asked = ranges(nginx)
    assert len(asked) < 8 and asked[0] == (0, UNIT - 1)
    assert [first for first, _ in asked[1:]] == [last + 1 for _, last in asked[:-1]]
    with c.open("/big") as file:
        assert file.read() == DATA
    assert ranges(nginx) == asked, "All of it was kept."


def test_a_changed_file_is_read_anew(fb_client: MakeClient, nginx: Nginx) -> None:  # noqa: F811
    fill(nginx)
    c = fb_client(make(nginx, attr_timeout=0))
    assert c.read_bytes("/d/f") == b"in d"
    (nginx.root / "d" / "f").write_bytes(b"NEW.")
    os.utime(nginx.root / "d" / "f", (1, 1))
    assert c.read_bytes("/d/f") == b"NEW." and c.stat("/d/f").st_mtime_ns == 10**9


def test_a_server_without_ranges(fb_client: MakeClient, nginx: Nginx) -> None:  # noqa: F811
    (nginx.root / "whole").mkdir()
    (nginx.root / "whole" / "f").write_bytes(DATA)
    c = fb_client(make(nginx))
    with c.open("/whole/f") as file:
        assert file.read(100, 3 * UNIT) == DATA[3 * UNIT:3 * UNIT + 100]
        assert file.read() == DATA
    gets = [line for line in nginx.requests() if line.startswith("GET /whole/f 200")]
    assert len(gets) == 1, "All of it came with the first answer."


def test_a_file_without_a_size(fb_client: MakeClient, nginx: Nginx) -> None:  # noqa: F811
    (nginx.root / "stream").mkdir()
    (nginx.root / "stream" / "f").write_bytes(DATA)
    c = fb_client(make(nginx))
    assert c.stat("/stream/f").st_size == 0
    with c.open("/stream/f") as file:
        assert file.read(10, 0) == DATA[:10]
        assert file.read(len(DATA), 100) == DATA[100:]
        assert file.read(10, len(DATA)) == b""
        assert file.read(10, 5) == DATA[5:15]


def test_names_that_need_quoting(fb_client: MakeClient, nginx: Nginx) -> None:  # noqa: F811
    for name in ("a b", "50%", "question?", "gr\u00fc\u00df"):
        (nginx.root / name).write_bytes(name.encode())
    c = fb_client(make(nginx))
    for name in ("a b", "50%", "question?", "gr\u00fc\u00df"):
        assert name in c.listdir("/") and c.read_bytes("/" + name) == name.encode()


@pytest.mark.parametrize("path, number", [
    ("/missing", errno.ENOENT), ("/forbidden", errno.EACCES), ("/unauthorized", errno.EACCES),
    ("/broken", errno.EIO),
])
def test_errors(fb_client: MakeClient, nginx: Nginx, caplog: pytest.LogCaptureFixture,  # noqa: F811
                path: str, number: int) -> None:
    c = fb_client(make(nginx))
    with pytest.raises(OSError) as raised:
        c.stat(path)
    assert raised.value.errno == number and caplog.records == []


def test_a_server_that_is_gone(fb_client: MakeClient, nginx: Nginx,  # noqa: F811
                               caplog: pytest.LogCaptureFixture) -> None:
    fill(nginx)
    c = fb_client(make(nginx, attr_timeout=0))
    with c.open("/big") as file:
        assert file.read(10, 0) == DATA[:10]
        nginx.stop()
        with pytest.raises(OSError) as raised:
            file.read(10, 5 * UNIT)
        assert raised.value.errno in (errno.ECONNREFUSED, errno.ECONNRESET)
        with pytest.raises(ConnectionError):
            c.stat("/d/f")
        assert file.read(10, 0) == DATA[:10], "This block is still here."
        nginx.start()
        assert file.read(10, 5 * UNIT) == DATA[5 * UNIT:5 * UNIT + 10]
    assert caplog.records == []


def test_a_server_that_stands_still(fb_client: MakeClient, nginx: Nginx) -> None:  # noqa: F811
    fill(nginx)
    c = fb_client(make(nginx, attr_timeout=0, timeout=1))
    began = time.monotonic()
    nginx.signal(signal.SIGSTOP)
    try:
        with pytest.raises(TimeoutError):
            c.stat("/big")
    finally:
        nginx.signal(signal.SIGCONT)
    assert time.monotonic() - began < 30
    assert c.stat("/big").st_size == len(DATA)


def test_it_can_only_be_read(fb_client: MakeClient, nginx: Nginx) -> None:  # noqa: F811
    with pytest.raises(ValueError, match="can only be read"):
        make(nginx, writable=True)
    with pytest.raises(OSError) as raised:
        fb_client(make(nginx)).mkdir("/d")
    assert raised.value.errno == errno.EROFS


@needs_mount
def test_mounted(fb_mount: Callable[..., str], nginx: Nginx) -> None:  # noqa: F811
    fill(nginx)
    (nginx.root / "stream").mkdir()
    (nginx.root / "stream" / "f").write_bytes(DATA)
    path = pathlib.Path(fb_mount(functools.partial(
        libfb.fsspec.open, nginx.url, block_size=str(UNIT))))
    assert sorted(os.listdir(path)) == ["big", "d", "stream"]
    assert (path / "big").read_bytes() == DATA and (path / "d" / "f").read_bytes() == b"in d"
    assert (path / "big").stat().st_mtime == 10**9
    assert subprocess.run(
        ["cat", path / "stream" / "f"], capture_output=True, timeout=60).stdout == DATA
    with open(path / "big", "rb") as file:
        file.seek(3 * UNIT)
        assert file.read(10) == DATA[3 * UNIT:3 * UNIT + 10]
    with pytest.raises(PermissionError):
        os.stat(path / "forbidden")
