# SPDX-License-Identifier: BSD-3-Clause
"""What is checked of a block of the manual, by its kind. A kind that is not here is a mistake."""
import configparser
import functools
import re
import shlex
import shutil
import subprocess
import xml.etree.ElementTree

import pytest
from pages import BUILD, DOC, SOURCE

UNIT_SECTIONS = {"Unit", "Service", "Socket", "Install"}


@functools.cache
def fbfsd_words():
    """Options of fbfsd, as --help has them: (long options, letters, words for -o)."""
    text = subprocess.run([BUILD / "bin" / "fbfsd", "--help"], check=True, capture_output=True,
                          text=True).stdout
    options, words = set(), set()
    for no, name in re.findall(r"--(\[no-\])?([a-z][a-z0-9-]*)", text):
        options |= {f"--{name}", f"--no-{name}"} if no else {f"--{name}"}
    for names in re.findall(r"(?m)^ +-o ((?:[^\s=]+\s*)+)", text):
        words |= set(re.split(r"[|\s]+", names))
    letters = set(re.findall(r"(?m)^ +(-\w),", text))
    return options, letters, words | {option[2:].replace("-", "_") for option in options}


def check_mount_words(text):
    """The words of -o, or of a fourth column."""
    for word in text.split(","):
        name = word.partition("=")[0].replace("-", "_")
        assert name in fbfsd_words()[2], f"fbfsd has no option {name}"


def check_fbfsd(words):
    """The arguments of an fbfsd command line."""
    words = iter(words)
    for word in words:
        if word == "-o":
            check_mount_words(next(words))
        elif word.startswith("--"):
            assert word.partition("=")[0] in fbfsd_words()[0], f"fbfsd has no option {word}"
        elif word.startswith("-"):
            assert word in fbfsd_words()[1], f"fbfsd has no option {word}"


def check_libfb_module(words):
    """The arguments of python3 -m libfb."""
    known = (SOURCE / "bindings/python/libfb/cli/options.py").read_text(encoding="utf-8")
    for word in words:
        if word.startswith("--"):
            assert f'"{word.partition("=")[0]}"' in known, f"python3 -m libfb has no option {word}"


def commands(text):
    """The simple commands of a piece of shell, as lists of words."""
    text = text.replace("\\\n", " ")
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        start = 0
        for end in [i for i, word in enumerate(words) if word in ("&", "&&", "||", "|", ";")]:
            yield words[start:end]
            start = end + 1
        yield words[start:]


def check_sh(block):
    """It is shell, and what it calls of ours has these options."""
    subprocess.run(["bash", "-n"], input=block.body, text=True, check=True)
    for words in commands(block.body):
        if words and words[0] == "sudo":
            words = words[1:]
        if not words:
            continue
        name = words[0].rpartition("/")[2]
        if name == "fbfsd" and "theirs" not in block.options.get("class", ""):
            check_fbfsd(words[1:])
        elif words[:3] == ["python3", "-m", "libfb"]:
            check_libfb_module(words[3:])
        elif words[0].startswith("OPTIONS="):  # a file of fbfsd@.service
            check_fbfsd(shlex.split(words[0].partition("=")[2]))
        elif words[0].startswith("script/"):
            assert (SOURCE / words[0]).is_file(), words[0]
        elif words[:2] == ["cmake", "--preset"]:
            assert f'"name": "{words[2]}"' in (SOURCE / "CMakePresets.json").read_text()


def check_xml(block):
    """It is well-formed, and libvirt's schema takes a whole domain where it is installed."""
    root = xml.etree.ElementTree.fromstring(block.body)
    if root.tag == "domain" and shutil.which("virt-xml-validate"):
        subprocess.run(["virt-xml-validate", "/dev/stdin", "domain"], input=block.body, text=True,
                       check=True)


def check_unit(block):
    """It is a unit of systemd; fbfsd's options in it exist."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str
    parser.read_string(block.body)
    assert set(parser.sections()) <= UNIT_SECTIONS and parser.sections()
    for section in parser.values():
        words = shlex.split(section.get("ExecStart", ""))
        if words and words[0].rpartition("/")[2] == "fbfsd":
            check_fbfsd(words[1:])


def table_lines(block):
    """The lines of a file with columns, without comments."""
    return [line.split() for line in block.body.splitlines() if line and line[0] != "#"]


def check_fstab(block):
    """Six columns; fbfsd's options exist."""
    for fields in table_lines(block):
        assert len(fields) == 6, fields
        if fields[2] == "fuse.fbfsd":
            check_mount_words(fields[3])


def check_shares(block):
    """Lines as fbfsd --config has them."""
    for fields in table_lines(block):
        assert len(fields) == 4 and fields[2] == "fbfsd", fields
        check_mount_words(fields[3])


def check_cmake(block):
    """The lines are those of the project that the test api.install builds, but for the program's name."""
    tested = (SOURCE / "tests/api/consumer/CMakeLists.txt").read_text().replace("by-cmake main", "X X")
    tested = tested.replace("by-cmake", "X")
    for line in block.body.splitlines():
        assert re.sub(r"\bhello\b", "X", line) in tested, line


def check_literalinclude(block):
    """The file is a sample: one that was built, or is run (test_samples.py looks whether all are)."""
    path = (block.page.parent / block.argument).resolve()
    assert path.is_file() and path.is_relative_to(DOC / "samples"), block.argument
    if path.suffix == ".c" and path.parent == DOC / "samples":
        assert (BUILD / "samples" / path.stem).is_file(), f"{path.name} was not built"
    for option in ("start-at", "start-after", "end-before", "end-at"):
        if option in block.options:
            assert block.options[option].strip("\"'") in path.read_text(encoding="utf-8")


def check_raw(block):
    """HTML comes from a file, which is well-formed."""
    assert block.argument == "html" and "file" in block.options
    xml.etree.ElementTree.parse(block.page.parent / block.options["file"])


def check_foreign(block):
    """Code of others, which is shown to compare: nothing here can compile it."""
    assert "theirs" in block.options.get("class", "")
    pytest.skip(f"{block}: no compiler with the other project's library here")


CHECKERS = {
    "sh": check_sh, "xml": check_xml, "ini": check_unit, "fstab": check_fstab,
    "fbfsd": check_shares, "cmake": check_cmake, "rust": check_foreign,
    "{literalinclude}": check_literalinclude, "{raw}": check_raw,
    "{toctree}": lambda block: None,  # Sphinx checks it, and warnings are errors
}
