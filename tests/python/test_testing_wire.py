# SPDX-License-Identifier: BSD-3-Clause
"""The client's tables are those of the C library, whose compiler checks the numbers read here."""
import enum
import pathlib
import re

import pytest
from libfb.testing import wire

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROTOCOL = ROOT / "libfb" / "protocol"
TYPES = ROOT / "libfb" / "include" / "libfb" / "types.h"
CODES = {"uint64_t": "Q", "int64_t": "q", "uint32_t": "I", "int32_t": "i", "uint16_t": "H"}
FIELD = re.compile(r"(?:struct fb_wire_(\w+)|(\w+)) (\w+)(?:\[(\d+)\])?")

pytestmark = pytest.mark.skipif(not PROTOCOL.is_dir(), reason="the C library's sources are not here")


def header(path: pathlib.Path) -> str:
    """A header without comments."""
    return re.sub(r"/\*.*?\*/", " ", path.read_text(encoding="utf-8"), flags=re.S)


def spec(body: str) -> str:
    """The members of a C struct in the form of LAYOUTS."""
    words = []
    for declaration in body.split(";")[:-1]:
        match = FIELD.fullmatch(declaration.strip())
        assert match, declaration
        struct, plain, name, count = match.groups()
        words.append(f"{name}:{count or ''}{struct or CODES[plain]}")
    return " ".join(words)


def test_structs_are_the_same() -> None:
    structs = re.findall(r"struct fb_wire_(\w+) \{(.*?)\};", header(PROTOCOL / "wire.h"), re.S)
    assert dict(wire.LAYOUTS) == {name: spec(body) for name, body in structs if name != "none"}


def test_sizes_and_offsets() -> None:
    text = header(PROTOCOL / "wire.h")
    sizes = re.findall(r"^FB_WIRE_IS\((\w+), (\d+)\);", text, re.M)
    offsets = re.findall(r"^FB_WIRE_AT\((\w+), (\w+), (\d+)\);", text, re.M)
    assert len(sizes) > 50 and len(offsets) > 250
    for name, size in sizes:
        assert name == "none" or wire.layout(name).size == int(size), name
    for name, field, at in offsets:
        assert wire.layout(name).offsets[field] == int(at), f"{name}.{field}"


def test_opcodes() -> None:
    text = header(PROTOCOL / "op_table.h")
    rows = {name: int(number) for number, name in re.findall(r"X\((\d+), (\w+),", text)}
    assert len(rows) > 45
    assert rows == {op.name: int(op) for op in wire.Op}


@pytest.mark.parametrize(
    "flag, names",
    [
        ("NO_REPLY", wire.NO_ANSWER),
        ("GIVES_NODE", wire.GIVES_NODE),
        ("EXTENSIONS", wire.EXTENDED),
    ],
)
def test_flags_of_opcodes(flag: str, names: frozenset[wire.Op]) -> None:
    table = header(PROTOCOL / "op_table.h").partition("#define FB_OP_TABLE(X)")[2]
    rows = re.split(r"X\(\d+, (?=\w)", table.partition("FB_REPLY_TABLE")[0])[1:]
    having = {row.partition(",")[0] for row in rows if f"FB_ROW_{flag}" in row}
    assert having == {op.name for op in names}


@pytest.mark.parametrize("kind, prefix", [(wire.Feature, "INIT"), (wire.SetAttr, "SETATTR")])
def test_bits(kind: type[enum.IntFlag], prefix: str) -> None:
    text = header(TYPES)
    pattern = rf"#define FB_{prefix}_(\w+) (?:FB_INIT_BIT\(|\(UINT32_C\(1\) << )(\d+)\)"
    bits = {name: 1 << int(bit) for name, bit in re.findall(pattern, text)}
    assert bits
    for flag in kind:
        assert bits[str(flag.name)] == flag, flag


def test_codes_of_notifications() -> None:
    found = re.findall(r"FB_NOTIFY_(\w+) = (\d+)", header(PROTOCOL / "wire.h"))
    assert {name: int(number) for name, number in found} == {n.name: int(n) for n in wire.Notify}


def test_pack_and_unpack() -> None:
    data = wire.pack("lk_in", fh=7, lk_start=1, lk_type=2)
    assert wire.unpack("lk_in", data) == {
        "fh": 7, "owner": 0, "lk_start": 1, "lk_end": 0, "lk_type": 2, "lk_pid": 0, "lk_flags": 0, "padding": 0,
    }  # fmt: skip
    with pytest.raises(TypeError, match="no field colour"):
        wire.pack("lk_in", colour=1)
