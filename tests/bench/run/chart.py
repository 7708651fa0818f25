# SPDX-License-Identifier: BSD-3-Clause
"""A picture: each work a row, each server a dot with its spread, at its speed beside the native one."""

from __future__ import annotations

import pathlib
from typing import Any

from .report import Run, by_place

COLOURS = ["#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#17becf", "#8c564b", "#e377c2", "#7f7f7f",
           "#bcbd22", "#000000"]
MARKERS = "osD^vP*X<>p"
COLUMNS = 2
ROW_INCHES = 0.26  # at least
SERVER_INCHES = 0.055  # of a row
LEGEND_COLUMNS = 7


def panels(run: Run) -> dict[str, list[Run]]:
    """Works that belong together: one picture each."""
    measured = {result["work"] for result in run["results"]}
    found: dict[str, list[Run]] = {}
    for work in run["works"]:
        group, variant, *_ = work["name"].split("/")
        title = group if group in ("project", "guest") else f"{group}, {variant.replace('threads-', 'threads: ')}"
        if work["name"] in measured:
            found.setdefault(title, []).append(work)
    return found


def label(work: Run) -> str:
    """What the panel's title does not say already."""
    words = work["name"].split("/")
    return " ".join(words[1:] if words[0] in ("project", "guest") else words[2:])


def contestants(run: Run, works: list[Run]) -> list[str]:
    """Those with a ratio, without the one that it is to."""
    names = {work["name"] for work in works}
    found = {result["server"] for result in run["results"] if result["work"] in names and result["ratio"]}
    bases = {work["baseline"] for work in works}
    return [server["name"] for server in run["servers"] if server["name"] in found - bases]


def draw_server(axes: Any, run: Run, works: list[Run], name: str, offset: float, style: dict[str, Any]) -> None:
    places = by_place(run)
    rows, middles, lows, highs = [], [], [], []
    for row, work in enumerate(works):
        ratio = places.get((name, work["name"]), {}).get("ratio")
        if ratio:
            rows.append(row + offset)
            middles.append(ratio["median"])
            lows.append(ratio["median"] - ratio["low"])
            highs.append(ratio["high"] - ratio["median"])
    axes.errorbar(middles, rows, xerr=[lows, highs], linestyle="none", markersize=5, elinewidth=1.2,
                  label=name, **style)


def draw(axes: Any, run: Run, title: str, works: list[Run], styles: dict[str, dict[str, Any]],
         ticks: Any) -> None:
    names = contestants(run, works)
    for index, name in enumerate(names):
        offset = 0.8 * ((index + 0.5) / len(names) - 0.5)
        draw_server(axes, run, works, name, offset, styles[name])
    for row in range(0, len(works), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#f2f2f2", zorder=0)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticks)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(lambda *_: "")
    axes.grid(axis="x", which="both", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_yticks(range(len(works)), [label(work) for work in works])
    axes.set_ylim(len(works) - 0.5, -0.5)
    axes.set_title(f"{title} (1 = {works[0]['baseline']}; right is faster)", fontsize=11, loc="left")


def row_inches(run: Run, works: list[Run]) -> float:
    return max(ROW_INCHES, SERVER_INCHES * len(contestants(run, works)))


def title_of(run: Run) -> str:
    machine, versions = run["machine"], run["machine"]["versions"]
    return (f"Speed beside the native file system: medians of {run['rounds']} rounds with quartiles\n"
            f"{machine['kernel']}, {machine['processors']} x {machine['processor']}, "
            f"{machine['filesystem'].split()[0] if machine['filesystem'] else ''}, "
            f"{versions.get('fbfsd', '')} ({versions.get('commit', '?')}), {run['date']}")


def fill(figure: Any, run: Run, everyone: list[str], ticks: Any) -> None:
    """The panels, two side by side, below a row for the legend. ticks makes what places the numbers of an axis."""
    groups = {title: works for title, works in panels(run).items() if contestants(run, works)}
    styles = {name: {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[(i + i // 11) % len(MARKERS)]}
              for i, name in enumerate(everyone)}
    titles = list(groups)
    lines = [titles[at:at + COLUMNS] for at in range(0, len(titles), COLUMNS)]
    heights = [0.3 * -(-len(everyone) // LEGEND_COLUMNS) + 0.2]
    heights += [max(len(groups[title]) * row_inches(run, groups[title]) + 0.8 for title in line) for line in lines]
    figure.set_figheight(sum(heights) + 0.8)
    grid = figure.add_gridspec(len(heights), COLUMNS, height_ratios=heights)
    handles: dict[str, Any] = {}
    for index, title in enumerate(titles):
        axes = figure.add_subplot(grid[1 + index // COLUMNS, index % COLUMNS])
        draw(axes, run, title, groups[title], styles, ticks())
        handles.update({name: handle for handle, name in zip(*axes.get_legend_handles_labels())})
    legend = figure.add_subplot(grid[0, :])
    legend.axis("off")
    legend.legend([handles[name] for name in everyone], everyone, loc="center", ncol=LEGEND_COLUMNS,
                  frameon=False)


def write(run: Run, paths: list[pathlib.Path]) -> str:
    """Returns why there is none, or nothing."""
    try:
        import matplotlib  # type: ignore
    except ImportError:
        return "no chart: python3-matplotlib is not installed"
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text
    from matplotlib import pyplot, ticker

    everyone = contestants(run, run["works"])
    if not everyone:
        return "no chart: there is nothing to compare"
    figure = pyplot.figure(figsize=(8.5 * COLUMNS, 1), layout="constrained")
    fill(figure, run, everyone, lambda: ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
    figure.suptitle(title_of(run), fontsize=12)
    for path in paths:
        figure.savefig(path, dpi=90)
    pyplot.close(figure)
    return ""
