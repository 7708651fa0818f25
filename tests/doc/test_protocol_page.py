# SPDX-License-Identifier: BSD-3-Clause
"""The manual's page on the protocol says what the compiler finds in the tables it is made of."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

SOURCE = pathlib.Path(os.environ.get("FB_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
SCRIPT = SOURCE / "doc" / "protocol.py"
TABLE = SOURCE / "libfb" / "protocol" / "op_table.h"

#: Requests that end with bytes or structs in a number that they tell.
WITH_TAIL = {"WRITE", "SETXATTR", "IOCTL", "NOTIFY_REPLY", "BATCH_FORGET", "REMOVEMAPPING"}

#: Prints each row of the tables, one a line, as the compiler expands it.
PROGRAM = """
#include <stdio.h>
#include "protocol/init_flags.h"
#include "protocol/wire.h"

int main(void)
{
#define X(number, name, handler, op, since, in, names, tail, room, reply, absent, soft, flags) \\
	printf("op %d %s 7.%d %s %zu %d %s\\n", number, #name, since, #op, FB_WIRE_SIZE(in), \\
	       names, #reply);
	FB_OP_TABLE(X)
#undef X
#define HAS(flag, name, flags) if ((flags) & flag) printf("flag %s %s\\n", #flag, name);
#define X(number, name, handler, op, since, in, names, tail, room, reply, absent, soft, flags) \\
	EACH_FLAG(#name, flags)
	FB_OP_TABLE(X)
#undef X
#define X(name, out) printf("reply %s %zu\\n", #name, FB_WIRE_SIZE(out));
	FB_REPLY_TABLE(X)
#undef X
#define X(bit, name, since, party, needs, beats, meaning) \\
	printf("init %d %s 7.%d %s; needs %s; excludes %s\\n", bit, #name, since, meaning, #needs, #beats);
	FB_INIT_FLAG_TABLE(X)
#undef X
	return 0;
}
"""


@pytest.fixture(scope="module")
def page():
    return subprocess.run([sys.executable, SCRIPT], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Lines of the program above, as lists of words."""
    folder = tmp_path_factory.mktemp("table")
    flags = re.findall(r"^#define (FB_ROW_\w+)", TABLE.read_text(encoding="utf-8"), re.M)
    each = " ".join(f"HAS({flag}, name, flags)" for flag in flags)
    (folder / "table.c").write_text(f"#define EACH_FLAG(name, flags) {each}\n{PROGRAM}")
    subprocess.run([os.environ.get("CC", "cc"), "-std=gnu17", f"-I{SOURCE}/libfb",
                    f"-I{SOURCE}/libfb/include", folder / "table.c", "-o", folder / "table"],
                   check=True)
    output = subprocess.run([folder / "table"], check=True, capture_output=True, text=True).stdout
    return [line.split(" ") for line in output.splitlines()]


def cells(page, title):
    """The lines of the first table below a title, as lists of cells without markup."""
    section = page.split(f"\n## {title}\n")[1].split("\n## ")[0]
    table = re.search(r"\n\|---.*\n((?:\|.*\n)+)", section)[1]
    return [[cell.strip().replace("`", "") for cell in line[1:-1].split(" | ")] for line in table.splitlines()]


def since(minor):
    return "–" if minor == "7.0" else minor


def test_every_row_is_among_the_operations(page, compiled):
    rows = [line[1:] for line in compiled if line[0] == "op"]
    assert len(rows) > 45
    shown = cells(page, "Operations")
    assert [(row[0], row[1], since(row[2]), row[3].replace("none", "–")) for row in rows] == \
        [tuple(line[:4]) for line in shown]


def test_messages_have_the_sizes_of_the_structs(page, compiled):
    sizes = {line[1]: line[2] for line in compiled if line[0] == "reply"}
    rows = [line[1:] for line in compiled if line[0] == "op"]
    shown = cells(page, "Messages")
    assert len(shown) == len(rows)
    for row, line in zip(rows, shown):
        number, name, _, _, size, names, reply = row
        assert line[:2] == [number, name]
        parts = [] if line[2] == "–" else line[2].split(" + ")
        assert parts.count("name") == int(names), name
        assert size == "0" or parts[0].endswith(f"_in {size}"), name
        assert len(parts) - int(names) - (size != "0") == (name in WITH_TAIL), name
        if reply == "NONE":
            assert line[3] == "never answered"
        else:
            assert line[3].split(",")[0] == reply
            assert sizes[reply] == "0" or f" {sizes[reply]}" in line[3].split(",")[1], name


def test_every_feature_is_there(page, compiled):
    rows = [line[1:3] + [since(line[3]), " ".join(line[4:])] for line in compiled
            if line[0] == "init"]
    shown = cells(page, "Features agreed with INIT")
    for row, line in zip(rows, shown):
        meaning = re.sub("; (?:needs|excludes) 0", "", row[3]).replace("FB_INIT_", "")
        assert [*line[:3], line[4]] == [*row[:3], meaning.replace(" | ", ", ")]
    assert len(rows) == len(shown) > 40


def test_every_property_names_the_opcodes_that_have_it(page, compiled):
    has = {}
    for word in (line[1:] for line in compiled if line[0] == "flag"):
        has.setdefault(word[0].removeprefix("FB_ROW_").lower().replace("_", " "), []).append(word[1])
    shown = {title: re.findall(r"`(\w+)`", names) for title, names in
             re.findall(r"^\* \*([a-z ]+)\*, .*: ((?:`\w+`(?:, )?)+)$", page, re.M)}
    assert len(has) > 10
    assert shown == has


def test_every_party_is_explained(page):
    explained = set(re.findall(r"^\| ([a-z]+) \| [^|]+ \|$", page, re.M))
    parties = {line[3] for line in cells(page, "Features agreed with INIT")}
    assert len(parties) > 4 and parties <= explained


def test_a_table_of_another_form_is_refused(tmp_path):
    """Rather no page than one from which rows are missing."""
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        import protocol
    finally:
        sys.path.pop(0)
    for name in ("op_table.h", "init_flags.h", "wire.h"):
        (tmp_path / name).write_text((protocol.PROTOCOL / name).read_text())
    table = tmp_path / "op_table.h"
    whole = table.read_text()
    assert len(protocol.Page(tmp_path).ops) == len(protocol.Page().ops)
    table.write_text(whole.replace("X(1, LOOKUP, lookup,", "X(1, LOOKUP,"))
    with pytest.raises(ValueError, match="other columns"):
        protocol.Page(tmp_path)
    table.write_text(whole.replace("FB_OP_TABLE", "FB_OTHER"))
    with pytest.raises(ValueError, match="no table"):
        protocol.Page(tmp_path)
