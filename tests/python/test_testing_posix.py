# SPDX-License-Identifier: BSD-3-Clause
"""The suite of POSIX checks, and that it notices what is wrong."""
import contextlib
import errno
import os
import pathlib
import tempfile
from collections.abc import Iterator

import libfb
import pytest
from libfb.testing import Check, Client, NotOffered, posix


@contextlib.contextmanager
def shared() -> Iterator[object]:
    """A file system over an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield libfb.Passthrough(folder, posix_lock=True, flock=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="the checks act for several users")
@pytest.mark.parametrize("check", posix(shared), ids=str)
def test_passthrough(check: Check) -> None:
    check()


def test_names_are_unique_and_sentences_there() -> None:
    suite = posix(shared)
    assert len({check.name for check in suite}) == len(suite) >= 40
    assert all(check.sentence.endswith(".") for check in suite)
    assert len(suite[:3]) == 3


class Broken(Client):
    """A client through which a file system looks broken, and poor."""

    def rename(self, path: object, new: object, flags: int = 0) -> None:
        """Never moves anything."""

    def mkdir(self, path: object, mode: int = 0) -> None:
        """Is missing."""
        raise OSError(errno.EPERM, "no mkdir")


@contextlib.contextmanager
def broken() -> Iterator[Client]:
    with shared() as fs, Broken(fs) as client:
        yield client


def test_a_broken_one_is_noticed() -> None:
    report = posix(broken).run()
    assert "rename_replaces" in report.failed
    assert report.failed["rename_replaces"].startswith("rename replaces a file")
    assert "mkdir_makes_directory" in report.not_offered
    assert "data_reads_back" in report.passed
    assert f"{len(report.failed)} failed" in str(report)


def test_not_offered_is_a_skip() -> None:
    check = next(check for check in posix(broken) if check.name == "mkdir_existing")
    with pytest.raises(NotOffered, match="not offered"):
        check()


def test_read_only(tmp_path: pathlib.Path) -> None:
    report = posix(lambda: libfb.Passthrough(tmp_path), read_only=True).run()
    assert report.failed == {}
    assert "root_is_directory" in report.passed and "mkdir_existing" in report.not_offered
