# SPDX-License-Identifier: BSD-3-Clause
"""A small virtual machine that mounts a share and runs a shell script: QEMU, a kernel, busybox.

The kernel has to have virtio-pci, FUSE and virtio-fs built in, as those of Debian's package
linux-image-cloud-amd64 from 6.12 on: the file that FB_VM_KERNEL names, or such a one in /boot.
Software emulation is used, unless FB_VM_ACCEL says otherwise ("kvm"); only x86-64 is covered, no
root file system on the share, and no memory window (DAX).
"""
from __future__ import annotations

import os
import pathlib
import re
import shutil
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

TAG = "share"
MEMORY = "512M"
STATUS = re.compile(r"^fb-vm: status (\d+)", re.M)

INIT = f"""#!/bin/busybox sh
/bin/busybox mkdir -p /sbin /usr/bin /usr/sbin /proc /sys /dev /mnt /tmp
/bin/busybox --install -s /bin
export PATH=/bin HOME=/
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
status=101
echo "fb-vm: up"
if mount -t virtiofs {TAG} /mnt && stat /mnt >/dev/null; then
    cd /mnt; sh -e /script; status=$?
    cd /; umount /mnt || status=100
fi
echo; echo "fb-vm: status $status"
poweroff -f
"""


class Missing(Exception):
    """What is needed is not on this machine; the sentence says what."""


@dataclass(frozen=True)
class Guest:
    """How a guest ended: the script's status (100: umount failed, 101: mount failed), and all that
    was printed."""

    status: int
    console: str


def kernel() -> pathlib.Path:
    """The kernel to boot; Missing when there is none."""
    if named := os.environ.get("FB_VM_KERNEL"):
        if not pathlib.Path(named).is_file():
            raise Missing(f"FB_VM_KERNEL is {named}, which is no file")
        return pathlib.Path(named)
    found = sorted(pathlib.Path("/boot").glob("vmlinuz-*-cloud-*"))
    if not found:
        raise Missing("no kernel with virtio-fs: set FB_VM_KERNEL (see libfb.testing.vm)")
    return found[-1]


def program(name: str) -> str:
    """The path of a program; Missing when it is not installed."""
    found = shutil.which(name)
    if not found:
        raise Missing(f"{name} is not installed")
    return found


def archive(files: dict[str, tuple[int, bytes]]) -> bytes:
    """A cpio archive for the kernel: mode and content by path."""
    out = bytearray()
    for number, (name, (mode, data)) in enumerate([*files.items(), ("TRAILER!!!", (0, b""))], 1):
        path = name.encode() + b"\0"
        fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(path), 0]
        out += b"070701" + b"".join(b"%08x" % field for field in fields) + path
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return bytes(out)


def initramfs(script: str, programs: Sequence[pathlib.Path] = ()) -> bytes:
    """busybox, the script, and programs for its /bin; all programs have to be static."""
    busybox = pathlib.Path(program("busybox")).read_bytes()
    if b"/ld-linux" in busybox[: 1 << 16]:
        raise Missing("busybox is not static (package busybox-static)")
    folders = {name: (0o40755, b"") for name in ("bin", "dev")}
    return archive(
        folders
        | {
            "bin/busybox": (0o100755, busybox),
            "init": (0o100755, INIT.encode()),
            "script": (0o100644, script.encode()),
        }
        | {f"bin/{path.name}": (0o100755, path.read_bytes()) for path in programs}
    )


def command(socket: str, image: pathlib.Path, boot: pathlib.Path) -> list[str]:
    """QEMU's command line: image is the initramfs, boot the kernel."""
    accel = os.environ.get("FB_VM_ACCEL", "tcg,thread=multi")
    cpu = "host" if accel.startswith("kvm") else "max,cx16=off"
    return [
        program("qemu-system-x86_64"),
        *("-M", "q35,memory-backend=mem", "-accel", accel, "-cpu", cpu, "-m", MEMORY),
        *("-object", f"memory-backend-memfd,id=mem,size={MEMORY},share=on"),
        *("-nodefaults", "-no-user-config", "-nographic", "-monitor", "none", "-no-reboot"),
        *("-serial", "stdio", "-chardev", f"socket,id=fs,path={socket}"),
        *("-device", f"vhost-user-fs-pci,chardev=fs,tag={TAG},queue-size=1024"),
        *("-kernel", str(boot), "-initrd", str(image)),
        *("-append", "console=ttyS0 quiet panic=-1"),
    ]


def check() -> None:
    """Raise Missing unless a guest can be booted here."""
    if os.uname().machine != "x86_64" or struct.calcsize("P") != 8:
        raise Missing("only x86-64 is covered")
    program("qemu-system-x86_64")
    kernel()
    initramfs("")


def run(
    socket: str,
    script: str,
    folder: pathlib.Path,
    timeout: float,
    programs: Sequence[pathlib.Path] = (),
) -> Guest:
    """Boot with the share behind a vhost-user socket, run script in it, power off.

    Raises TimeoutError after so many seconds, RuntimeError when the guest came to no end, both
    with what it printed.
    """
    image = folder / "initramfs"
    image.write_bytes(initramfs(script, programs))
    try:
        done = subprocess.run(
            command(socket, image, kernel()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"no end within {timeout} s:\n{clean(error.stdout or b'')}") from None
    console = clean(done.stdout)
    status = STATUS.search(console)
    if not status:
        raise RuntimeError(f"QEMU ended with {done.returncode}:\n{console[-3000:]}")
    return Guest(int(status[1]), console)


def clean(printed: bytes) -> str:
    """A console's text without what moves the cursor."""
    text = printed.decode(errors="replace").replace("\r", "")
    return re.sub(r"\x1b[c\[][0-9;?]*[a-zA-Z]?", "", text)
