# SPDX-License-Identifier: BSD-3-Clause
"""The manual's pages, taken apart into blocks: for the tests beside this file."""
import dataclasses
import os
import pathlib
import re

SOURCE = pathlib.Path(os.environ.get("FB_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
BUILD = pathlib.Path(os.environ.get("FB_BUILD_DIR", SOURCE / "build" / "dev"))
DOC = SOURCE / "doc"
PAGES = sorted(DOC.rglob("*.md"))

FENCE = re.compile(r"(?ms)^(?P<fence>```+|:::+|~~~+)(?P<info>[^\n]*)\n(?P<body>.*?)^(?P=fence)\s*$")
DIRECTIVE = re.compile(r"\{([\w-]+)\}\s*(.*)")
OPTION = re.compile(r":([\w-]+):\s*(.*)")


@dataclasses.dataclass
class Block:
    """A fenced block: its kind is a language, or a directive in braces with its argument."""

    page: pathlib.Path
    line: int
    kind: str
    argument: str
    options: dict
    body: str

    def __str__(self):
        return f"{self.page.relative_to(DOC)}:{self.line}:{self.kind}"


def block(page, text, match):
    """The block of a match."""
    kind, argument, options, body = match["info"].strip(), "", {}, match["body"]
    if directive := DIRECTIVE.fullmatch(kind):
        kind, argument = "{" + directive[1] + "}", directive[2]
        lines = body.splitlines(keepends=True)
        while lines and (option := OPTION.fullmatch(lines[0].strip())):
            options[option[1]] = option[2]
            lines.pop(0)
        body = "".join(lines).lstrip("\n")
    if kind in ("{code-block}", "{code}"):
        kind = argument
    return Block(page, text.count("\n", 0, match.start()) + 1, kind, argument, options, body)


def blocks(page):
    """All fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [block(page, text, match) for match in FENCE.finditer(text)]


BLOCKS = [found for page in PAGES for found in blocks(page)]
