# SPDX-License-Identifier: BSD-3-Clause
"""What the pages on migration say, taken apart: for the tests beside this file."""

import re

from pages import DOC, SOURCE

PAGES = DOC / "migrate"


def page(name):
    return (PAGES / name).read_text(encoding="utf-8")


def coded(text):
    """What stands in backquotes."""
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)


def words(text):
    """The words in that."""
    return {word for code in coded(text) for word in re.findall(r"[\w-]+", code)}


def tables(text):
    """All lines of tables as lists of cells, without heads."""
    for table in re.findall(r"^\|-.*\n((?:\|.*\n)+)", text, re.M):
        for line in table.splitlines():
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]


def section(text, title):
    return re.split(r"^## ", text.split(f"\n## {title}\n")[1], flags=re.M)[0]


def pairs(name, title):
    """(theirs, ours) of a table whose first two cells are one name each; None for "–"."""
    for line in tables(section(page(name), title)):
        theirs, ours = line[0].strip("`"), line[1].strip("`")
        yield theirs, None if ours == "–" else ours


def headers():
    """The installed headers of libfb."""
    return "\n".join(path.read_text(encoding="utf-8")
                     for path in sorted((SOURCE / "libfb/include/libfb").glob("*.h")))


def operations():
    """The names of a driver's operations."""
    return set(re.findall(r"\bX\((\w+)\)", headers().split("#define FB_DRIVER_OPS(X)")[1]
                          .split("\n\n")[0]))
