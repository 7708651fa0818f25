# SPDX-License-Identifier: BSD-3-Clause
"""Step 3: the file system of step 2, tested in memory: no mount, no root, no kernel."""
import pytest
from libfb.testing import Client

from shelf2 import Shelf


def test_work():
    with Client(Shelf()) as client:
        client.write_bytes("/note", b"buy milk\n")
        client.rename("/note", "/list")
        assert client.listdir("/") == ["list"]
        assert client.read_bytes("/list") == b"buy milk\n"
        client.unlink("/list")
        with pytest.raises(FileNotFoundError):
            client.stat("/list")


def test_open_files_outlive_their_names():
    with Client(Shelf()) as client:
        client.write_bytes("/note", b"buy milk\n")
        with client.open("/note") as file:
            client.unlink("/note")
            assert file.read(100) == b"buy milk\n"
