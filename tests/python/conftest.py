# SPDX-License-Identifier: BSD-3-Clause
"""FB_TEST_TRANSPORT=io-uring: the kernel offers io_uring during the run, and mounts choose it."""
from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from programs import uring_switched_on


@pytest.fixture(autouse=True, scope="session")
def _transport() -> Iterator[None]:
    if os.environ.get("FB_TEST_TRANSPORT") != "io-uring":
        yield
        return
    with uring_switched_on():
        yield
