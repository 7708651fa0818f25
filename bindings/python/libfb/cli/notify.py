# SPDX-License-Identifier: BSD-3-Clause
"""Tell the service manager how it stands: sd_notify(3), without libsystemd."""

from __future__ import annotations

import os
import socket


def sd_notify(state: str) -> bool:
    """Send a state, such as "READY=1". Returns whether there was somebody to tell."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):  # a name in the abstract namespace
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(address)
            sender.sendall(state.encode())
    except OSError:
        return False
    return True
