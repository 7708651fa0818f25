# SPDX-License-Identifier: BSD-3-Clause
"""Kernel passthrough: data goes past the server where kernel and source allow it."""
import fcntl
import mmap
import os
import random

import pytest

from fixtures import host, needs_root, run, serve, tidy, wait_until  # noqa: F401
from trees import assert_same, make_tree

pytestmark = needs_root

MIB = 1 << 20
PAGE = 4096


def data_requests(server):
    statistics = server.statistics()
    return statistics.get("READ", 0) + statistics.get("WRITE", 0)


def kernel_has_passthrough():
    version = tuple(int(n) for n in os.uname().release.split("-")[0].split(".")[:2])
    if version < (6, 9):
        return False
    for path in ("/proc/config.gz", f"/boot/config-{os.uname().release}"):
        if os.path.exists(path):
            text = run("zgrep" if path.endswith("gz") else "grep", "-c", "^CONFIG_FUSE_PASSTHROUGH=y", path, ok=False)
            return text.stdout.strip() == "1"
    return True


@pytest.fixture
def serve_past(serve):
    """serve_past(source): a mount whose data goes past the server."""
    if not kernel_has_passthrough():
        pytest.skip(f"Linux {os.uname().release} has no FUSE passthrough")
    return lambda source=None: serve("--kernel-passthrough", source=source)


@pytest.fixture
def past(serve_past):
    return serve_past()


def some_bytes(size, seed=1):
    return random.Random(seed).randbytes(size)


def work_on_a_file(folder):
    """Write, read, map, append, truncate; returns what the file must hold."""
    content = bytearray(some_bytes(MIB))
    path = folder / "file"
    path.write_bytes(content)
    with open(path, "r+b") as file:
        assert file.read() == content
        with mmap.mmap(file.fileno(), 0) as mapping:
            assert mapping[:] == content
            mapping[100:200] = b"m" * 100
            mapping.flush()
        content[100:200] = b"m" * 100
        os.pwrite(file.fileno(), b"p" * 5000, 70000)
        content[70000:75000] = b"p" * 5000
    with open(path, "ab") as file:
        file.write(b"appended")
    content += b"appended"
    os.truncate(path, len(content) - 4)
    del content[-4:]
    assert path.read_bytes() == content
    return bytes(content)


def test_data_goes_past_the_server(past):
    content = work_on_a_file(past.path)
    assert (past.source / "file").read_bytes() == content
    # The descriptor with O_APPEND, which wrote once, is the one that goes through the server.
    assert past.statistics().get("READ", 0) == 0, past.statistics()
    assert past.statistics().get("WRITE", 0) == 1, past.statistics()
    assert past.statistics().get("OPEN", 0) > 0


def test_append_ends_with_its_flag(past):
    """The kernel's own descriptor would go on appending after F_SETFL took O_APPEND away."""
    path = past.path / "file"
    path.write_bytes(b"text")
    file = os.open(path, os.O_WRONLY | os.O_APPEND)
    fcntl.fcntl(file, fcntl.F_SETFL, 0)
    os.pwrite(file, b"T", 0)
    os.close(file)
    assert path.read_bytes() == b"Text"


def test_set_id_bits_are_cleared_by_others(past):
    """The kernel would write with the server's rights, and keep them."""
    path = past.path / "file"
    path.write_bytes(b"text")
    os.chmod(path, 0o6777)
    child = os.fork()
    if child == 0:
        os.setresuid(65534, 65534, 65534)
        try:
            path.open("r+b").write(b"T")
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.stat(path).st_mode & 0o7777 == 0o777
    assert (past.source / "file").stat().st_mode & 0o7777 == 0o777


def test_off_means_through_the_server(serve):
    """The control: without kernel passthrough the server sees the data."""
    server = serve("--no-kernel-passthrough")
    content = work_on_a_file(server.path)
    assert (server.source / "file").read_bytes() == content
    assert data_requests(server) > 0


def direct(path, flags=os.O_RDWR):
    return os.open(path, flags | os.O_DIRECT)


def aligned(data):
    memory = mmap.mmap(-1, len(data))
    memory[:] = data
    return memory


@pytest.mark.parametrize("options", [("--kernel-passthrough",), ("--no-kernel-passthrough",), ("--cache=never",)], ids=" ".join)
def test_one_file_in_every_way(serve, options):
    """O_DIRECT, mappings, plain and append descriptors on one file at once see each other's data."""
    server = serve(*options)
    path = server.path / "file"
    content = bytearray(some_bytes(64 * PAGE))
    path.write_bytes(content)
    plain, other = os.open(path, os.O_RDWR), os.open(path, os.O_RDONLY)
    straight, append = direct(path), os.open(path, os.O_WRONLY | os.O_APPEND)
    mapping = mmap.mmap(plain, len(content))
    draw = random.Random(3)
    for turn in range(60):
        page = draw.randrange(64) * PAGE
        data = some_bytes(PAGE, turn)
        way = turn % 4
        if way == 0:
            os.pwrite(plain, data, page)
        elif way == 1:
            os.fsync(plain)
            os.pwritev(straight, [aligned(data)], page)
        elif way == 2:
            mapping[page : page + PAGE] = data
            mapping.flush()
        else:
            os.write(append, data)
            os.ftruncate(plain, 64 * PAGE)
            data = content[page : page + PAGE]
        content[page : page + PAGE] = data
        assert os.pread(other, PAGE, page) == data, f"turn {turn}"
        memory = mmap.mmap(-1, PAGE)
        assert os.preadv(straight, [memory], page) == PAGE and memory[:] == data, f"turn {turn}, O_DIRECT"
    mapping.close()
    for file in (plain, other, straight, append):
        os.close(file)
    assert path.read_bytes() == content == (server.source / "file").read_bytes()


def test_descriptor_outlives_name(past):
    """Open twice, unlink, recreate: each descriptor keeps to its own file."""
    path = past.path / "file"
    path.write_bytes(b"first")
    one = os.open(path, os.O_RDWR)
    path.unlink()
    path.write_bytes(b"second")
    two = os.open(path, os.O_RDWR)
    assert os.pread(one, 100, 0) == b"first" and os.pread(two, 100, 0) == b"second"
    os.pwrite(one, b"FIRST", 0)
    assert os.pread(two, 100, 0) == b"second" and os.pread(one, 100, 0) == b"FIRST"
    os.close(one)
    os.close(two)
    assert data_requests(past) == 0


def test_size_and_times_follow(past):
    """Attributes that the kernel remembers follow what is written past the server."""
    path = past.path / "file"
    path.touch()
    os.utime(path, ns=(1, 1))
    with open(path, "r+b") as file:
        file.write(b"x" * 12345)
        file.flush()
        assert os.fstat(file.fileno()).st_size == 12345
        assert path.stat().st_size == 12345
        assert path.stat().st_mtime_ns == (past.source / "file").stat().st_mtime_ns > 1
        assert path.stat().st_blocks == (past.source / "file").stat().st_blocks


def test_host_and_client_share_the_data(past):
    """Data past the server comes from the source's own page cache: no invalidation is needed."""
    path = past.path / "file"
    (past.source / "file").write_bytes(b"a" * PAGE)
    file = os.open(path, os.O_RDWR)
    for turn in range(50):
        with open(past.source / "file", "r+b") as outside:
            outside.write(b"%c" % (turn + 33) * PAGE)
        assert os.pread(file, PAGE, 0) == b"%c" % (turn + 33) * PAGE
        os.pwrite(file, b"in", 10)
        assert (past.source / "file").read_bytes()[10:12] == b"in"
    os.close(file)


@pytest.mark.parametrize("others", [(), ("--stateless-opendir",)], ids=["", "stateless-opendir"])
def test_cache_and_file_do_not_part(serve, others):
    """With cache=always small files are read from the cache again; what is written past it counts at once."""
    if not kernel_has_passthrough():
        pytest.skip(f"Linux {os.uname().release} has no FUSE passthrough")
    server = serve("--cache=always", "--kernel-passthrough", *others)
    path = server.path / "file"
    rounds = random.Random(1)
    content = bytearray(b"0" * 3 * PAGE)
    path.write_bytes(content)
    held, mapping = None, None
    for turn in range(300):
        assert path.read_bytes() == content, turn
        if held is None and rounds.random() < 0.3:  # a reader stays, by descriptor and by mapping
            held = os.open(path, os.O_RDONLY)
            mapping = mmap.mmap(held, len(content), prot=mmap.PROT_READ)
        elif held is not None and rounds.random() < 0.3:
            mapping.close()
            os.close(held)
            held = None
        at = rounds.randrange(len(content) - 8)
        with open(path, "r+b", buffering=0) as file:
            for value in (b"%08d" % turn, b"%-8d" % turn):
                os.pwrite(file.fileno(), value, at)
                content[at : at + 8] = value
                assert path.read_bytes() == content, turn
                assert held is None or os.pread(held, len(content), 0) == content
                assert held is None or mapping[:] == content
            if rounds.random() < 0.2:
                with mmap.mmap(file.fileno(), len(content)) as shared:
                    shared[at : at + 4] = content[at : at + 4] = b"mmap"
                    assert path.read_bytes() == content, turn
    assert server.statistics()["READ"] > 0, "nothing was ever read through the cache"
    assert (server.source / "file").read_bytes() == content


def test_backing_files_are_given_back(past):
    """Open and close very often: nothing is left in the server."""
    base = past.held()
    for number in range(3000):
        (past.path / f"file{number % 7}").write_bytes(b"x")
    past.wait_held(base + 8)


def test_files_without_a_name_are_given_back(host, serve_past):
    """O_TMPFILE: the data goes past the server, and the file's space is free once it is closed."""
    source = host.tmpfs()
    server = serve_past(source)

    def free():
        now = os.statvfs(source)
        return now.f_ffree, now.f_bfree

    before = free()
    folder = os.open(server.path, os.O_RDONLY | os.O_DIRECTORY)
    for number in range(200):
        file = os.open(server.path, os.O_TMPFILE | os.O_RDWR)
        data = b"%d" % number * PAGE
        os.write(file, data)
        assert os.pread(file, len(data), 0) == data
        if number % 10 == 0:  # it gets a name, and is opened by it beside the first descriptor
            os.link(f"/proc/self/fd/{file}", "name", dst_dir_fd=folder)
            other = os.open(server.path / "name", os.O_RDWR)
            os.pwrite(other, b"second", 0)
            assert os.pread(file, 6, 0) == b"second"
            os.unlink(server.path / "name")
            os.close(other)
            os.pwrite(file, b"first", 0)
        os.close(file)
    os.close(folder)
    # A file that the kernel still had would hold its inode and its pages.
    wait_until("all files are gone", 10, lambda: free() == before)
    statistics = server.statistics()
    assert statistics["TMPFILE"] == 200
    assert data_requests(server) == 0


def test_one_file_goes_through_the_server(host, serve_past):
    """What the kernel refuses to register, as too deep a stack, concerns that file alone."""
    source = host.folder("source")
    layers = host.tmpfs()
    for name in ("lower", "upper", "work"):
        (layers / name).mkdir()
    words = f"lowerdir={layers}/lower,upperdir={layers}/upper,workdir={layers}/work"
    deep = host.mount("overlay", "overlay", words, "overlay", parent=source).name
    server = serve_past(source)
    assert source.stat().st_dev != (source / deep).stat().st_dev

    def use(file, turn):
        data = some_bytes(PAGE, turn)
        os.pwrite(file, data, turn * PAGE)
        assert os.pread(file, PAGE, turn * PAGE) == data

    early = os.open(server.path / "early", os.O_RDWR | os.O_CREAT)
    use(early, 0)
    refused = os.open(server.path / deep / "file", os.O_RDWR | os.O_CREAT)
    again = os.open(server.path / deep / "file", os.O_RDWR)
    late = os.open(server.path / "late", os.O_RDWR | os.O_CREAT)
    straight = direct(server.path / "early")
    for turn in range(1, 4):
        for file in (early, late):
            use(file, turn)
        os.pwritev(straight, [aligned(some_bytes(PAGE, turn + 50))], turn * PAGE)
        assert os.pread(early, PAGE, turn * PAGE) == some_bytes(PAGE, turn + 50)
    assert data_requests(server) == 0, server.statistics()
    for turn in range(3):
        use(refused, turn)
        use(again, turn + 3)
    statistics = server.statistics()
    assert statistics["WRITE"] == 6
    for file in (early, refused, again, late, straight):
        os.close(file)
    whole = b"".join(some_bytes(PAGE, turn) for turn in range(6))
    assert (source / deep / "file").read_bytes() == whole == (server.path / deep / "file").read_bytes()
    # The next file of the kind that works is not held responsible.
    (server.path / "next").write_bytes(b"x")
    assert server.statistics()["WRITE"] == 6


@pytest.mark.parametrize("kind", ["tmpfs", "overlay"])
def test_other_sources(host, serve, kind):
    """Where the kernel can not do it, the server does it itself, and says nothing."""
    if kind == "tmpfs":
        source = host.tmpfs()
    else:
        top = host.tmpfs()
        for name in ("lower", "upper", "work"):
            (top / name).mkdir()
        words = f"lowerdir={top}/lower,upperdir={top}/upper,workdir={top}/work"
        source = host.mount("overlay", "overlay", words, "overlay")
    server = serve("--kernel-passthrough", source=source)
    content = work_on_a_file(server.path)
    assert (source / "file").read_bytes() == content
    (server.path / "tree").mkdir()
    make_tree(server.path / "tree", 100)
    assert_same(server.path / "tree", source / "tree")
    loud = [line for line in server.log.splitlines() if "warn" in line.lower() or "error" in line.lower()]
    assert not loud, loud


def test_mount_of_a_mount(serve):
    """A source that is itself served with passthrough: too deep for the kernel, yet all works."""
    lower = serve("--kernel-passthrough")
    upper = serve("--kernel-passthrough", source=lower.path)
    content = work_on_a_file(upper.path)
    assert (lower.source / "file").read_bytes() == content
