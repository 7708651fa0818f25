# SPDX-License-Identifier: BSD-3-Clause
"""The samples in manual pages: those in C compile, SYNOPSES agree with the headers, and what fbfsd(8) shows
is checked as on the other pages."""
import os
import re
import subprocess

import pytest
from checkers import check_fstab, check_sh, check_shares, check_unit
from pages import SOURCE, Block

PAGES = [*sorted((SOURCE / "libfb/man").glob("*.3.scd")), SOURCE / "daemon/fbfsd.8.scd"]
FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wno-unused", "-fsyntax-only",
         f"-I{SOURCE}/libfb/include", "-x", "c", "-"]


def samples(page):
    """The blocks of a page, as man(1) shows them."""
    text = page.read_text(encoding="utf-8")
    for match in re.finditer(r"(?ms)^```\n(.*?)^```$", text):
        line = text.count("\n", 0, match.start()) + 1
        yield Block(page, line, "", "", {}, re.sub(r"\\(.)", r"\1", match[1]))


SAMPLES = [sample for page in PAGES for sample in samples(page)]


def name(sample):
    """fb_io.3.scd:12"""
    return f"{sample.page.name}:{sample.line}"


def compile_c(text):
    """What is no whole file gets what is missing around it."""
    # Structs whose operations are described below: the header has them.
    text = re.sub(r"(?m)^struct \w+ \{ size_t size; /\*.*?\*/ \};$", "", text)
    if text.lstrip().startswith("return "):
        text = f"int sample(const char *path)\n{{\n{text}}}\n"
    if "#include" not in text:
        text = f"#include <errno.h>\n#include <libfb/fb.h>\n{text}"
    done = subprocess.run([os.environ.get("CC", "cc"), *FLAGS], input=text, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def check_of_fbfsd(sample):
    """Tell what it is by how it begins."""
    first = sample.body.splitlines()[0]
    columns = re.match(r"# \S+ +(?=# )", first)
    if columns:  # two units beside each other
        for cut in (slice(columns.end()), slice(columns.end(), None)):
            lines = [line[cut].strip() for line in sample.body.splitlines()]
            check_unit(Block(sample.page, sample.line, "ini", "", {}, "\n".join(lines)))
    elif first.startswith("["):
        check_unit(sample)
    elif first.startswith("# SOURCE"):
        check_shares(sample)
    elif " fuse.fbfsd " in first:
        check_fstab(sample)
    else:
        assert re.match(r"fbfsd |\w+=", first), f"nothing checks {name(sample)}"
        check_sh(sample)


def test_there_are_samples():
    pages = {sample.page for sample in SAMPLES}
    assert len(SAMPLES) >= 15 and len(pages) == len(PAGES)


@pytest.mark.parametrize("sample", SAMPLES, ids=name)
def test_sample(sample):
    if sample.page.name.endswith(".3.scd"):
        compile_c(sample.body)
    else:
        check_of_fbfsd(sample)


def test_a_wrong_synopsis_is_found():
    with pytest.raises(AssertionError):
        compile_c("#include <libfb/log.h>\nint fb_last_error(void);\n")


def test_the_first_example_is_hello():
    """libfb(3) and examples/hello.c are one program, but for where lines are broken."""
    (example,) = [sample.body for sample in SAMPLES if "int main(" in sample.body]
    hello = (SOURCE / "libfb/examples/hello.c").read_text(encoding="utf-8")
    assert "".join(example.split()) in "".join(hello.split())


def test_commands_go_on_over_lines():
    """A backslash at the end of a line survives scdoc only when it is doubled."""
    for page in PAGES:
        assert not re.search(r"(?m)(?<!\\)\\$", page.read_text(encoding="utf-8")), page
