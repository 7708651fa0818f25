# SPDX-License-Identifier: BSD-3-Clause
"""The pages on migration name all that the other side has, and nothing that libfb has not."""

import pathlib
import re
import subprocess

import pytest
from migrate_page import (PAGES, coded, headers, operations, page, pairs, section, tables,
                          words)
from pages import BUILD

LIBFUSE = pathlib.Path("/usr/include/fuse3")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)


@pytest.mark.parametrize("name", sorted(path.name for path in PAGES.glob("*.md")))
def test_names_of_ours_are_in_the_headers(name):
    known = set(re.findall(r"\bFB_\w+|\bfb_\w+", headers()))
    used = set(re.findall(r"\b(?:FB|fb)_\w+", page(name)))
    assert {word for word in used if word not in known and not word.endswith("_")} == set()


@pytest.mark.parametrize("name", sorted(path.name for path in PAGES.glob("*.md")))
def test_included_samples_and_linked_pages_are_there(name):
    text = page(name)
    files = re.findall(r"^```\{literalinclude\} (\S+)", text, re.M)
    links = [link for link in re.findall(r"\]\(([^)#:]+)\)", text) if link != "../protocol.md"]
    assert [file for file in files + links if not (PAGES / file).is_file()] == []


@pytest.mark.parametrize("name", sorted(path.name for path in PAGES.glob("*.md")))
def test_what_marks_a_part_of_a_sample_is_in_it(name):
    for file, options in re.findall(r"^```\{literalinclude\} (\S+)\n((?::.*\n)*)", page(name), re.M):
        sample = (PAGES / file).read_text(encoding="utf-8")
        for mark in re.findall(r"^:(?:start|end)-(?:at|after|before): (.+)$", options, re.M):
            assert sample.count(mark) == 1, f"{mark} in {file}"


# ---- libfuse ------------------------------------------------------------------------------------


def libfuse(header):
    path = LIBFUSE / header
    if not path.is_file():
        pytest.skip("libfuse3-dev is not installed: its headers can not be compared")
    return COMMENT.sub("", path.read_text(encoding="utf-8"))


def test_libfuse_operations_are_complete():
    text = libfuse("fuse_lowlevel.h").split("struct fuse_lowlevel_ops {")[1].split("\n};")[0]
    theirs = re.findall(r"\(\*(\w+)\)\s*\(", text)
    assert len(set(theirs)) > 40
    assert set(theirs) <= dict(pairs("libfuse.md", "Operations")).keys()


def test_libfuse_operations_lead_to_operations_of_ours():
    ours = set(dict(pairs("libfuse.md", "Operations")).values()) - {None}
    besides = words(section(page("libfuse.md"), "Operations").split("besides:")[1])
    assert ours <= operations()
    assert ours | besides == operations()


@pytest.mark.parametrize("header", ["fuse_lowlevel.h", "fuse_common.h", "fuse_log.h"])
def test_libfuse_functions_are_complete(header):
    theirs = set(re.findall(r"\b(fuse_[a-z_]+)\s*\(", libfuse(header)))
    # Former versions of a function, chosen by a macro; the types of functions; and what checks the header itself.
    theirs = {name for name in theirs if not re.search(r"_\d+$|_func_t$|_static_assert$", name)}
    assert len(theirs) > 1
    assert theirs - words(page("libfuse.md")) == set()


@pytest.mark.parametrize("struct", ["fuse_file_info", "fuse_conn_info"])
def test_libfuse_fields_are_complete(struct):
    text = libfuse("fuse_common.h").split(f"struct {struct} {{")[1].split("\n};")[0]
    fields = set(re.findall(r"(\w+)(?:\s*:\s*\d+|\[\d+\])?;", text))
    assert len(fields) > 10
    fields = {field for field in fields if not re.match(r"padding|reserved", field)}
    assert fields - words(page("libfuse.md")) == set()


def test_libfuse_features_are_complete():
    names = set(re.findall(r"#define FUSE_CAP_(\w+)", libfuse("fuse_common.h")))
    assert len(names) > 20
    renamed = words(section(page("libfuse.md"), "Features"))
    ours = set(re.findall(r"\bFB_INIT_(\w+)", headers()))
    wrong = {name for name in names - ours if f"FUSE_CAP_{name}" not in renamed}
    assert wrong == set()


# ---- fuse-backend-rs ----------------------------------------------------------------------------

#: The methods of the trait FileSystem, and fields of passthrough::Config, of version 0.14.
TRAIT = """init destroy lookup forget batch_forget getattr setattr readlink symlink mknod mkdir unlink rmdir
rename link open create read write flush fsync fallocate release statfs setxattr getxattr listxattr
removexattr opendir readdir readdirplus fsyncdir releasedir setupmapping removemapping access lseek getlk
setlk setlkw ioctl bmap poll notify_reply id_remap id_remap_with_nodeid""".split()
CONFIG = """attr_timeout entry_timeout dir_attr_timeout dir_entry_timeout cache_policy writeback root_dir xattr
do_import no_open no_opendir killpriv_v2 inode_file_handles no_readdir seal_size enable_mntid dax_file_size
use_host_ino allow_direct_io""".split()


def test_fuse_backend_rs_is_complete():
    assert list(dict(pairs("fuse-backend-rs.md", "Methods of FileSystem"))) == TRAIT
    assert set(dict(pairs("fuse-backend-rs.md", "Options of PassthroughFs"))) == set(CONFIG)


def test_fuse_backend_rs_leads_to_what_is_there():
    text = section(page("fuse-backend-rs.md"), "Methods of FileSystem")
    ours = set(dict(pairs("fuse-backend-rs.md", "Methods of FileSystem")).values()) - {None}
    assert ours | words(text.split("besides:")[1]) == operations()
    options = headers().split("struct fb_passthrough_options {")[1].split("\n};")[0]
    ours = set(dict(pairs("fuse-backend-rs.md", "Options of PassthroughFs")).values()) - {None}
    assert ours <= set(re.findall(r"(\w+)[,;]", options))


# ---- virtiofsd ----------------------------------------------------------------------------------

FBFSD = BUILD / "bin" / "fbfsd"
C_VIRTIOFSD = pathlib.Path("/usr/lib/qemu/virtiofsd")
RUST_VIRTIOFSD = pathlib.Path("/usr/libexec/virtiofsd")

#: The options of virtiofsd 1.13, for where it is not installed.
RUST_OPTIONS = """allow-direct-io allow-mmap announce-submounts cache fd gid-map help inode-file-handles
killpriv-v2 log-level migration-confirm-paths migration-mode migration-on-error
migration-verify-handles modcaps no-announce-submounts no-killpriv-v2 no-readdirplus posix-acl
preserve-noatime print-capabilities readonly rlimit-nofile sandbox seccomp security-label shared-dir
socket socket-group socket-path syslog tag thread-pool-size translate-gid translate-uid uid-map
version writeback xattr xattrmap""".split()


def virtiofsd_rows():
    """Each of virtiofsd's options as the page spells it, with what fbfsd has for it."""
    text = page("virtiofsd.md")
    for title in ("Options", "After -o"):
        for line in tables(section(text, title)):
            for option in coded(line[0]):
                yield option, line[1]


def test_virtiofsd_options_of_rust_are_complete():
    named = {option.split("=")[0] for option, _ in virtiofsd_rows()}
    assert {f"--{name}" for name in RUST_OPTIONS} - named == set()
    if RUST_VIRTIOFSD.is_file():
        text = subprocess.run([RUST_VIRTIOFSD, "--help"], capture_output=True, text=True).stdout
        theirs = set(re.findall(r"^\s+(?:-\w, )?(--[a-z-]+)", text, re.M))
        assert theirs and theirs - named == set()


def test_virtiofsd_options_of_c_are_complete():
    if not C_VIRTIOFSD.is_file():
        pytest.skip(f"{C_VIRTIOFSD} is not installed: its options can not be compared")
    text = subprocess.run([C_VIRTIOFSD, "--help"], capture_output=True, text=True).stdout
    named = {option.split("=")[0] for option, _ in virtiofsd_rows()}
    theirs = set(re.findall(r"^\s+(?:-\w\s+)?(--[a-z-]+)", text, re.M))
    after = {word for words in re.findall(r"-o ([a-z_|/0-9]+)", text) for word in re.split(r"[|/]", words)}
    assert len(theirs) > 8 and len(after) > 20
    assert (theirs | {f"-o {word}" for word in after}) - named == set()


def run_fbfsd(*options):
    return subprocess.run([FBFSD, *options], capture_output=True, text=True, timeout=20,
                          stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("option,ours", sorted(virtiofsd_rows()))
def test_virtiofsd_options_are_understood_as_the_page_says(option, ours):
    given = option.split(" ")
    names = ["--sandbox=none", "--seccomp=none"]
    if not option.startswith("--fd"):
        names += ["--socket-path=/nowhere/socket"]
    result = run_fbfsd(*names, "--shared-dir=/nowhere/data", *given)
    if ours == "–":
        assert result.returncode == 1, "refused, says the page"
    elif result.returncode == 0:
        assert option in ("-h", "--help", "-V", "--version", "--print-capabilities")
    else:  # understood: what is wrong is the source
        assert result.returncode == 32, result.stderr
        assert "does not exist" in result.stderr


def test_virtiofsd_page_names_options_of_fbfsd_only():
    text = run_fbfsd("--help").stdout
    known = set(re.findall(r"--[a-z0-9-]+", text.replace("--[no-]", "--")))
    known |= {"--no-" + name for name in re.findall(r"--\[no-\]([a-z0-9-]+)", text)}
    theirs = {option.split("=")[0] for option, ours in virtiofsd_rows() if ours == "–"}
    used = {word for code in coded(page("virtiofsd.md")) for word in re.findall(r"--[a-z0-9-]+", code)}
    assert used - known - theirs == set()
