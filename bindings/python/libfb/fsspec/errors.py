# SPDX-License-Identifier: BSD-3-Clause
"""What libraries for remote storage raise, as errno."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

#: By HTTP status; other ones from 400 on are EIO.
_STATUS = {
    401: errno.EACCES, 403: errno.EACCES, 404: errno.ENOENT, 405: errno.EOPNOTSUPP,
    407: errno.EACCES, 408: errno.ETIMEDOUT, 410: errno.ENOENT, 413: errno.EFBIG,
    423: errno.EBUSY, 429: errno.EBUSY, 501: errno.EOPNOTSUPP, 504: errno.ETIMEDOUT,
    507: errno.ENOSPC,
}
#: By the name of a class, so that nothing needs to be imported: those of aiohttp and paramiko.
_NAMES = {
    "NoValidConnectionsError": errno.ECONNREFUSED,
    "AuthenticationException": errno.EACCES, "SSHException": errno.ECONNRESET,
    "ServerTimeoutError": errno.ETIMEDOUT, "ClientConnectionError": errno.ECONNRESET,
    "ClientPayloadError": errno.ECONNRESET,
}


def http_status(error: BaseException) -> int | None:
    """The status of an exception that an answer by HTTP led to."""
    response = getattr(error, "response", None)
    for holder, name in ((error, "status"), (response, "status_code"), (error, "code")):
        status = getattr(holder, name, None)
        if isinstance(status, int) and 400 <= status < 600:
            return status
    return None


def errno_of(error: BaseException) -> int | None:
    """What it means, where Python does not say so by itself; None for all else, also for bugs."""
    cause = error.__cause__
    if type(error) is FileNotFoundError and error.errno is None and cause is not None:
        # fsspec says so of every failure of a HEAD or GET
        return errno_of(cause) or (cause.errno if isinstance(cause, OSError) else None)
    status = http_status(error)
    if status is not None:
        return _STATUS.get(status, errno.EIO)
    if isinstance(error, OSError) and error.errno is not None:
        return None
    for cls in type(error).__mro__:
        if cls.__name__ in _NAMES:
            return _NAMES[cls.__name__]
    if isinstance(error, EOFError) or error.args == ("Socket is closed",):
        return errno.ECONNRESET
    return errno.EILSEQ if isinstance(error, UnicodeError) else None


def failure(number: int, path: str | None = None, text: str = "") -> OSError:
    """An OSError of the class that fits."""
    return OSError(number, text or os.strerror(number), path)


@contextlib.contextmanager
def translated(path: str) -> Iterator[None]:
    """What is raised inside leaves as the OSError that it means."""
    try:
        yield
    except Exception as error:
        number = errno_of(error)
        if number is None:
            raise
        raise failure(number, path, str(error)) from error
