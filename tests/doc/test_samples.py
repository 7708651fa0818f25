# SPDX-License-Identifier: BSD-3-Clause
"""The samples of the manual do what its pages say of them, and so do the commands of its tutorials."""
import importlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from pages import BLOCKS, BUILD, DOC, SOURCE
from served import Served, is_mounted, needs_mount, unmount

SAMPLES = DOC / "samples"
SANITIZED = bool(os.environ.get("FB_SANITIZE"))


@pytest.fixture(name="place")
def _place(tmp_path):
    place = tmp_path / "mnt"
    place.mkdir()
    return place


@pytest.fixture(name="sample")
def _sample(monkeypatch):
    """sample(name): a Python sample, imported with the package that was built."""
    if not list((BUILD / "py" / "libfb").glob("_fbc.*.so")):
        pytest.skip("the Python binding is not built (SWIG 4.1, Python's headers)")
    if SANITIZED:
        pytest.skip("the interpreter has no sanitizer")
    monkeypatch.syspath_prepend(BUILD / "py")
    monkeypatch.syspath_prepend(SAMPLES)
    yield importlib.import_module
    for name in ("hello", "shelf1", "shelf2"):
        sys.modules.pop(name, None)


def test_every_sample_is_run():
    """Each file in samples is named by a test or by a command that one runs, and shown by a page."""
    tests = "".join(path.read_text(encoding="utf-8")
                    for path in pathlib.Path(__file__).parent.glob("test_*.py"))
    tests += "".join(script(page, "") for page in TOLD)
    shown = {pathlib.Path(block.argument).name for block in BLOCKS
             if block.kind == "{literalinclude}"}
    found = [path for path in SAMPLES.rglob("*.*") if path.suffix in (".c", ".py")]
    assert len(found) >= 8
    for path in found:
        assert re.search(rf"\b{path.stem}\b", tests), f"nothing runs {path.name}"
        assert path.name in shown, f"no page shows {path.name}"


# ---- C -------------------------------------------------------------------------------------------


def test_an_empty_directory(place):
    with Served(place, BUILD / "samples" / "shelf1") as shelf:
        assert os.listdir(shelf) == []
        with pytest.raises(PermissionError):
            os.mkdir(shelf / "folder")


def test_files_to_read(place):
    with Served(place, BUILD / "samples" / "shelf2") as shelf:
        assert sorted(os.listdir(shelf)) == ["answer", "hello"]
        assert (shelf / "hello").read_text() == "Hello, world!\n"
        assert os.stat(shelf / "answer").st_size == 3
        with open(shelf / "hello", "rb") as file:
            assert os.pread(file.fileno(), 5, 7) == b"world"
            assert os.pread(file.fileno(), 5, 100) == b""
        with pytest.raises(FileNotFoundError):
            os.stat(shelf / "other")


def work(shelf):
    """What one does with a few files."""
    (shelf / "list").write_text("milk\n")
    with open(shelf / "list", "a") as file:
        file.write("eggs\n")
    os.rename(shelf / "list", shelf / "shopping")
    assert os.listdir(shelf) == ["shopping"]
    assert (shelf / "shopping").read_text() == "milk\neggs\n"
    os.truncate(shelf / "shopping", 4)
    os.chmod(shelf / "shopping", 0o600)
    os.utime(shelf / "shopping", ns=(1_000, 2_000_000_000))
    stat = os.stat(shelf / "shopping")
    assert (stat.st_size, stat.st_mode, stat.st_mtime_ns) == (4, 0o100600, 2_000_000_000)
    with open(shelf / "shopping", "rb") as file:
        os.remove(shelf / "shopping")
        assert os.listdir(shelf) == [] and file.read() == b"milk"
    (shelf / "a").write_text("a")
    (shelf / "b").write_text("b")
    os.replace(shelf / "a", shelf / "b")
    assert (shelf / "b").read_text() == "a" and os.listdir(shelf) == ["b"]


def test_files_to_write(place):
    with Served(place, BUILD / "samples" / "shelf3") as shelf:
        work(shelf)
        for i in range(300):  # more than one listing holds; places are used again
            (shelf / f"file with a longer name {i}").write_bytes(b"x" * i)
        assert len(os.listdir(shelf)) == 301
        for i in range(300):
            os.remove(shelf / f"file with a longer name {i}")
        assert os.listdir(shelf) == ["b"]


def test_a_test_without_a_mount():
    done = subprocess.run([BUILD / "samples" / "shelf_test"], check=True, capture_output=True,
                          text=True)
    assert done.stdout == "shelf_test: ok\n"


# ---- Python --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, cls, names", [("hello", "Hello", ["hello"]),
                                              ("shelf1", "Shelf", ["hello", "answer"])])
def test_python_to_read(sample, name, cls, names):
    filesystem = getattr(sample(name), cls)()
    with sample("libfb.testing").Client(filesystem) as client:
        assert client.listdir("/") == names
        assert client.read_bytes("/hello") == b"Hello, world!\n"
        assert client.stat("/hello").st_size == 14
        with pytest.raises(FileNotFoundError):
            client.stat("/other")


def test_python_to_write(sample, place):
    needs_mount()
    libfb = sample("libfb")
    with libfb.mount(sample("shelf2").Shelf(), place):
        subprocess.run([sys.executable, "-c", f"import pathlib, sys; sys.path[:0] = {sys.path[:8]}\n"
                        "from test_samples import work; work(pathlib.Path(sys.argv[1]))", place],
                       check=True, timeout=60)


# ---- the commands of the tutorials ------------------------------------------------------------------

TOLD = {
    "tutorial-c.md": ["Hello, world!", "milk\neggs", "shelf_test: ok"],
    "tutorial-python.md": ["Hello, world!", "milk\neggs", "2 passed"],
    "quickstart.md": ["hello\n", "Hello, world!"],
}


# Servers end with their mounts; but a mount lives on where somebody has copied this mount namespace.
END = "kill $(jobs -p) 2>/dev/null || true\nwait\n"


def script(page, folder):
    """The commands of a page that end by themselves, with a folder of the test in place of /tmp."""
    text = "".join(block.body for block in BLOCKS
                   if block.page.name == page and block.kind == "sh"
                   and (page.startswith("tutorial") or "umount" in block.body))
    text = text.replace("/tmp/", f"{folder}/tmp/").replace("python3", sys.executable)
    return text if os.geteuid() == 0 else text.replace("umount", "fusermount3 -u")


@pytest.mark.parametrize("page", TOLD)
def test_commands(page, tmp_path, sample):
    needs_mount()
    assert sample("libfb")
    shutil.copytree(SAMPLES, tmp_path / "work")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "libfb.pc").write_text(
        f"Name: libfb\nDescription: built\nVersion: 0\nCflags: -I{SOURCE}/libfb/include\n"
        f"Libs: -L{BUILD}/lib -lfb -Wl,-rpath,{BUILD}/lib\n")
    environment = {**os.environ, "PATH": f"{BUILD}/bin:{os.environ['PATH']}",
                   "PKG_CONFIG_PATH": str(tmp_path), "PYTHONPATH": f"{BUILD}/py",
                   "PYTHONSAFEPATH": "1" if page == "quickstart.md" else ""}
    try:
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", script(page, tmp_path) + END],
                              cwd=tmp_path / "work", env=environment, capture_output=True,
                              text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        for text in TOLD[page]:
            assert text in done.stdout
    finally:
        for place in (tmp_path / "tmp").iterdir():
            if is_mounted(place):
                unmount(place)
