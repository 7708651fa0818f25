#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Write the manual's page on the protocol: protocol.py [FILE]

It is made of the library's own tables (libfb/protocol/op_table.h and init_flags.h) and of the sizes that
wire.h has the compiler check. A table that does not look as expected is an error.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

PROTOCOL = Path(__file__).resolve().parent.parent / "libfb" / "protocol"
OP_COLUMNS = ("number", "name", "handler", "op", "since", "in", "names", "tail", "room", "reply",
              "absent", "soft", "flags")
INIT_COLUMNS = ("bit", "name", "since", "party", "needs", "beats", "meaning")
Row = dict[str, str]


def arguments(text: str) -> list[str]:
    """Split the arguments of a macro call; commas in brackets and literals do not divide."""
    parts = re.findall(r'(?:"(?:\\.|[^"])*"|\([^()]*\)|[^,"()])+', text)
    return [" ".join(part.split()) for part in parts]


def rows(header: str, macro: str, columns: tuple[str, ...]) -> list[Row]:
    """The rows X(…) of a table macro, in its order."""
    body = re.search(rf"^#define {macro}\(X\)((?:.*\\\n)*.*\n)", header, re.M)
    if body is None:
        raise ValueError(f"there is no table {macro}")
    lines = body[1].replace("\\\n", "\n")
    calls = re.findall(r'\bX\(((?:"(?:\\.|[^"])*"|\([^()]*\)|[^"()])*)\)', lines)
    if len(calls) != len(re.findall(r"\bX\(", lines)):
        raise ValueError(f"a row of {macro} can not be read")
    split = [arguments(call) for call in calls]
    if any(len(row) != len(columns) for row in split):
        raise ValueError(f"{macro} has other columns than {', '.join(columns)}")
    return [dict(zip(columns, row)) for row in split]


def explained(header: str, pattern: str) -> Row:
    """Names that match, each with the comment behind it on its line."""
    return dict(re.findall(rf"^\s*(?:#define )?{pattern}\b[^/\n]*/\* (.*?) \*/$", header, re.M))


def table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> Iterator[str]:
    """A table in Markdown."""
    titles = list(head)
    yield "| " + " | ".join(titles) + " |"
    yield "|" + "---|" * len(titles)
    for line in lines:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |"
    yield ""


def code(name: str) -> str:
    return f"`{name}`"


def version(minor: str) -> str:
    return f"7.{minor}" if minor != "0" else "–"


class Page:
    """What the headers say, and the page that tells it."""

    def __init__(self, folder: Path = PROTOCOL) -> None:
        ops, init, wire = ((folder / name).read_text(encoding="utf-8")
                           for name in ("op_table.h", "init_flags.h", "wire.h"))
        self.ops = rows(ops, "FB_OP_TABLE", OP_COLUMNS)
        self.replies = {row["name"]: row["out"]
                        for row in rows(ops, "FB_REPLY_TABLE", ("name", "out"))}
        self.flags = explained(ops, r"(FB_ROW_\w+)")
        self.features = rows(init, "FB_INIT_FLAG_TABLE", INIT_COLUMNS)
        self.parties = explained(init, r"FB_INIT_(CORE|DRIVER|TRANSPORT|VIRTIO|INFO|NEVER)")
        self.sizes = dict(re.findall(r"^FB_WIRE_IS\((\w+), (\d+)\);", wire, re.M))
        self.minors = dict(re.findall(r"^#define FB_KERNEL_(MINOR\w*) (\d+)U", wire, re.M))

    def struct(self, name: str) -> list[str]:
        return [] if name == "none" else [f"`fuse_{name}` {self.sizes[name]}"]

    @staticmethod
    def flag_names(row: Row) -> list[str]:
        return [] if row["flags"] == "0" else row["flags"].split(" | ")

    def request(self, row: Row) -> str:
        parts = [*self.struct(row["in"]), *["name"] * int(row["names"])]
        tail = re.match(r"(BYTES|ARRAY)\(\w+, (\w+)(?:, (\w+))?\)", row["tail"])
        if tail is not None:
            parts.append(f"`{tail[2]}` bytes" if tail[1] == "BYTES"
                         else f"`{tail[2]}` times `fuse_{tail[3]}` {self.sizes[tail[3]]}")
        return " + ".join(parts) or "–"

    def answer(self, row: Row) -> str:
        if "FB_ROW_NO_REPLY" in self.flag_names(row):
            return "never answered"
        room = re.match(r"ROOM\(\w+, (\w+)\)", row["room"])
        limit = [f"up to `{room[1]}` bytes"] if room else []
        return ", ".join([row["reply"], *self.struct(self.replies[row["reply"]]), *limit])

    @staticmethod
    def left_out(row: Row) -> str:
        if row["op"] == "none":
            return "the library answers"
        return "success" if row["absent"] == "0" else row["absent"]

    @staticmethod
    def soft(row: Row) -> str:
        return "–" if row["soft"] == "0" or row["op"] == "none" else row["soft"]

    def operations(self) -> Iterator[str]:
        yield from table(
            ("Opcode", "Name", "Since", "Driver operation", "Left out", "-ENOSYS becomes"),
            ((row["number"], code(row["name"]), version(row["since"]),
              "–" if row["op"] == "none" else code(row["op"]), self.left_out(row), self.soft(row))
             for row in self.ops))

    def messages(self) -> Iterator[str]:
        yield from table(("Opcode", "Name", "Request", "Answer"),
                         ((row["number"], code(row["name"]), self.request(row), self.answer(row))
                          for row in self.ops))

    def properties(self) -> Iterator[str]:
        for flag, meaning in self.flags.items():
            names = [code(row["name"]) for row in self.ops if flag in self.flag_names(row)]
            title = flag.removeprefix("FB_ROW_").lower().replace("_", " ")
            yield f"* *{title}*, {meaning}: {', '.join(names)}"
        yield ""

    def init(self) -> Iterator[str]:
        def meaning(row: Row) -> str:
            others = ((what, row[column].replace("FB_INIT_", "").split(" | "))
                      for what, column in (("needs", "needs"), ("excludes", "beats")))
            return "; ".join([row["meaning"].strip('"'),
                              *(f"{what} {', '.join(map(code, names))}" for what, names in others
                                if names != ["0"])])

        yield from table(("Bit", "Name", "Since", "Whose", "Meaning"),
                         ((row["bit"], code(row["name"]), version(row["since"]),
                           row["party"].lower(), meaning(row)) for row in self.features))
        yield from table(("Whose", "Meaning"),
                         ((name.lower(), text) for name, text in self.parties.items()))

    def text(self) -> str:
        oldest, newest = self.minors["MINOR_MIN"], self.minors["MINOR"]
        return "\n".join((
            *INTRODUCTION.format(oldest=oldest, newest=newest).split("\n"),
            *OPERATIONS.split("\n"), *self.operations(),
            *PROPERTIES.split("\n"), *self.properties(),
            *MESSAGES.split("\n"), *self.messages(),
            *INIT.split("\n"), *self.init())).rstrip() + "\n"


INTRODUCTION = """\
# The protocol

This page is made of the tables in the library's sources: the code that decodes, checks and answers requests
is made of the same rows. libfb serves clients of FUSE 7.{oldest} and newer and speaks up to 7.{newest}. Structs are
named as in Linux, *include/uapi/linux/fuse.h*.
"""

OPERATIONS = """\
## Operations

*Since* is the version of the protocol that brought the opcode, where it is newer than 7.0. *Left out* is the
answer when the driver does not have the operation. ENOSYS stands only where the kernel takes it for the whole mount and then does
what a program expects without asking again: `fsync` succeeds, `getxattr` fails with EOPNOTSUPP. When an
operation that is there returns `-ENOSYS`, the client gets the error in the next column, and asks again the
next time.
"""

PROPERTIES = """\
### What the library knows of them
"""

MESSAGES = """\
## Messages

A request is the header `fuse_in_header`, of 40 bytes, and what is named here: a struct and its size, names, each
with a NUL at its end, and bytes or structs, as many as a field of the struct says. An answer is the header
`fuse_out_header`, of 16 bytes, and, if there was no error, what is named here. DIRENTS is a row of `fuse_dirent` or `fuse_direntplus`; XATTR is
bytes, or the struct when the request asked for size 0; with IOCTL bytes follow the struct; INIT is shorter
for an old client. `fuse_create_out` is short for `fuse_entry_out` and `fuse_open_out` in a row.
"""

INIT = """\
## Features agreed with INIT

The names begin with `FB_INIT_` in libfb and with `FUSE_` in Linux. A driver sees what is offered in
`struct fb_conn` and changes `wanted` there. A feature is granted from the version *since* on (–: every version
that libfb serves) if the client offers it, whoever is named under *whose* can keep the promise, and it is not
excluded by another one. What it needs is granted with it.
"""


def main() -> None:
    text = Page().text()
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
