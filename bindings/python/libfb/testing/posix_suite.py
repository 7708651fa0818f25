# SPDX-License-Identifier: BSD-3-Clause
"""A suite of POSIX behaviour for any file system, without a mount and without a test runner.

    @pytest.mark.parametrize("check", libfb.testing.posix(MyFS), ids=str)
    def test_posix(check):
        check()

    print(libfb.testing.posix(MyFS).run())
"""
from __future__ import annotations

import contextlib
import errno
import unittest
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

from .client import Client
from .posix_checks import CHECKS
from .posix_files import FILE_CHECKS

#: Errors by which a file system says that it does not have an operation.
NOT_OFFERED = {
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTTY,
    errno.ENOLCK,
}


class NotOffered(unittest.SkipTest):
    """The file system does not have what a check is about; test runners take it for a skip."""


@dataclass(frozen=True)
class Check:
    """One behaviour. Calling it makes a fresh file system and looks.

    Raises AssertionError with a sentence, or NotOffered.
    """

    name: str
    sentence: str
    _run: Callable[[Client], None] = field(repr=False)
    _factory: Callable[[], object] = field(repr=False)
    _options: dict[str, Any] = field(repr=False)

    def __call__(self) -> None:
        with contextlib.ExitStack() as stack:
            client = self._client(stack)
            try:
                self._run(client)
            except AssertionError as error:
                raise AssertionError(f"{self.sentence} {error}".rstrip()) from error
            except OSError as error:
                if error.errno in NOT_OFFERED:
                    raise NotOffered(f"{self.name}: not offered ({error})") from error
                raise AssertionError(f"{self.sentence} Instead: {error!r}") from error

    def _client(self, stack: contextlib.ExitStack) -> Client:
        fs = self._factory()
        if not isinstance(fs, Client) and isinstance(fs, contextlib.AbstractContextManager):
            fs = stack.enter_context(fs)
        return stack.enter_context(fs if isinstance(fs, Client) else Client(fs, **self._options))

    def __str__(self) -> str:
        return self.name


@dataclass
class Report:
    """How a run of the suite went: names, and what was said of those that failed or were left out."""

    passed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    not_offered: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"{name}: {text}" for name, text in self.failed.items()]
        lines += [f"not offered: {name}" for name in self.not_offered]
        counts = f"{len(self.passed)} passed, {len(self.failed)} failed"
        return "\n".join([*lines, f"{counts}, {len(self.not_offered)} not offered"])


class Suite(Sequence[Check]):
    """The checks, in order."""

    def __init__(self, checks: list[Check]) -> None:
        self._checks = checks

    @overload
    def __getitem__(self, index: int) -> Check: ...

    @overload
    def __getitem__(self, index: slice) -> Suite: ...

    def __getitem__(self, index: int | slice) -> Check | Suite:
        if isinstance(index, slice):
            return Suite(self._checks[index])
        return self._checks[index]

    def __len__(self) -> int:
        return len(self._checks)

    def __iter__(self) -> Iterator[Check]:
        return iter(self._checks)

    def run(self) -> Report:
        """Run all, whatever happens."""
        report = Report()
        for check in self:
            try:
                check()
                report.passed.append(check.name)
            except NotOffered as reason:
                report.not_offered[check.name] = str(reason)
            except AssertionError as error:
                report.failed[check.name] = str(error)
        return report


def posix(fs_factory: Callable[[], object], **options: Any) -> Suite:
    """The suite for what fs_factory makes: it is called once for each check.

    It returns an empty file system, a Client, or a context manager of one of them. options are
    those of Client. A check of something that the file system lacks raises NotOffered; the checks
    run as the caller, best as root.
    """
    return Suite(
        [
            Check(run.__name__, " ".join((run.__doc__ or "").split()), run, fs_factory, options)
            for run in [*CHECKS, *FILE_CHECKS]
        ]
    )
