# SPDX-License-Identifier: BSD-3-Clause
"""Make SWIG's docstrings of the comments in C headers: docstrings.py OUTPUT HEADER…

A comment belongs to the function or struct right below it, and to the field beside or below it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

COMMENT = r"/\*(?P<text>(?:(?!\*/).)*)\*/"
#: A comment at the margin and, without an empty line, a function or struct.
TOP = re.compile(
    rf"^{COMMENT}\n(?:struct (?P<struct>\w+) \{{\n(?P<body>.*?)^\}};|[a-zA-Z][^;{{}}#]*?"
    r"\b(?P<function>\w+)\()", re.M | re.S)
#: In a struct: a comment above a field, or behind it.
ABOVE = re.compile(rf"^\t{COMMENT}\n\t(?P<fields>[^;/(]+);", re.M | re.S)
BEHIND = re.compile(rf"^\t(?P<fields>[^;/(]+);[ \t]*{COMMENT}", re.M | re.S)


def plain(comment: str) -> str:
    """The text without stars and indentation."""
    lines = (re.sub(r"^\s*\*? ?", "", line).rstrip() for line in comment.strip().split("\n"))
    return "\n".join(lines).strip()


def names(declarators: str) -> list[str]:
    """The fields that `const char *a, *b[3]` declares."""
    return [re.findall(r"\w+", re.sub(r"\[.*?\]", "", part))[-1] for part in declarators.split(",")]


def fields(struct: str, body: str) -> Iterator[tuple[str, str]]:
    """(name for SWIG, comment) of each field that has one."""
    for found in [*ABOVE.finditer(body), *BEHIND.finditer(body)]:
        for name in names(found["fields"]):
            yield f"{struct}::{name}", plain(found["text"])


def comments(header: str) -> Iterator[tuple[str, str]]:
    """(name for SWIG, comment) of all that a header explains."""
    for found in TOP.finditer(header):
        name = found["function"] or found["struct"]
        yield name, plain(found["text"])
        if found["struct"]:
            yield from fields(name, found["body"])


def main(output: str, *headers: str) -> None:
    """Write the features to a file for SWIG to include."""
    found = [pair for header in headers
             for pair in comments(Path(header).read_text(encoding="utf-8"))]
    Path(output).write_text("".join(f'%feature("docstring") {name} %{{\n{text}\n%}}\n'
                                    for name, text in found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
