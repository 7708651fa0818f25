# SPDX-License-Identifier: BSD-3-Clause
"""The package's types, as mypy and stubtest see them."""

import importlib
import importlib.util
import os
import pathlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator

import libfb
import pytest

HERE = pathlib.Path(__file__).parent
#: The folder that holds the package, as built.
BUILT = pathlib.Path(libfb.__file__).parents[1]

pytestmark = pytest.mark.skipif(importlib.util.find_spec("mypy") is None,
                                reason="mypy is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Where mypy keeps what it has learnt."""
    return tmp_path_factory.mktemp("mypy")


def run(folder: pathlib.Path, module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a program of mypy's on the package as built."""
    environment = os.environ | {"MYPYPATH": str(BUILT), "PYTHONPATH": str(BUILT),
                                "MYPY_CACHE_DIR": str(folder / "cache")}
    return subprocess.run([sys.executable, "-m", module, *map(str, arguments)], cwd=folder,
                          env=environment, capture_output=True, text=True, timeout=300)


def strict(folder: pathlib.Path, *what: object) -> subprocess.CompletedProcess[str]:
    """mypy --strict, without the machine's settings. Which "type: ignore" is needed, and by which
    name, is different from one mypy to the next."""
    return run(folder, "mypy", "--strict", "--no-warn-unused-ignores", "--config-file=",
               "--show-error-codes", "--no-pretty", "--no-color-output", *what)


def test_the_package_is_strictly_typed(folder: pathlib.Path) -> None:
    done = strict(folder, "-p", "libfb")
    assert done.returncode == 0, done.stdout + done.stderr


def foreign() -> Iterator[str]:
    """What modules in Python import from elsewhere: typeshed's description of that is not ours."""
    for info in pkgutil.walk_packages(libfb.__path__, "libfb."):
        if info.name in ("libfb.__main__", "libfb._swig", "libfb._fbc"):
            continue
        for name, value in vars(importlib.import_module(info.name)).items():
            home = getattr(value, "__module__", None) or "libfb"
            if home.split(".")[0] != "libfb":
                yield re.escape(f"{info.name}.{name}") + r"(\..*)?"


def test_stubs_say_what_is_there(folder: pathlib.Path) -> None:
    imported = folder / "imported.txt"
    imported.write_text("\n".join(foreign()), encoding="utf-8")
    done = run(folder, "mypy.stubtest", "libfb", "--ignore-unused-allowlist", "--allowlist",
               HERE / "stubtest_allowlist.txt", "--allowlist", imported)
    assert done.returncode == 0, done.stdout + done.stderr


def test_users_code_passes(folder: pathlib.Path) -> None:
    done = strict(folder, HERE / "typing_sample.py")
    assert done.returncode == 0, done.stdout + done.stderr


def test_users_mistakes_are_found(folder: pathlib.Path) -> None:
    source = HERE / "typing_mistakes.py"
    done = strict(folder, source)
    found = {(int(line), code) for line, code in
             re.findall(r"^.*?:(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.M)}
    expected = {(number, line.split("# E: ")[1]) for number, line in
                enumerate(source.read_text(encoding="utf-8").splitlines(), 1) if "# E: " in line}
    assert found == expected, done.stdout + done.stderr
