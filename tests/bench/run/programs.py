# SPDX-License-Identifier: BSD-3-Clause
"""Programs that are compiled for the run: our clients, and libfuse's example."""

from __future__ import annotations

import gzip
import pathlib
import shutil
import subprocess

EXAMPLES = pathlib.Path("/usr/share/doc/libfuse3-dev/examples")
CC = ["cc", "-O2", "-std=gnu17", "-D_GNU_SOURCE", "-pthread"]


def compile_fsops(root: pathlib.Path, work: pathlib.Path) -> pathlib.Path:
    bench, program = root / "tests/bench", work / "fsops"
    subprocess.run([*CC, "-o", str(program), str(bench / "fsops.c"), str(bench / "sample.c")], check=True)
    return program


def compile_guest(root: pathlib.Path, work: pathlib.Path) -> pathlib.Path:
    """The guest is that of tests/hostile_guest."""
    bench, guest, program = root / "tests/bench", root / "tests/hostile_guest", work / "guest_bench"
    sources = [bench / "guest_bench.c", bench / "sample.c", *guest.glob("guest*.c"), *guest.glob("front_end*.c")]
    subprocess.run([*CC, f"-I{root / 'libfb'}", f"-I{root / 'libfb/include'}", f"-I{guest}", "-o", str(program),
                    *map(str, sources)], check=True)
    return program


def copy_example(name: str, work: pathlib.Path) -> None:
    """Debian compresses some of them."""
    packed = EXAMPLES / f"{name}.gz"
    if packed.exists():
        with gzip.open(packed) as source, open(work / name, "wb") as target:
            shutil.copyfileobj(source, target)
    else:
        shutil.copy(EXAMPLES / name, work / name)


def compile_passthrough_ll(work: pathlib.Path) -> tuple[pathlib.Path | None, str]:
    """Where nobody commits it. Returns it, or None and why not."""
    program = work / "passthrough_ll"
    try:
        for name in ("passthrough_ll.c", "passthrough_helpers.h"):
            copy_example(name, work)
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], check=True, text=True,
                               capture_output=True).stdout.split()
        subprocess.run(["cc", "-O2", "-DHAVE_UTIMENSAT", "-DHAVE_POSIX_FALLOCATE", "-DHAVE_COPY_FILE_RANGE",
                        "-o", str(program), str(work / "passthrough_ll.c"), *flags], check=True,
                       capture_output=True, text=True)
    except FileNotFoundError as error:
        return None, f"{error.filename}: not there (libfuse3-dev with its documentation, pkg-config)"
    except subprocess.CalledProcessError as error:
        return None, (error.stderr.strip().splitlines() or ["the compiler failed"])[0]
    return program, ""
