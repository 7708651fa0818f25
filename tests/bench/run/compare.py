# SPDX-License-Identifier: BSD-3-Clause
"""Two runs beside each other."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from .report import Run, by_place, short, table
from .results import FORMAT


class Unreadable(Exception):
    """Not a run that this program knows."""


def read(path: pathlib.Path) -> Run:
    try:
        run: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Unreadable(f"{path}: {error}") from None
    if not isinstance(run, dict) or run.get("format") != FORMAT:
        raise Unreadable(f"{path}: not a result of script/bench in format {FORMAT}")
    return run


def change(old: Run, new: Run, unit: str) -> str:
    """How much faster. Marked where the quartiles do not overlap."""
    ratio = old["median"] / new["median"] if unit == "s" else new["median"] / old["median"]
    apart = old["low"] > new["high"] or new["low"] > old["high"]
    return f"{ratio:.2f}x{'!' if apart else ' '}"


def share(old: Run, new: Run) -> str:
    """The change of the ratio to native, which tells the server from the machine."""
    if not old["ratio"] or not new["ratio"]:
        return ""
    return f"{old['ratio']['median']:.2f} -> {new['ratio']['median']:.2f}"


def used(old: Run, new: Run, name: str) -> str:
    if old[name] is None or new[name] is None:
        return ""
    return f"{short(old[name])} -> {short(new[name])}"


def differences(old: Run, new: Run) -> list[str]:
    """What was not the same."""
    lines = []
    for name in ("kernel", "processors", "processor", "memory_mib", "filesystem", "fuse_parameters", "versions"):
        before, after = old["machine"].get(name), new["machine"].get(name)
        if before != after:
            lines.append(f"  {name}: {before} -> {after}")
    if old["options"] != new["options"]:
        lines.append(f"  options: {old['options']} -> {new['options']}")
    return ["Not the same in both runs:", *lines, ""] if lines else []


def text(old: Run, new: Run) -> str:
    lines = [f"old: {old['date']}   new: {new['date']}", "", *differences(old, new),
             "faster: speed of the new run by that of the old (! the quartiles do not overlap); to native: the",
             "ratio in either run; cpu: server's processor seconds a million operations; rss: KiB", ""]
    before, after = by_place(old), by_place(new)
    for work in new["works"]:
        rows = []
        for server in new["servers"]:
            place = (server["name"], work["name"])
            if place in before and place in after:
                pair = before[place], after[place]
                rows.append((server["name"], [short(pair[0]["median"]), short(pair[1]["median"]),
                                              change(*pair, work["unit"]), share(*pair),
                                              used(*pair, "cpu_s_per_million"), used(*pair, "rss_kib")]))
        if rows:
            columns = ["old", "new", "faster", f"to {work['baseline']}", "cpu", "rss"]
            lines += [*table(f"{work['name']}, {work['unit']}", columns, rows), ""]
    return "\n".join(lines)
