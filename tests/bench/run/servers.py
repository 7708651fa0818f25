# SPDX-License-Identifier: BSD-3-Clause
"""The servers that are measured."""

from __future__ import annotations

import pathlib
from dataclasses import dataclass

URING = pathlib.Path("/sys/module/fuse/parameters/enable_uring")


@dataclass
class Server:
    """One of those beside each other."""

    name: str
    kind: str  # native, mount or guest
    command: str = ""
    quick: bool = True  # part of a quick run
    optional: bool = False  # a mode that this fbfsd or this kernel may lack
    state: str = "ok"  # ok, skipped or failed
    reason: str = ""


NO_PASSTHROUGH = "--no-kernel-passthrough"

#: Modes of fbfsd: name, options, whether a quick run has them.
MODES = [
    ("fbfsd", "", True),
    ("fbfsd-nokp", NO_PASSTHROUGH, True),
    ("fbfsd-dev", "--transport=dev-fuse", False),
    ("fbfsd-dev-nokp", f"--transport=dev-fuse {NO_PASSTHROUGH}", False),
    ("fbfsd-uring", "--transport=io-uring", False),
    ("fbfsd-uring-nokp", f"--transport=io-uring {NO_PASSTHROUGH}", True),
    ("fbfsd-always", "--cache=always", False),
    ("fbfsd-always-nokp", f"--cache=always {NO_PASSTHROUGH}", False),
    ("fbfsd-stateless", f"--cache=always --stateless-open --stateless-opendir {NO_PASSTHROUGH}", False),
    ("fbfsd-never", f"--cache=never {NO_PASSTHROUGH}", False),
    ("fbfsd-writeback", f"--writeback {NO_PASSTHROUGH}", False),
]


def mount_command(fbfsd: pathlib.Path, options: str) -> str:
    return " ".join(f"{fbfsd} -f {options} {{source}} {{mountpoint}}".split())


def fbfsd_modes(fbfsd: pathlib.Path, more: dict[str, str]) -> list[Server]:
    modes = [Server(name, "mount", mount_command(fbfsd, options), quick, optional=True)
             for name, options, quick in MODES]
    return modes + [Server(name, "mount", mount_command(fbfsd, options))
                    for name, options in more.items()]


def peers(passthrough_ll: pathlib.Path | None, bindfs: str | None, more: dict[str, str]) -> list[Server]:
    """libfuse's example as it comes leaves permissions to the host; "-checks" has the kernel check
    them, which fbfsd and bindfs do by default, and which costs a request after each change."""
    found = []
    if passthrough_ll:
        found = [Server("passthrough_ll", "mount", f"{passthrough_ll} -o source={{source}} {{mountpoint}}"),
                 Server("passthrough_ll-checks", "mount",
                        f"{passthrough_ll} -o default_permissions -o source={{source}} {{mountpoint}}",
                        quick=False)]
    if bindfs:
        found.append(Server("bindfs", "mount", f"{bindfs} -f {{source}} {{mountpoint}}"))
    return found + [Server(name, "mount", command) for name, command in more.items()]


def daemons(fbfsd: pathlib.Path, more: dict[str, str]) -> list[Server]:
    """For virtual machines. The first is what the others are compared with."""
    own = f"{fbfsd} -f --log-level=warn --socket-path={{socket}} --shared-dir={{source}}"
    return [Server("vhost-fbfsd", "guest", own),
            *(Server(name, "guest", command) for name, command in more.items())]


def uring_is_enabled() -> bool:
    return URING.exists() and URING.read_text().strip() in ("Y", "1")


def skip_uring(servers: list[Server]) -> None:
    """Where the kernel does not offer io_uring, fbfsd would quietly measure /dev/fuse twice."""
    for server in servers:
        if "--transport=io-uring" in server.command and not uring_is_enabled():
            server.state = "skipped"
            server.reason = f"{URING} is not Y (--enable-uring sets it for the run)"
