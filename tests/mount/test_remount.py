# SPDX-License-Identifier: BSD-3-Clause
"""A program that mounts and unmounts again and again keeps nothing of it, nor does the kernel.

The program is remount_server.c.
"""
import os
import pathlib
import re

import pytest

from fixtures import SANITIZED, host, needs_root, tidy, wait_until  # noqa: F401
from test_transport import build_program, launch  # noqa: F401

pytestmark = [needs_root, pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="no /dev/fuse here")]

TIMES = 200
SPARE_KILOBYTES = 256  # the allocator's, over all 180 turns: less than one thread's buffers


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return build_program("remount_server", tmp_path_factory)


def test_200_mounts(launch):  # noqa: F811
    connections = pathlib.Path("/sys/fs/fuse/connections")
    before = set(os.listdir(connections))
    server = launch(str(TIMES), check=False)
    assert server.wait(60) == 0, server.log
    first, last = re.findall(r"held: (\d+) descriptors, (\d+) kB, (\d+) threads", server.log)
    print(first, last)
    assert first[0] == last[0] and first[2] == last[2], "descriptors or threads are left"
    if not SANITIZED:
        assert int(last[1]) <= int(first[1]) + SPARE_KILOBYTES

    def mine():
        """Numbers are used again: of 200 connections that stayed, most would be new."""
        return set(os.listdir(connections)) - before

    wait_until("the kernel's connections are gone", 10, lambda: len(mine()) < TIMES // 4)
