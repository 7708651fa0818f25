#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What fbfsd does for each kind of request: system calls, mallocs, locks.

Usage: calls.py [--user=UID] [FBFSD OPTIONS...]      (as root; needs strace and addr2line)

Mounts a folder with fbfsd under strace, has a client (root, or UID) do a bit of everything in it, and
prints a line for each kind of request, or several where not all of a kind went alike: what was done for it
between the read(2) that brought it and the one for the next, and how often. The read and the writev of
/dev/fuse are left out: every request has them, but for those without an answer, which have the read alone.
Mallocs and locks are seen through call_marks.c.

Over /dev/fuse, where one thread does all that a request takes: over io_uring there is no read(2) to part
requests by. FB_BUILD_DIR is the build folder (build/dev).
"""
import collections
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FB_BUILD_DIR", ROOT / "build" / "dev")).resolve()
TURNS = 100
LISTED = 10
FUSE = "".join(f"\\x{byte:02x}" for byte in b"/dev/fuse")
MARKS = {1: "malloc", 2: "lock"}
RECEIVED = re.compile(r'read\(\d+<' + re.escape(FUSE) + r'>, "((?:\\x..){8})"')
ANSWERED = re.compile(r'writev\(\d+<' + re.escape(FUSE) + r'>, \[\{iov_base="((?:\\x..){8})"')
MARKED = re.compile(r"pread64\(-1, NULL, (\d), (\d+)\)")
CALLED = re.compile(r"(?:\d+ +)?(\w+)\(")


def opcodes():
    """The names of the opcodes, from the table."""
    text = (ROOT / "libfb" / "protocol" / "op_table.h").read_text()
    return {int(number): name for number, name in re.findall(r"\bX\((\d+), (\w+),", text)}


# ---- the client ---------------------------------------------------------------------------------


def work(folder):
    """A bit of everything, each to files of its own, so that no request is saved by an earlier one."""
    for turn in range(TURNS):
        name = os.path.join(folder, f"file{turn}")
        with open(name, "wb", buffering=0) as file:  # LOOKUP, CREATE, WRITE, FLUSH, RELEASE
            file.write(b"x" * 4096)
            os.fsync(file)
        os.symlink("target", name + ".link")
        os.link(name, name + ".hard")
        os.mkdir(name + ".dir")
        os.mknod(name + ".node", 0o600 | stat.S_IFREG)
    for turn in range(TURNS):
        name = os.path.join(folder, f"old{turn}")  # the server has never met it
        os.stat(name)
        with open(name, "r+b", buffering=0) as file:
            file.read(4096)
            file.seek(0)
            file.write(b"y" * 4096)
            try:
                os.lseek(file.fileno(), 0, os.SEEK_HOLE)
                os.posix_fallocate(file.fileno(), 0, 8192)
                os.ftruncate(file.fileno(), 4096)
            except OSError:
                pass
        try:
            os.stat(os.path.join(folder, f"missing{turn}"))
        except FileNotFoundError:
            pass
        os.chmod(name, 0o640)
        os.utime(name)
        os.truncate(name, 100)
        os.setxattr(name, "user.a", b"value")
        os.getxattr(name, "user.a")
        os.listxattr(name)
        os.removexattr(name, "user.a")
        os.rename(name, name + ".new")
        os.listdir(os.path.join(folder, f"list{turn}"))
        os.statvfs(folder)
    time.sleep(1.2)  # attributes are remembered for a second
    for turn in range(TURNS):
        name = os.path.join(folder, f"file{turn}")
        os.readlink(name + ".link")
        with open(name, "rb", buffering=0) as file:
            os.fstat(file.fileno())
        os.unlink(name + ".link")
        os.unlink(name + ".hard")
        os.unlink(name + ".node")
        os.rmdir(name + ".dir")
        os.unlink(name)


def work_as(user, folder):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            work(folder)
            status = 0
        except OSError as error:
            print(f"calls.py: {error}", file=sys.stderr)
        finally:
            os._exit(status)
    if os.waitpid(pid, 0)[1] != 0:
        sys.exit("calls.py: the client failed")


# ---- the trace ----------------------------------------------------------------------------------


def numbers(text):
    """Two numbers of the wire, from eight escaped bytes."""
    raw = bytes.fromhex(text.replace("\\x", ""))
    return int.from_bytes(raw[:4], "little"), int.from_bytes(raw[4:], "little", signed=True)


class Request:
    def __init__(self, opcode):
        self.opcode, self.error, self.calls, self.marks = opcode, 0, [], []

    def take(self, line):
        marked, answered, called = MARKED.search(line), ANSWERED.search(line), CALLED.match(line)
        if marked:
            self.marks.append((MARKS[int(marked[1])], int(marked[2])))
        elif answered:
            self.error = numbers(answered[1])[1]
        elif called and called[1] not in ("read", "restart_syscall") or called and FUSE not in line:
            self.calls.append(called[1])


def requests(log):
    """The requests in one thread's trace."""
    current = None
    for line in log.read_text(errors="replace").splitlines():
        received = RECEIVED.search(line)
        if received:
            if current:
                yield current
            current = Request(numbers(received[1])[1])
        elif current and not line.startswith(("---", "+++")):
            current.take(line)


# ---- where a mark was left -----------------------------------------------------------------------


class Places:
    """Names for addresses in the server: the line that asked, or took the lock."""

    def __init__(self, maps):
        self.maps, self.known = maps, {}

    def name(self, address):
        if address not in self.known:
            self.known[address] = self.find(address)
        return self.known[address]

    def find(self, address):
        for begin, end, offset, path in self.maps:
            if begin <= address < end and path.startswith("/"):
                return self.line(path, address - begin + offset)
        return "?"

    def line(self, path, offset):
        done = subprocess.run(["addr2line", "-i", "-f", "-e", path, hex(offset - 1)], capture_output=True, text=True)
        words = done.stdout.split("\n")
        for function, place in zip(words[::2], words[1::2]):
            file, _, number = place.partition(":")
            if file.startswith(str(ROOT)) and not file.endswith("scope.h"):
                text = pathlib.Path(file).read_text().splitlines()[int(number.split()[0]) - 1]
                what = re.search(r"LOCK\(&?([^)]*)\)|lock\(&?([^)]*)\)", text)
                return f"{pathlib.Path(file).stem} {(what[1] or what[2]) if what else function + '()'}"
        return pathlib.Path(path).name


def read_maps(pid):
    maps = []
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split()
        begin, end = (int(part, 16) for part in fields[0].split("-"))
        maps.append((begin, end, int(fields[2], 16), fields[5] if len(fields) > 5 else ""))
    return maps


# ---- the whole ----------------------------------------------------------------------------------


def counted(words):
    """Words in the order in which they first came, with how often each did."""
    return ", ".join(f"{word} x{count}" if count > 1 else word for word, count in collections.Counter(words).items())


class Row:
    """One way to serve one kind of request, of which there were count, this way often: lists of words."""

    def __init__(self, name, calls, alike, count, places):
        marks = collections.Counter(tuple(request.marks) for request in alike).most_common(1)[0][0]
        self.name, self.often, self.count, self.calls = name, len(alike), count, list(calls)
        self.mallocs = [places.name(address) for what, address in marks if what == "malloc"]
        self.locks = [places.name(address) for what, address in marks if what == "lock"]

    def __str__(self):
        cells = self.name, f"{self.often} of {self.count}", *map(counted, (self.calls, self.mallocs, self.locks))
        return "| " + " | ".join(cells) + " |"


def ways(name, several, places):
    """A row for each way that one request in ten went, the most common one first."""
    alike = collections.defaultdict(list)
    for request in several:
        alike[tuple(request.calls)].append(request)
    for calls, those in sorted(alike.items(), key=lambda item: -len(item[1])):
        if len(those) * 10 >= len(several):
            yield Row(name, calls, those, len(several), places)


def rows(logs, places):
    """Rows for each opcode and error, but for what comes once a session."""
    names, kinds = opcodes(), collections.defaultdict(list)
    for log in logs:
        for request in requests(log):
            name = names.get(request.opcode, str(request.opcode))
            error = f", {os.strerror(-request.error)}" if request.error else ""
            if name not in ("INIT", "DESTROY"):
                kinds[request.opcode, name + error].append(request)
    return [row for (_, name), several in sorted(kinds.items()) for row in ways(name, several, places)]


def serve(area, marks, options, user):
    """Mount, have the client work, unmount. Returns the server's maps."""
    source, mountpoint = area / "source", area / "mnt"
    command = ["strace", "-ff", "-y", "-xx", "-s", "8", "-o", area / "log", "-E", f"LD_PRELOAD={marks}",
               BUILD / "bin" / "fbfsd", "-f", "-o", "allow_other", "--transport=dev-fuse", *options, source, mountpoint]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        said = server.stderr.readline()
        if "serving" not in said:
            sys.exit(said + server.stderr.read())
        pid = int(subprocess.check_output(["pgrep", "-P", str(server.pid)]).split()[0])
        maps = read_maps(pid)
        work_as(user, mountpoint)
    finally:
        subprocess.run(["umount", mountpoint], check=False)
        server.wait(timeout=30)
    return maps


def prepare(source, user):
    """What is there before the server looks."""
    for turn in range(TURNS):
        (source / f"old{turn}").write_bytes(b"x" * 4096)
        os.chown(source / f"old{turn}", user, user)
        (source / f"list{turn}").mkdir()
        for number in range(LISTED):
            (source / f"list{turn}" / f"file{number}").touch()


def measure(options=(), user=0):
    with tempfile.TemporaryDirectory() as name:
        area = pathlib.Path(name)
        os.chmod(area, 0o755)
        for folder in "source", "mnt":
            (area / folder).mkdir()
        os.chown(area / "source", user, user)
        prepare(area / "source", user)
        marks = area / "call_marks.so"
        subprocess.run([os.environ.get("CC", "cc"), "-O1", "-shared", "-fPIC", "-o", marks,
                        ROOT / "tests" / "bench" / "call_marks.c", "-ldl"], check=True)
        places = Places(serve(area, marks, options, user))
        return rows(sorted(area.glob("log.*")), places)


def main(arguments):
    user = 0
    if arguments and arguments[0].startswith("--user="):
        user = int(arguments.pop(0).partition("=")[2])
    for program in "strace", "addr2line", "pgrep":
        if not shutil.which(program):
            sys.exit(f"calls.py: {program} is needed")
    print("| request | as here | system calls | mallocs | locks |\n|---|---|---|---|---|")
    for row in measure(arguments, user):
        print(row)


if __name__ == "__main__":
    main(sys.argv[1:])
