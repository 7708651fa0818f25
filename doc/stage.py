#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Put together what Sphinx makes the manual of: stage.py STAGE SOURCE MAN [PAGE...]

STAGE is made anew: a copy of SOURCE (the folder doc/), one page in reference/ for each manual page in
MAN (pandoc turns it into Markdown), and each PAGE, a file that the build has generated.
reference/aliases.json tells manlinks.py which page documents which function.
"""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import textwrap


def markdown(page, language):
    """A manual page as Markdown: its headings one level down, to make room for a title, and its samples,
    which pandoc indents, as blocks of this language."""
    text = subprocess.run(["pandoc", "--from=man", "--to=gfm", "--shift-heading-level-by=1", page],
                          check=True, capture_output=True, text=True).stdout
    return re.sub(r"(?m)(?<=\n\n)(?: {4}.*\n|\n(?= {4}))+",
                  lambda block: f"```{language}\n{textwrap.dedent(block[0])}```\n", text)


def stage_man(man, reference):
    """Write a page for each manual page, and what leads where."""
    aliases = {}
    for path in sorted(man.glob("*.[1-8]")):
        name, section = path.name.rsplit(".", 1)
        if link := re.fullmatch(r"\.so man\d/(\S+)\n", path.read_text()):
            aliases[path.name] = link[1]
            continue
        aliases[path.name] = path.name
        (reference / f"{path.name}.md").write_text(
            f"# {name}({section})\n\n{markdown(path, 'c' if section == '3' else 'none')}")
    (reference / "aliases.json").write_text(json.dumps(aliases, indent=1, sort_keys=True))


def main():
    """Make STAGE."""
    stage, source, man, *pages = map(pathlib.Path, sys.argv[1:])
    shutil.rmtree(stage, ignore_errors=True)
    shutil.copytree(source, stage, ignore=shutil.ignore_patterns("__pycache__", "CMakeLists.txt"))
    stage_man(man, stage / "reference")
    for page in pages:
        shutil.copy(page, stage)


main()
