# SPDX-License-Identifier: BSD-3-Clause
"""Every block of every page is of a kind that is checked, and what the text names is there."""
import re

import pytest
from checkers import CHECKERS
from pages import BLOCKS, DOC, PAGES, SOURCE

SOURCES = [path for folder in ("daemon", "libfb") for path in (SOURCE / folder).rglob("*.c")]


def test_there_are_pages():
    assert len(PAGES) >= 10 and len(BLOCKS) >= 50


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_block(block):
    assert block.kind in CHECKERS, f"{block}: nothing checks this kind"
    CHECKERS[block.kind](block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOC)))
def test_fences_are_closed(page):
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"(?m)^(?:```|:::|~~~)", text)) == 2 * sum(b.page == page for b in BLOCKS)


def literals():
    """What the programs say: the strings in their sources, those in a row as one, %s and the like as …"""
    for path in SOURCES:
        text = path.read_text(encoding="utf-8").replace(" DEV_FUSE", ' "/dev/fuse"')
        for match in re.finditer(r'"(?:[^"\\\n]|\\.)*"(?:\s*"(?:[^"\\\n]|\\.)*")*', text):
            said = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', match[0])).replace('\\"', '"')
            yield re.sub(r"%[-0-9.*]*(?:hh|h|ll|l|z|j)?[a-zA-Z]", "…", said)


def test_messages_are_those_of_the_programs():
    """A heading in backquotes is a message; after "with …" or "…" at its end more may follow."""
    text = (DOC / "troubleshooting.md").read_text(encoding="utf-8")
    said = set(literals())
    messages = re.findall(r"(?m)^### `(.*)`$", text)
    assert len(messages) >= 10
    for message in messages:
        start = message.removesuffix("…")
        assert any(one.startswith(start) if message != start else one == message for one in said), message


def test_build_options():
    """Options of the build that the pages name."""
    known = "".join(path.read_text() for path in SOURCE.glob("**/CMakeLists.txt")
                    if "build" not in path.relative_to(SOURCE).parts)
    install = (DOC / "install.md").read_text(encoding="utf-8")
    options = re.findall(r"(?m)^\| `(FB_\w+)` \| `(\w+)` \|", install)
    assert len(options) >= 5
    for name, default in options:
        assert re.search(rf"(?:set\({name} {default} |option\({name} .* {default}\))", known), name


def test_first_lines_have_a_licence():
    for page in PAGES:
        assert "SPDX-License-Identifier" in page.read_text(encoding="utf-8")[:100], page
