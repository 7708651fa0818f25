# SPDX-License-Identifier: BSD-3-Clause
"""The command line when something is missing: one clear line, exit code 1."""
from __future__ import annotations

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys

import libfb
import pytest
from programs import HELLO, SECONDS, Program, is_mounted, needs_mount


def _fails(*arguments: str, code: int = 1, **more: str) -> str:
    """Run it; return what it says on standard error."""
    with Program("-m", "libfb", *arguments, **more) as program:  # type: ignore[arg-type]
        assert program.end() == code, program.err
        assert program.line() == ""
        return program.err


def _one_line(*arguments: str, **more: str) -> str:
    err = _fails(*arguments, **more)
    assert err.startswith("libfb: ") and err.count("\n") == 1, err
    return err.removeprefix("libfb: ").rstrip("\n")


@pytest.fixture(name="place")
def _place(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with notes.py and a folder to mount on."""
    (tmp_path / "notes.py").write_text(HELLO + "class Other:\n    pass\nnumber = 3\n"
                                       "def make(): return number\n"
                                       "class Half(libfb.NodeFS):\n    pass\n")
    (tmp_path / "point").mkdir()
    return tmp_path


@pytest.mark.parametrize("target, text", [
    ("{0}/nope.py:X", "{0}/nope.py does not exist"),
    ("no_such_module:X", "there is no module 'no_such_module'; the current directory is not "
     "searched: name a file, as in ./notes.py:Notes"),
    ("json.nope:X", "there is no module 'json.nope'"),
    ("{0}/notes.py:Nope", "{0}/notes.py has no 'Nope'; it has Hello, Half"),
    ("{0}/notes.py", "say which class of {0}/notes.py: {0}/notes.py:NAME; it has Hello, Half"),
    ("{0}/notes.py:Other", "{0}/notes.py:Other is no file system: it derives from neither "
     "libfb.PathFS nor libfb.NodeFS nor libfb.Passthrough"),
    ("{0}/notes.py:number", "{0}/notes.py:number is no file system, but 3"),
    ("{0}/notes.py:make", "{0}/notes.py:make returned no file system, but 3"),
    ("{0}/notes.py:Half", "Half needs lookup()"),
])
def test_targets(place: pathlib.Path, target: str, text: str) -> None:
    said = _one_line(target.format(place), f"{place}/point")
    assert said.startswith(text.format(place)), said
    assert not is_mounted(place / "point")


def test_constructor_arguments(place: pathlib.Path) -> None:
    said = _one_line(f"{place}/notes.py:Hello", f"{place}/point", "--arg", "size=3")
    assert "unexpected keyword argument 'size'" in said and "--arg name=value" in said


@pytest.mark.parametrize("more, text", [
    ("{0}/none", "mountpoint {0}/none does not exist; make it with mkdir"),
    ("{0}/notes.py", "mountpoint {0}/notes.py is not a directory"),
    ("{0}/notes.py/x", "mountpoint {0}/notes.py/x: a part of the path is not a directory"),
    ("{0}/point -o bogus", 'unknown mount option "bogus"'),
    ("--vhost-user {0}/none/s", "{0}/none/s: there is no directory {0}/none"),
    ("--vhost-user {0}/notes.py", "{0}/notes.py exists and is not a socket"),
])
def test_places(place: pathlib.Path, more: str, text: str) -> None:
    assert _one_line(f"{place}/notes.py:Hello", *more.format(place).split()) == text.format(place)


def test_socket_in_use(place: pathlib.Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(f"{place}/s")
        other.listen()
        said = _one_line(f"{place}/notes.py:Hello", "--vhost-user", f"{place}/s")
    assert said == f"{place}/s is in use: another program listens there"


@pytest.mark.parametrize("arguments", [
    "x:Y", "x:Y /a --vhost-user /b", "x:Y /a --tag t", "x:Y --vhost-user /b -o ro",
    "x:Y /a --arg 3", "x:Y /a --workers 0", "x:Y /a --daemon -f", "x:Y /a --daemon --pdb",
    "x:Y --vhost-user /b --group no_such_group", ""])
def test_usage(arguments: str) -> None:
    assert "error: " in _fails(*arguments.split(), code=2)


def test_debugger_without_terminal(place: pathlib.Path) -> None:
    said = _one_line(f"{place}/notes.py:Hello", f"{place}/point", "--pdb")
    assert said == "--pdb needs a terminal"


@pytest.mark.parametrize("code, text", [
    ("import no_such_thing\n", "ModuleNotFoundError: No module named 'no_such_thing'"),
    ("def f(:\n", "SyntaxError: invalid syntax"),
    ("def f(): return 1 / 0\nf()\n", "ZeroDivisionError: division by zero")])
def test_import_error(tmp_path: pathlib.Path, code: str, text: str) -> None:
    (tmp_path / "bad.py").write_text(code)
    err = _fails(f"{tmp_path}/bad.py:X", "/mnt")
    assert "bad.py" in err and text in err
    assert "importlib" not in err and "target.py" not in err and "runpy" not in err
    assert err.splitlines()[-1].startswith(f"libfb: {tmp_path}/bad.py can not be imported: ")


@pytest.mark.parametrize("method, text", [
    ("__init__", "{0}/bad.py:Bad can not be made: RuntimeError: no database"),
    ("init", "Bad can not start: RuntimeError: no database")])
@needs_mount
def test_start_error(place: pathlib.Path, method: str, text: str) -> None:
    (place / "bad.py").write_text(
        "import libfb\nclass Bad(libfb.PathFS):\n    def getattr(self, path): ...\n"
        f"    def {method}(self, *args):\n        raise RuntimeError('no database')\n")
    err = _fails(f"{place}/bad.py", f"{place}/point")
    assert err.splitlines()[-1] == "libfb: " + text.format(place)
    assert "target.py" not in err and "_server.py" not in err and f"in {method}" in err
    assert not is_mounted(place / "point")


@needs_mount
def test_stale(place: pathlib.Path) -> None:
    arguments = [f"{place}/notes.py:Hello", f"{place}/point"]
    with Program("-m", "libfb", *arguments, mountpoint=place / "point") as program:
        program.line()
        assert program.end(signal.SIGKILL) == -signal.SIGKILL
        assert "start with --replace" in _one_line(*arguments)
        with Program("-m", "libfb", *arguments, "--replace", mountpoint=place / "point") as second:
            second.line()
            assert (place / "point" / "hello").read_text() == "hi\n"
            assert second.end(signal.SIGTERM) == 0
        assert not is_mounted(place / "point")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to hide /dev/fuse")
def test_no_device(place: pathlib.Path) -> None:
    script = 'mount -t tmpfs none /dev && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-m", "libfb",
               f"{place}/notes.py:Hello", f"{place}/point"]
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace can be made")
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("libfb: there is no /dev/fuse; load the kernel module with ")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_no_fusermount(place: pathlib.Path) -> None:
    if not shutil.which("setpriv"):
        pytest.skip("there is no setpriv")
    for folder in (place, *list(place.parents)[:-1]):
        if not folder.stat().st_mode & 0o005:
            folder.chmod(0o755)
    os.chown(place / "point", 65534, 65534)
    hide = 'for f in /usr/bin/fusermount3 /bin/fusermount3; do [ ! -e $f ] || ' \
           'mount --bind /dev/null $f; done; exec setpriv --reuid 65534 --regid 65534 ' \
           '--clear-groups "$@"'
    command = ["unshare", "-m", "sh", "-c", hide, "sh", sys.executable, "-m", "libfb",
               f"{place}/notes.py:Hello", f"{place}/point"]
    package = pathlib.Path(libfb.__file__).parent
    reachable = subprocess.run(["setpriv", "--reuid", "65534", "test", "-r", str(package)],
                               check=False)
    if reachable.returncode or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("another user can not reach the build, or no mount namespace can be made")
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, cwd="/",
                          check=False)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == (f"libfb: can not mount {place}/point: only root can mount without "
                           "fusermount3; install the package fuse3\n")
