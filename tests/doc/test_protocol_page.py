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

#: Prints each row of the tables, one a line, as the compiler expands it.
PROGRAM = """
#include <stdio.h>
#include "protocol/init_flags.h"
#include "protocol/wire.h"

int main(void)
{
#define X(number, name, handler, op, since, in, names, tail, room, reply, absent, soft, flags) \\
	printf("op %d %s 7.%d %s %zu %d %s %s\\n", number, #name, since, #op, FB_WIRE_SIZE(in), \\
	       names, #reply, (flags) & FB_ROW_MUTATES ? "mutates" : "reads");
	FB_OP_TABLE(X)
#undef X
#define X(name, out) printf("reply %s %zu\\n", #name, FB_WIRE_SIZE(out));
	FB_REPLY_TABLE(X)
#undef X
#define X(bit, name, since, party, needs, beats, meaning) \\
	printf("init %d %s 7.%d %s\\n", bit, #name, since, meaning);
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
    (folder / "table.c").write_text(PROGRAM)
    subprocess.run([os.environ.get("CC", "cc"), "-std=gnu17", f"-I{SOURCE}/libfb",
                    f"-I{SOURCE}/libfb/include", folder / "table.c", "-o", folder / "table"],
                   check=True)
    output = subprocess.run([folder / "table"], check=True, capture_output=True, text=True).stdout
    return [line.split(" ") for line in output.splitlines()]


def cells(page, title):
    """The lines of the first table below a title, as lists of cells without markup."""
    section = page.split(f"\n## {title}\n")[1].split("\n## ")[0]
    table = re.search(r"\n\|---.*\n((?:\|.*\n)+)", section)[1]
    return [[cell.strip(" `") for cell in line.strip("|").split(" | ")] for line in table.splitlines()]


def since(minor):
    return "–" if minor == "7.0" else minor


def test_every_row_is_among_the_operations(page, compiled):
    rows = [line[1:] for line in compiled if line[0] == "op"]
    assert len(rows) > 45
    shown = cells(page, "Operations")
    assert [(row[0], row[1], since(row[2]), row[3].replace("none", "–")) for row in rows] == \
        [tuple(line[:4]) for line in shown]
    assert [row[7] == "mutates" for row in rows] == ["mutates" in line[6] for line in shown]


def test_messages_have_the_sizes_of_the_structs(page, compiled):
    sizes = {line[1]: line[2] for line in compiled if line[0] == "reply"}
    rows = [line[1:] for line in compiled if line[0] == "op"]
    shown = cells(page, "Messages")
    assert len(shown) == len(rows)
    for row, line in zip(rows, shown):
        number, name, _, _, size, names, reply, _ = row
        assert line[:2] == [number, name]
        assert line[2] == "–" if size == "0" else line[2].endswith(f"`, {size}"), name
        assert line[3] == names
        if reply == "NONE":
            assert line[5] == "never answered"
        else:
            assert line[5].split(" ")[0].strip(",") == reply
            assert sizes[reply] == "0" or f", {sizes[reply]}" in line[5], name


def test_every_feature_is_there(page, compiled):
    rows = [line[1:4] + [" ".join(line[4:])] for line in compiled if line[0] == "init"]
    shown = cells(page, "Features agreed with INIT")
    assert [(row[0], row[1], since(row[2]), row[3]) for row in rows] == \
        [(line[0], line[1], line[2], line[6]) for line in shown]


def test_every_word_of_the_notes_is_explained(page):
    explained = set(re.findall(r"^\| ([a-z ]+) \| [^|]+ \|$", page, re.M))
    notes = {note for line in cells(page, "Operations") for note in line[6].split(", ")} - {"–"}
    assert len(notes) > 10
    assert notes <= explained
    parties = {line[3] for line in cells(page, "Features agreed with INIT")}
    assert parties <= explained


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
