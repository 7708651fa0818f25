# SPDX-License-Identifier: BSD-3-Clause
"""Many file systems mounted below the source: all reachable, told apart, and let go of."""
import contextlib
import ctypes
import errno
import os

import pytest

from fixtures import MNT_DETACH, host, needs_root, serve, tidy, umount  # noqa: F401

pytestmark = needs_root

MS_BIND, MS_PRIVATE = 0x1000, 1 << 18
# Descriptors of a server whose client knows nothing but the root, and some spare.
LEAST = 20

libc = ctypes.CDLL(None, use_errno=True)


def mount(source, target, kind=None, flags=0, data=None):
    """mount(2), of which a thousand are to be made."""
    words = [os.fsencode(word) if word else None for word in (source, target, kind, data)]
    if libc.mount(*words[:3], ctypes.c_ulong(flags), words[3]) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


@pytest.fixture
def grove(host):
    """A source whose mounts nobody else gets to see, all undone at the end in one step."""
    path = host.tmpfs()
    mount(None, path, flags=MS_PRIVATE)
    yield path
    umount(path, MNT_DETACH)


def flags_of(server):
    """The flags of the server's descriptors, as in /proc/PID/fdinfo, less those that it was started with."""
    folder = f"/proc/{server.pid}/fdinfo"
    for name in os.listdir(folder):
        if int(name) > 2:
            with contextlib.suppress(FileNotFoundError), open(os.path.join(folder, name)) as lines:
                yield next(int(line.split()[1], 8) for line in lines if line.startswith("flags:"))


def test_thousand_bind_mounts(grove, serve):
    """Each is walked: the descriptors stay below the limit, and none is left afterwards."""
    limit, count, files = 4096, 1000, 5
    real = grove / "real"
    real.mkdir()
    for number in range(files):
        (real / f"file{number}").write_text(f"text {number}")
    for number in range(count):
        (grove / f"bind{number}").mkdir()
        mount(real, grove / f"bind{number}", flags=MS_BIND)
    server = serve("--inode-file-handles=mandatory", f"--rlimit-nofile={limit}", source=grove)
    assert len(os.listdir(server.path)) == count + 1  # the first listing opens the table of mounts
    server.wait_held(LEAST)
    pins, most = [], 0
    for number in range(count):
        folder = server.path / f"bind{number}"
        assert len(os.listdir(folder)) == files, folder
        for name in range(files):
            assert (folder / f"file{name}").read_text() == f"text {name}"
        if number % 2:  # whatever else the client forgets, not these
            pins.append(os.open(folder, os.O_PATH))
        if number % 100 == 99:
            most = max(most, server.held())
    # Each mount needs a descriptor; of the nodes, more than the limit allows, some have to be closed.
    assert count // 2 < most < limit
    assert all(flags & os.O_CLOEXEC for flags in flags_of(server))
    # One file through all of them, and what crosses them.
    (server.path / "bind7" / "file0").write_text("changed")
    assert (server.path / "bind999" / "file0").read_text() == "changed"
    for change in (os.rename, os.link):
        with pytest.raises(OSError) as caught:
            change(server.path / "bind7" / "file0", server.path / "bind8" / "new")
        assert caught.value.errno == errno.EXDEV
    for pin in pins:
        os.close(pin)
    server.wait_held(LEAST)
    # No mount is held any more, though the server goes on.
    for number in range(0, count, 40):
        assert umount(grove / f"bind{number}") == 0, number
        assert os.listdir(server.path / f"bind{number}") == []
    assert server.stop() == 0


def plant(grove, count, what):
    """Mount this many tmpfs at once; all of them have the same inode numbers in them."""
    mount("none", grove / "all", "tmpfs", data="size=1m,mode=755")
    for number in range(count):
        place = grove / "all" / f"{number}"
        place.mkdir()
        mount("none", place, "tmpfs", data="size=64k,mode=755")
        (place / "file").write_text(f"{what} {number}")
    places = [grove / "all" / f"{number}" for number in range(count)]
    assert len({(place / "file").stat().st_ino for place in places}) == 1
    return places


@pytest.mark.parametrize("handles", ["prefer", "never"])
def test_hundreds_of_file_systems(grove, serve, handles):
    """At once, then others at the same places while the first ones are still in use."""
    count = 300
    (grove / "all").mkdir()
    plant(grove, count, "first")
    server = serve(f"--inode-file-handles={handles}", "--cache=never", source=grove)

    def check(what):
        shown = [server.path / "all" / f"{number}" for number in range(count)]
        for number, place in enumerate(shown):
            assert (place / "file").read_text() == f"{what} {number}"
            (place / "own").write_text(f"own {what} {number}")
        for number, place in enumerate(shown):
            assert sorted(os.listdir(place)) == ["file", "own"]
            assert (grove / "all" / f"{number}" / "own").read_text() == f"own {what} {number}"
        return shown

    old = [open(place / "file") for place in check("first")]
    assert umount(grove / "all", MNT_DETACH) == 0
    assert os.listdir(server.path / "all") == []
    plant(grove, count, "second")
    check("second")
    for number, file in enumerate(old):
        assert file.read() == f"first {number}"
        file.close()
    server.wait_held(LEAST)
    for number in range(0, count, 30):
        assert umount(grove / "all" / f"{number}") == 0, number
    assert umount(grove / "all", MNT_DETACH) == 0
    # Numbers of mounts and of devices are free again, and used by the next ones.
    plant(grove, count, "third")
    check("third")


def test_flush_by_mount(grove, serve):
    """What is written is flushed at close(2) where that may bring news, which each mount decides."""
    below, parts = grove / "below", [grove / name for name in ("lower", "upper", "work")]
    for folder in (below, *parts):
        folder.mkdir()
    lower, upper, work = parts
    mount("overlay", below, "overlay", data=f"lowerdir={lower},upperdir={upper},workdir={work}")
    server = serve(source=grove)
    for number in range(3):
        (server.path / f"file{number}").write_text("tmpfs says all there is to say at fsync")
    assert server.statistics().get("FLUSH", 0) == 0
    for number in range(3):
        (server.path / "below" / f"file{number}").write_text("overlayfs may not")
    assert server.statistics()["FLUSH"] == 3
    (server.path / "file0").write_text("again")
    assert server.statistics()["FLUSH"] == 3
