# SPDX-License-Identifier: BSD-3-Clause
"""A virtual machine for a test: QEMU with software emulation, Debian's kernel, busybox, one script.

The script comes from the test and runs in the guest as root with the share mounted on /mnt; its
status becomes the guest's. Everything that the guest prints is in Guest.console.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FB_BUILD_DIR", ROOT / "build" / "dev"))
PARTS = ROOT / "build" / "guest"  # the kernel is the same for every build
THREAD_SANITIZER = "thread" in os.environ.get("FB_SANITIZE", "")
READY = "Waiting for vhost-user socket connection..."  # what virtiofsd says, and so do we
TAG = "share"
EXIT_OFFSET = 16  # of vmexit.c

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /sbin /usr/bin /usr/sbin /proc /sys /dev /mnt /tmp /etc
/bin/busybox --install -s /bin
export PATH=/bin HOME=/
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
echo nobody:x:65534:65534::/:/bin/sh > /etc/passwd
ip link set lo up
ulimit -n 65536
echo "guest: up"
if mount -t virtiofs $TAG /mnt && stat /mnt >/dev/null; then
    echo "guest: mounted"
    sh /script; status=$?
    cd /; umount /mnt || status=100
else
    status=101
fi
echo "guest: status $status"
vmexit $status
"""


def need(program):
    found = shutil.which(program)
    if not found:
        pytest.skip(f"{program} is missing (script/bootstrap test)")
    return found


def need_for_others(path):
    """A test that runs a program as another user is skipped where that one can not reach it."""
    for folder in path.parents:
        if not folder.stat().st_mode & 0o001:
            pytest.skip(f"other users can not reach {path}: {folder} is closed to them")


def kernel():
    """The guest's kernel; the test is skipped where none can be had."""
    done = subprocess.run([ROOT / "script" / "guest-kernel", PARTS], capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    return PARTS / "vmlinux"


def debian():
    """The root of a small Debian; the test is skipped where none can be had."""
    done = subprocess.run([ROOT / "script" / "guest-root", PARTS / "debian"], capture_output=True, text=True, timeout=600)
    if done.returncode:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    return PARTS / "debian"


def initramfs(script, folder, programs=()):
    """An archive with busybox, the programs and the script. Returns its path."""
    root = folder / "root"
    (root / "bin").mkdir(parents=True)
    shutil.copy(need("busybox"), root / "bin" / "busybox")
    for program in (BUILD / "tests" / "vm" / "vmexit", *programs):
        shutil.copy(program, root / "bin")
    (root / "init").write_text(INIT.replace("$TAG", TAG))
    (root / "init").chmod(0o755)
    (root / "script").write_text(script)
    archive = folder / "initramfs"
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    with open(archive, "wb") as to:
        subprocess.run([need("cpio"), "-o", "-H", "newc", "--quiet"], cwd=root, input=names.encode(), stdout=to, check=True)
    shutil.rmtree(root)
    return archive


class Guest:
    """
    A running machine. wait() returns the script's status. Without a script the share is the root
    file system, and its /init is run. options are more words for QEMU.

    Under software emulation a kernel panics now and then before its first program runs: one in some
    hundred, more often where it has several processors. It is started once more then, after calling
    serve_again, if that is given: the server has gone with the first.
    """

    def __init__(
        self, socket, script, *, processors=1, queues=None, programs=(), memory="512M", reboot=False, options=(),
        serve_again=None,
    ):  # fmt: skip
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fb-guest-"))
        self.console_file = self.folder / "console"
        device = f"vhost-user-fs-pci,chardev=fs,tag={TAG},queue-size=1024"
        if queues:
            device += f",num-request-queues={queues}"
        self.command = [
            need("qemu-system-x86_64"),
            "-M", "q35,memory-backend=mem", "-accel", "tcg,thread=multi", "-cpu", "max,cx16=off",
            "-smp", str(processors), "-m", memory,
            "-object", f"memory-backend-memfd,id=mem,size={memory},share=on",
            "-nodefaults", "-no-user-config", "-nographic", "-monitor", "none",
            "-serial", f"file:{self.console_file}", "-device", "isa-debug-exit,iobase=0xf4,iosize=1",
            "-chardev", f"socket,id=fs,path={socket}", "-device", device,
            "-kernel", str(kernel()),
        ]  # fmt: skip
        words = "console=ttyS0 quiet panic=-1"
        if script is None:
            words += f" root={TAG} rootfstype=virtiofs rw init=/init"
        else:
            self.command += ["-initrd", str(initramfs(script, self.folder, programs))]
        self.command += ["-append", words]
        if not reboot:
            self.command.append("-no-reboot")
        self.command += options
        self.serve_again = serve_again if script is not None else None
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    @property
    def console(self):
        text = self.console_file.read_text(errors="replace") if self.console_file.exists() else ""
        return re.sub(r"\x1b[c\[][0-9;?]*[a-zA-Z]?", "", text).replace("\r", "")

    def end(self, seconds):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the guest did not end within {seconds} s:\n{self.console[-3000:]}") from None

    def wait(self, seconds):
        status = self.end(seconds)
        if self.serve_again and status == 0 and "Kernel panic" in self.console and "guest: up" not in self.console:
            print(f"the kernel did not start:\n{self.console[-3000:]}")
            self.process.stderr.close()
            self.serve_again()
            self.start()
            status = self.end(seconds)
        assert status % 2 == 1 and status // 2 >= EXIT_OFFSET, (
            f"QEMU ended with {status}: {self.process.stderr.read()}\n{self.console[-3000:]}"
        )
        return status // 2 - EXIT_OFFSET

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def close(self):
        self.kill()
        self.process.stderr.close()
        shutil.rmtree(self.folder)
