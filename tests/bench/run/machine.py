# SPDX-License-Identifier: BSD-3-Clause
"""What a run is measured on, and with."""

from __future__ import annotations

import os
import pathlib
import platform
import subprocess

Description = dict[str, object]


def said(*command: str) -> str:
    """The first line that a command says, or nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout.strip().splitlines() or [""])[0] if done.returncode == 0 else ""


def field(path: str, name: str) -> str:
    for line in pathlib.Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def fuse_parameters() -> dict[str, str]:
    found = {}
    for path in sorted(pathlib.Path("/sys/module/fuse/parameters").glob("*")):
        found[path.name] = path.read_text().strip()
    return found


def versions(root: pathlib.Path, fbfsd: pathlib.Path) -> dict[str, str]:
    found = {
        "fbfsd": said(str(fbfsd), "--version"),
        "commit": said("git", "-C", str(root), "-c", "safe.directory=*", "describe", "--always", "--dirty",
                       "--abbrev=12"),
        "libfuse": said("pkg-config", "--modversion", "fuse3"),
        "bindfs": said("bindfs", "--version"),
        "fio": said("fio", "--version"),
        "git": said("git", "--version"),
        "cc": said("cc", "--version"),
        "python": platform.python_version(),
    }
    return {name: version for name, version in found.items() if version}


def describe(root: pathlib.Path, fbfsd: pathlib.Path, directory: pathlib.Path) -> Description:
    return {
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": len(os.sched_getaffinity(0)),
        "processor": field("/proc/cpuinfo", "model name"),
        "memory_mib": int(field("/proc/meminfo", "MemTotal").split()[0]) // 1024,
        "filesystem": said("findmnt", "-no", "FSTYPE,OPTIONS", "-T", str(directory)),
        "load_at_start": os.getloadavg()[0],
        "fuse_parameters": fuse_parameters(),
        "versions": versions(root, fbfsd),
    }
