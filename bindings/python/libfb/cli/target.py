# SPDX-License-Identifier: BSD-3-Clause
"""From ``file.py:Class`` to a file system."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from types import ModuleType
from typing import Any

from .._fs import FileSystem
from .errors import Terminated, UserError, in_short


def split(text: str) -> tuple[str, str]:
    """Module or file, and the name in it ("" when none is given)."""
    where, colon, name = text.rpartition(":")
    return (where, name) if colon and "/" not in name else (text, "")


def is_file(where: str) -> bool:
    """Whether a file is meant, and no module."""
    return where.endswith(".py") or "/" in where


class Target:
    """What is to be served. `module` is set once it has been imported."""

    def __init__(self, text: str, arguments: dict[str, Any]) -> None:
        self.where, self.name = split(text)
        self.arguments = arguments
        self.module: ModuleType | None = None
        if is_file(self.where):
            self.where = os.path.abspath(self.where)

    def load(self) -> Any:
        """Import the module and find the class, function or object. Raises UserError."""
        self.module = self._import_file() if is_file(self.where) else self._import_module()
        return self._find(self.module)

    def make(self, found: Any) -> FileSystem:
        """The file system: what was found, or what it returns. Raises UserError."""
        if isinstance(found, FileSystem):
            if self.arguments:
                raise UserError(f"{self._label()} is an object already: --arg is for classes")
            return found
        if inspect.isclass(found) and not issubclass(found, FileSystem):
            raise UserError(f"{self._label()} is no file system: it derives from neither "
                            "libfb.PathFS nor libfb.NodeFS nor libfb.Passthrough")
        if not callable(found):
            raise UserError(f"{self._label()} is no file system, but {found!r:.60}")
        fs = self._call(found)
        if not isinstance(fs, FileSystem):
            raise UserError(f"{self._label()} returned no file system, but {fs!r:.60}")
        return fs

    def _label(self) -> str:
        return f"{self.where}:{self.name}" if self.name else self.where

    def _call(self, found: Any) -> Any:
        try:
            inspect.signature(found).bind(**self.arguments)
        except TypeError as error:
            raise UserError(f"{self._label()}: {error}; arguments are given by --arg name=value") \
                from None
        except ValueError:
            pass  # of a builtin: it says so itself
        try:
            return found(**self.arguments)
        except Exception as error:
            raise UserError(f"{self._label()} can not be made: {in_short(error)}", error) from None

    # ---- imports ----

    def _import_file(self) -> ModuleType:
        if not os.path.exists(self.where):
            raise UserError(f"{self.where} does not exist")
        name = os.path.splitext(os.path.basename(self.where))[0]
        if name in sys.modules or not name.isidentifier():
            name = f"_libfb_target_{name}"
        spec = importlib.util.spec_from_file_location(name, self.where)
        if spec is None or spec.loader is None:
            raise UserError(f"{self.where} is no Python file")
        folder = os.path.dirname(self.where)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException as error:
            del sys.modules[name]
            self._failed(error)
        return module

    def _import_module(self) -> ModuleType:
        try:
            return importlib.import_module(self.where)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if self.where == missing or self.where.startswith(missing + "."):
                hint = "" if os.getcwd() in sys.path or "" in sys.path else \
                    "; the current directory is not searched: name a file, as in ./notes.py:Notes"
                raise UserError(f"there is no module {missing!r}{hint}") from None
            self._failed(error)
        except (TypeError, ValueError):
            raise UserError(f"{self.where!r} is no name of a module") from None
        except BaseException as error:
            self._failed(error)
        raise AssertionError("not reached")

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, (KeyboardInterrupt, Terminated)):
            raise error
        raise UserError(f"{self.where} can not be imported: {in_short(error)}", error) from None

    def _find(self, module: ModuleType) -> Any:
        if self.name:
            found: Any = module
            for part in self.name.split("."):
                found = getattr(found, part, None)
            if found is None:
                raise UserError(f"{self.where} has no {self.name!r}{self._candidates(module)}")
            return found
        classes = _classes(module)
        if len(classes) != 1:
            raise UserError(f"say which class of {self.where}: {self.where}:NAME"
                            f"{self._candidates(module)}")
        self.name = classes[0].__name__
        return classes[0]

    def _candidates(self, module: ModuleType) -> str:
        names = ", ".join(cls.__name__ for cls in _classes(module))
        return f"; it has {names}" if names else ""


def _classes(module: ModuleType) -> list[type[FileSystem]]:
    """The file systems that a module defines itself."""
    return [value for value in vars(module).values()
            if inspect.isclass(value) and issubclass(value, FileSystem)
            and value.__module__ == module.__name__]
