# SPDX-License-Identifier: BSD-3-Clause
"""Figures for people: requests by opcode, with a histogram of how long they took."""

from __future__ import annotations

from typing import Any

BARS = " ▁▂▃▄▅▆▇█"


def _time(us: float) -> str:
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if us >= size:
            return f"{us / size:.3g} {unit}"
    return f"{us:.3g} us"


def _quantile(buckets: list[int], share: float) -> str:
    """The upper end of the bucket that this share of the requests stays below."""
    wanted, seen = share * sum(buckets), 0
    for n, count in enumerate(buckets):
        seen += count
        if count and seen >= wanted:
            return _time(2**n) if n < len(buckets) - 1 else "more"
    return "-"


def _bars(buckets: list[int]) -> str:
    most = max(buckets)
    used = [n for n, count in enumerate(buckets) if count]
    shown = buckets[used[0]:used[-1] + 1] if used else []
    bars = "".join(BARS[-(-count * (len(BARS) - 1) // most)] for count in shown)
    return f"{_time(2 ** used[0])} {bars}" if used else ""


def table(statistics: dict[str, dict[str, Any]], transport: str) -> str:
    """statistics() of a server as text, the most frequent opcode first."""
    if not statistics:
        return "libfb: no requests so far\n"
    lines = [f"libfb: requests over {transport}",
             f"{'operation':<16}{'requests':>10}{'errors':>8}{'mean':>9}{'p50 <':>9}{'p99 <':>9}"
             "  from, histogram (powers of 2)"]
    for name in sorted(statistics, key=lambda name: -int(statistics[name]["requests"])):
        one = statistics[name]
        mean = one["latency_ns"] / one["requests"] / 1000
        buckets = one["buckets"]
        lines.append(f"{name:<16}{one['requests']:>10}{one['errors']:>8}{_time(mean):>9}"
                     f"{_quantile(buckets, 0.5):>9}{_quantile(buckets, 0.99):>9}"
                     f"  {_bars(buckets)}".rstrip())
    return "\n".join(lines) + "\n"
