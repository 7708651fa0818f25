# SPDX-License-Identifier: BSD-3-Clause
"""Make a folder full of unusual files, and compare two folders strictly."""
import hashlib
import os
import random
import shutil
import stat
import subprocess

SECTOR = 512
# A copy may have a few blocks more than its original, for the tables of its extents.
BLOCKS_SPARE = 16

ODD_NAMES = [
    b"new\nline", b"\xff\xfe not UTF-8", b"-dash", b" spaces ", b"tab\tbell\x07", b"\x01",
    b"quote'\"`$(x)", b"back\\slash", "ümläut 日本".encode(), b"...", b"*?[a]", b"x" * 255,
    b"\xf0" * 255, b"a;b&c|d", b"%s%n", b"trailing.", b"~", b"#x#", b"con", b"=",
]  # fmt: skip


class Maker:
    def __init__(self, top, count, acl=False, seed=1):
        self.top = os.fsencode(top)
        self.count = count
        self.acl = acl and shutil.which("setfacl")
        self.random = random.Random(seed)
        self.root = os.geteuid() == 0
        self.folders = [self.top]
        self.files = []
        self.made = 0

    def place(self, kind):
        self.made += 1
        folder = self.random.choice(self.folders)
        name = b"%s%d" % (kind, self.made)
        if self.random.random() < 0.1:
            name = self.random.choice(ODD_NAMES)
            if os.path.lexists(os.path.join(folder, name)):
                name = (name[:240] + b"%d" % self.made)[-255:]
        return os.path.join(folder, name)

    def folder(self):
        path = self.place(b"d")
        if path.count(b"/") - self.top.count(b"/") < 12 and len(path) < 3000:
            os.mkdir(path)
            self.folders.append(path)

    def file(self):
        path = self.place(b"f")
        size = self.random.choice([0, 1, 100, 4095, 4096, 4097, 10000, 10000, 70000])
        with open(path, "xb") as file:
            file.write(self.random.randbytes(size))
        self.files.append(path)

    def sparse(self):
        path = self.place(b"sparse")
        with open(path, "xb") as file:
            for _ in range(self.random.randrange(3)):
                file.seek(self.random.randrange(0, 256 << 10, 4096))
                file.write(self.random.randbytes(8192))
            file.truncate(max(file.seek(0, os.SEEK_END), self.random.randrange(384 << 10)))
        self.files.append(path)

    def link(self):
        if self.files:
            os.link(self.random.choice(self.files), self.place(b"h"))

    def symlink(self):
        target = self.random.choice(
            [b"nowhere", b"/", b"../..", b"t" * 4095, b"\xff\n", self.random.choice(self.folders)]
        )
        os.symlink(target, self.place(b"l"))

    def special(self):
        path = self.place(b"p")
        if self.root and self.random.random() < 0.3:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
        else:
            os.mkfifo(path, 0o640)

    def decorate(self, path, is_folder=False):
        """Owner, mode, extended attributes; times come last of all."""
        pick = self.random.random
        if pick() < 0.15:
            os.setxattr(path, b"user.short", self.random.randbytes(self.random.randrange(20)))
        if pick() < 0.05:
            os.setxattr(path, b"user." + b"n" * 200, self.random.randbytes(1000))
        if self.root and pick() < 0.1:
            os.chown(path, self.random.randrange(70000), self.random.randrange(70000))
        if self.root and pick() < 0.05:
            os.setxattr(path, b"trusted.mark", b"\0\1\2")
        if self.root and not is_folder and pick() < 0.03:
            value = bytes.fromhex("0100000200200000000000000000000000000000")
            os.setxattr(path, b"security.capability", value)
        if self.acl and pick() < 0.05:
            entry = "u:4321:r-x,d:g:77:rwx" if is_folder else "u:4321:r-x"
            subprocess.run([b"setfacl", b"-m", entry.encode(), b"--", path], check=True)
        elif pick() < 0.2:
            modes = [0o700, 0o2775, 0o1777] if is_folder else [0, 0o400, 0o4755, 0o2711, 0o666]
            if not self.root:
                modes = [mode | 0o700 & ~0o77 | 0o700 for mode in modes]
            os.chmod(path, self.random.choice(modes))

    def make(self):
        kinds = [self.file] * 70 + [self.folder] * 10 + [self.link] * 7 + [self.symlink] * 7
        kinds += [self.special] * 3 + [self.sparse] * 3
        while self.made < self.count:
            self.random.choice(kinds)()
        for path in self.files:
            self.decorate(path)
        for path in self.folders[1:]:
            self.decorate(path, is_folder=True)
        for folder, folders, files in os.walk(self.top, topdown=False):
            for name in folders + files:
                self.set_times(os.path.join(folder, name))
        return self.top

    def set_times(self, path):
        when = self.random.choice([0, 1, 10**18 + 123456789, 1_700_000_000_999_999_999, 4 * 10**18])
        when += self.random.randrange(10**9)
        os.utime(path, ns=(when, when), follow_symlinks=False)


def make_tree(top, count, acl=False, seed=1):
    """About count files, folders and links of all kinds below top. Returns top as bytes."""
    return Maker(top, count, acl, seed).make()


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest()


def attributes(path):
    return {
        name: os.getxattr(path, name, follow_symlinks=False)
        for name in sorted(os.listxattr(path, follow_symlinks=False))
    }


def describe(path):
    """Everything a copy must keep, and the number of blocks."""
    status = os.lstat(path)
    kind = stat.S_IFMT(status.st_mode)
    seen = {
        "type": oct(kind),
        "mode": oct(stat.S_IMODE(status.st_mode)),
        "owner": (status.st_uid, status.st_gid),
        "mtime": status.st_mtime_ns,
        "links": status.st_nlink,
        "xattrs": attributes(path),
    }
    if kind == stat.S_IFREG:
        seen["size"] = status.st_size
        seen["content"] = digest(path)
    elif kind == stat.S_IFLNK:
        seen["target"] = os.readlink(path)
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        seen["device"] = status.st_rdev
    return seen, status


def scan(top):
    """By relative name: what describe() sees; also the groups of hard links, and blocks of files."""
    top = os.fsencode(top)
    names, groups, blocks = {}, {}, {}
    folders = [b""]
    while folders:
        folder = folders.pop()
        for name in os.listdir(os.path.join(top, folder)):
            relative = os.path.join(folder, name)
            seen, status = describe(os.path.join(top, relative))
            names[relative] = seen
            if stat.S_ISDIR(status.st_mode):
                folders.append(relative)
                continue
            groups.setdefault((status.st_dev, status.st_ino), set()).add(relative)
            if stat.S_ISREG(status.st_mode):
                blocks[relative] = status.st_blocks, status.st_size
    return names, {frozenset(group) for group in groups.values()}, blocks


def compare(one, other, same_blocks=False):
    """What differs between two scans, as lines of text; none if nothing does."""
    (names, groups, blocks), (other_names, other_groups, other_blocks) = one, other
    lines = [f"{name!r} is missing" for name in names.keys() - other_names.keys()]
    lines += [f"{name!r} is too much" for name in other_names.keys() - names.keys()]
    for name in sorted(names.keys() & other_names.keys()):
        for key in names[name].keys() | other_names[name].keys():
            mine, others = names[name].get(key), other_names[name].get(key)
            if mine != others:
                lines.append(f"{name!r}: {key} {mine!r} became {others!r}")
    lines += [f"hard links {sorted(group)} are others" for group in groups - other_groups]
    for name in sorted(blocks.keys() & other_blocks.keys()):
        (mine, size), (others, _) = blocks[name], other_blocks[name]
        if same_blocks and mine != others:
            lines.append(f"{name!r}: {mine} blocks are {others}")
        elif mine * SECTOR < size and others > mine + BLOCKS_SPARE:
            lines.append(f"{name!r}: is sparse with {mine} blocks, became {others}")
    return lines


def differences(one, other, same_blocks=False):
    """What differs below two folders."""
    return compare(scan(one), scan(other), same_blocks)


def assert_same_scans(one, other, same_blocks=False):
    lines = compare(one, other, same_blocks)
    assert not lines, f"{len(lines)} differences:\n" + "\n".join(lines[:20])


def assert_same(one, other, same_blocks=False):
    assert_same_scans(scan(one), scan(other), same_blocks)
