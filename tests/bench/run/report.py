# SPDX-License-Identifier: BSD-3-Clause
"""Tables for people, made from the JSON, so that old runs can be shown, too."""

from __future__ import annotations

from typing import Any

Run = dict[str, Any]  # as read from the JSON
WIDTH = 118


def short(value: float) -> str:
    """Three digits that matter."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def by_place(run: Run) -> dict[tuple[str, str], Run]:
    return {(result["server"], result["work"]): result for result in run["results"]}


def table(head: str, columns: list[str], rows: list[tuple[str, list[str]]]) -> list[str]:
    first = max(len(text) for text in [head, *(name for name, _ in rows)])
    widths = [max(len(text) for text in [name, *(cells[i] for _, cells in rows)])
              for i, name in enumerate(columns)]
    lines = [[head, *columns], *([name, *cells] for name, cells in rows)]
    return [line[0].ljust(first) + "".join("  " + text.rjust(width) for text, width in zip(line[1:], widths))
            for line in lines]


def speed(result: Run) -> str:
    spread = (result["high"] - result["low"]) / 2 / result["median"] * 100 if result["median"] else 0
    text = f"{short(result['median'])} ±{spread:.0f}%"
    return f"{text} {result['ratio']['median']:5.2f}x" if result["ratio"] else text


def latency(result: Run) -> str:
    return "/".join(short(value) for value in result["latency_us"].values()) or "-"


def cost(result: Run) -> str:
    if result["cpu_s_per_million"] is None:
        return "-"
    return f"{short(result['cpu_s_per_million'])} {result['rss_kib'] / 1024:.1f}/{result['hwm_kib'] / 1024:.1f}"


PARTS = [
    ("Speed: median, ± half the range between the quartiles, and the ratio to the first column's speed in the\n"
     "same round (1.00x: as fast; below: slower, also where the unit is seconds)", speed),
    ("Latency in µs: p50/p99/p99.9", latency),
    ("Server: processor seconds for a million operations, resident memory afterwards/at most in MiB", cost),
]


def in_width(names: list[str], cell: int, first: int) -> list[list[str]]:
    """As many columns side by side as fit; the first, that the others are compared with, each time."""
    most = max(2, (WIDTH - first) // (cell + 2))
    rest = names[1:]
    return [names[:1] + rest[at:at + most - 1] for at in range(0, max(len(rest), 1), most - 1)]


def part(run: Run, show: Any, works: list[Run], names: list[str]) -> list[str]:
    places = by_place(run)
    cells = {(name, work["name"]): show(places[name, work["name"]]) if (name, work["name"]) in places else ""
             for name in names for work in works}
    width = max(map(len, [*cells.values(), *names]))
    first = max(len(work["name"]) + len(work["unit"]) + 2 for work in works)
    lines = []
    for columns in in_width(names, width, first):
        rows = [(f"{work['name']}, {work['unit']}", [cells[name, work["name"]] for name in columns])
                for work in works]
        lines += [*table("", columns, rows), ""]
    return lines


def header(run: Run) -> list[str]:
    machine = run["machine"]
    parameters = " ".join(f"{name}={value}" for name, value in machine["fuse_parameters"].items())
    lines = [
        f"{run['date']}: {run['rounds']} rounds{', interrupted' if run['interrupted'] else ''}",
        f"{machine['kernel']}, {machine['processors']} x {machine['processor']}, {machine['memory_mib']} MiB",
        f"file system: {machine['filesystem']}; load at the start: {machine['load_at_start']:.2f}",
        f"module fuse: {parameters}",
        "; ".join(f"{name} {version}" for name, version in machine["versions"].items()),
        "options: " + " ".join(f"{name}={value}" for name, value in run["options"].items()), "",
    ]
    for server in run["servers"]:
        state = f"  [{server['state']}: {server['reason']}]" if server["state"] != "ok" else ""
        lines.append(f"  {server['name']:<22} {server['command'] or 'the source itself'}{state}")
    return lines + [""]


def failures(run: Run) -> list[str]:
    if not run["failures"]:
        return []
    return ["Failures:", *(f"  round {each['round']}, {each['server']}, {each['work']}: {each['reason']}"
                           for each in run["failures"]), ""]


def text(run: Run) -> str:
    """The whole report."""
    lines = header(run)
    measured = {result["work"] for result in run["results"]}
    for title, show in PARTS:
        lines += [title, ""]
        for baseline in dict.fromkeys(work["baseline"] for work in run["works"]):
            works = [work for work in run["works"] if work["baseline"] == baseline and work["name"] in measured]
            wanted = {work["name"] for work in works}
            found = {result["server"] for result in run["results"] if result["work"] in wanted}
            names = [server["name"] for server in run["servers"] if server["name"] in found]
            if works:
                lines += part(run, show, works, names)
    return "\n".join(lines + failures(run))
