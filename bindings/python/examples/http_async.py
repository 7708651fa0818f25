#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The files of a web server, read in ranges as programs ask for them. Needs python3-aiohttp.

    python3 http_async.py https://example.org/files/ /mnt
    python3 -m libfb http_async.py:Http /mnt --arg url=https://example.org/files/

Handlers are coroutines: while one waits for the network, others run, all in one thread. When the
caller is interrupted (Ctrl-C), its handler is cancelled.

A folder is a page with links, as servers make them for folders without an index (nginx, Apache,
``python3 -m http.server``): to names without a "/", or with one at their end for folders.
"""
from __future__ import annotations

import asyncio
import email.utils
import errno
import html.parser
import os
import sys
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import libfb

TIMEOUT_SECONDS = 30
ERRORS = {401: errno.EACCES, 403: errno.EACCES, 404: errno.ENOENT, 410: errno.ENOENT,
          429: errno.EAGAIN}
PAST_THE_END = 416
WHOLE_MAX = 16 << 20  # bytes of a file that may be fetched again for each part


class Links(html.parser.HTMLParser):
    """Collects the names of files and folders that a page links to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: dict[str, None] = {}  # a set in order
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href") if tag == "a" else None
        name = urllib.parse.unquote((target or "").removeprefix("./").removesuffix("/"),
                                    errors="surrogateescape")
        if name and "/" not in name and name != ".." and not (target or "").startswith("?"):
            self.names[name] = None


class Http(libfb.PathFS):
    """What lies below a URL."""

    entry_timeout = attr_timeout = 30.0

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.session: aiohttp.ClientSession | None = None

    async def destroy(self) -> None:
        """The mount is gone."""
        if self.session is not None:
            await self.session.close()

    @asynccontextmanager
    async def ask(self, method: str, path: str,
                  **headers: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request. What goes wrong is an OSError."""
        if self.session is None:  # here, as it has to be made in the loop that serves
            self.session = aiohttp.ClientSession(headers={"Accept-Encoding": "identity"})
        url = self.url + urllib.parse.quote(os.fsencode(path))
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                async with self.session.request(method, url, headers=headers,
                                                allow_redirects=False) as response:
                    if response.status >= 400 and response.status != PAST_THE_END:
                        raise OSError(ERRORS.get(response.status, errno.EIO), response.reason)
                    yield response
        except aiohttp.ClientError as error:
            raise OSError(errno.EIO, str(error)) from error

    async def getattr(self, path: str) -> libfb.Attr:
        """A folder's URL without "/" at its end is redirected to the one with it."""
        if path == "/":
            return libfb.Dir(0o555)
        async with self.ask("HEAD", path) as response:
            location = urllib.parse.urlsplit(response.headers.get("Location", "")).path
            if response.status in (301, 302, 307, 308):
                if location.endswith("/"):
                    return libfb.Dir(0o555)
                raise FileNotFoundError  # it has moved to another place, out of our tree
            date = email.utils.parsedate_tz(response.headers.get("Last-Modified", ""))
            mtime = email.utils.mktime_tz(date) if date else 0
            return libfb.File(0o444, size=response.content_length or 0, mtime_ns=mtime * 10**9)

    async def readdir(self, path: str) -> list[str]:
        async with self.ask("GET", path.rstrip("/") + "/") as response:
            if response.content_type != "text/html":
                raise OSError(errno.EIO, "the server does not list this folder")
            return list(Links(await response.text()).names)

    async def read(self, path: str, fh: object, off: int, size: int) -> bytes:
        """Just the bytes that are wanted, if the server knows ranges; else all of a small file."""
        async with self.ask("GET", path, Range=f"bytes={off}-{off + size - 1}") as response:
            if response.status == PAST_THE_END:
                return b""
            if response.status == 200 and (response.content_length or 0) > WHOLE_MAX:
                raise OSError(errno.EOPNOTSUPP, "the server knows no ranges")
            data = await response.read()
            return data[off:off + size] if response.status == 200 else data[:size]


if __name__ == "__main__":
    with libfb.mount(Http(sys.argv[1]), sys.argv[2], read_only=True) as mount:
        mount.wait()
