# SPDX-License-Identifier: BSD-3-Clause
"""Work that keeps all processors busy for a while: a build of libfb, and stress-ng."""
import re

import pytest

from fixtures import MODES, host, need_program, needs_root, run, serve, tidy  # noqa: F401
from test_work import copy_sources

in_each_mode = pytest.mark.parametrize("mode", MODES)


@pytest.mark.parametrize("mode", ["default", pytest.param("uncached", marks=pytest.mark.long)])
def test_build_libfb(serve, mode):
    """
    Configure and build libfb and run its unit tests, all inside the mount. The compiler need not work
    hard for that, and the few tests that mostly wait say nothing more of a mount.
    """
    top = serve(*MODES[mode]).path
    copy_sources(top)
    run("cmake", "--preset", "dev", "-DCMAKE_BUILD_TYPE=Debug", "-DFB_HARDEN=OFF", cwd=top, timeout=300)
    run("cmake", "--build", "--preset", "dev", cwd=top, timeout=1500)
    select = ("-L", "^unit$", "-E", "core_worker|_migration|_budget|_pending|core_interrupt|hostile_guest|misuse")
    output = run("ctest", "--test-dir", "build/dev", *select, "-j2", cwd=top, timeout=900).stdout
    passed = re.search(r"100% tests passed, 0 tests failed out of (\d+)", output)
    assert passed and int(passed[1]) >= 50, output[-3000:]


# ---- stress-ng ----------------------------------------------------------------------------------------

# All work on files below the working directory. chattr, inode-flags and verity change flags that need
# an option; bind-mount, binderfs, procfs and eventfd have nothing to do with the mount.
STRESSORS = """access acl chdir chmod chown copy-file dentry dir dirdeep dirmany dup fallocate fcntl fiemap
file-ioctl filename flock fpunch fstat getdent handle hdd inotify io iomix lease link locka lockf lockofd mknod
open rename symlink sync-file touch utime xattr aio revio seek readahead mmap msync sendfile splice
""".split()


def known_stressors():
    words = run("stress-ng", "--stressors").stdout.split()
    return [name for name in STRESSORS if name in words]


def stress(folder, seconds, *words, names):
    """
    Run stressors and give back the lines that tell of failures. One of them opens as many files as it
    may; here that is less than the server may hold open, which would rightly answer ENFILE.
    """
    chosen = [word for name in names for word in (f"--{name}", "1")]
    done = run(
        "prlimit", "--nofile=4096", "stress-ng", "--temp-path", folder, "--timeout", f"{seconds}s", "--verify", "--metrics-brief",
        "--oomable", "--hdd-bytes", "4m", "--iomix-bytes", "4m", "--fallocate-bytes", "8m",
        "--readahead-bytes", "8m", "--revio-bytes", "4m", "--seek-size", "4m", "--sync-file-bytes", "4m",
        "--sendfile-size", "1m", "--mmap-file", "--mmap-bytes", "4m", *chosen, *words,
        ok=False, timeout=seconds + 150, cwd=folder,
    )  # fmt: skip
    complaints = [line for line in done.stdout.splitlines() if "fail" in line and "failed: 0" not in line]
    assert "metrc:" in done.stdout, done.stdout[-3000:]
    if done.returncode != 0 and not complaints:
        complaints = [f"status {done.returncode}: {done.stdout[-3000:]}"]
    return complaints


@needs_root
@pytest.mark.parametrize("mode", ["default", pytest.param("uncached", marks=pytest.mark.long)])
def test_stress(serve, mode):
    """stress-ng's file-system stressors, all at once. What they leave to be removed takes longer than they do."""
    need_program("stress-ng")
    server = serve(*MODES[mode])
    complaints = stress(server.path, 15, names=known_stressors())
    assert not complaints, "\n".join(complaints[:30])
    assert server.process.poll() is None
    assert server.statistics()["pending"] == 0


@needs_root
@pytest.mark.long
@in_each_mode
def test_stress_one_after_the_other(serve, mode):
    need_program("stress-ng")
    server = serve(*MODES[mode])
    for name in known_stressors():
        complaints = stress(server.path, 5, "--aggressive", names=[name] * 1)
        assert not complaints, f"{name}: " + "\n".join(complaints[:30])
